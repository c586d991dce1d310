/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "supervisor/io/operator_internal.h"

/*
 * For whoever moved a log file away. The writer looks before each write whether the file at the path
 * is still the one it has, so this is answered at once: the next line is in the new one.
 */

/* Return: it has one, or that is not asked for. */
static bool
reopen_one(struct desk *op, const char *name, bool all, json_t *answers)
{
    bool has = op->options.reopen && op->options.reopen(op->options.env, name);

    if (has || !all)
        (void)json_array_append_new(/* NULL: no memory, and then the answer is shorter */
                                    answers,
                                    json_pack("{s:s, s:b, s:s, s:s*}", "service", name, "ok", has,
                                              "outcome", has ? "reopened" : "failed", "reason",
                                              has ? NULL : "its lines do not go to a file"));
    return has || all;
}

void
operator_reopen(struct desk *op, struct control_request *rq)
{
    struct order order = {.verb = "reopen"};
    json_t *answers, *name;
    bool ok = true;
    size_t i;

    if (!order_parse(op, rq, &order))
        return;
    operator_audit(op, rq, &order);
    answers = json_array();
    if (order.all)
        list_for_each (pos, &op->options.sources.core->services)
            (void)reopen_one(op, container_of(pos, struct service, node)->name, true, answers);
    json_array_foreach(order.services, i, name)
    {
        if (!reopen_one(op, json_string_value(name), false, answers))
            ok = false;
    }
    control_answer(rq, ok ? 200 : 409,
                   json_pack("{s:s, s:s, s:b, s:b, s:i, s:o}", "schema", "stint.answer/1", "verb",
                             "reopen", "ok", ok, "timed_out", 0, "duration_ms", 0, "services",
                             answers));
}
