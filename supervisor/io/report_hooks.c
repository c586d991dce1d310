/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/core/core.h"
#include "supervisor/io/report_internal.h"

static json_t *
result_of(const struct hook_result *r, enum hook h, int64_t now_us)
{
    struct object o = object_new();

    object_text(&o, "hook", hook_name(h));
    object_number(&o, "generation", (int64_t)r->generation);
    object_text(&o, "outcome", hook_outcome_name(r->outcome));
    object_number(&o, "duration_ms", r->duration_us / US_PER_MS);
    object_ago_ms(&o, "ago_ms", r->at_us, now_us);
    if (r->tries > 1)
        object_number(&o, "tries", r->tries);
    object_text_unless_empty(&o, "text", r->text);
    return object_take(&o);
}

json_t *
report_hooks(const struct service *s, uint64_t reload, int64_t now_us)
{
    json_t *array = NULL;

    for (int h = HOOK_NONE + 1; s->hooks && h < HOOK_COUNT; h++) {
        const struct hook_result *r = &s->hooks[h];

        if (r->outcome == HOOK_UNDONE || (reload > 0 && r->reload != reload))
            continue;
        if (!array)
            array = json_array();
        if (!array || !array_add(array, result_of(r, (enum hook)h, now_us)))
            break;
    }
    return array;
}

json_t *
report_hook_under_way(const struct generation *g, int64_t now_us)
{
    struct object o;

    if (g->hook == HOOK_NONE)
        return NULL;
    o = object_new();
    object_text(&o, "hook", hook_name(g->hook));
    object_ago_ms(&o, "since_ms", g->hook_us, now_us);
    if (g->hook_tries > 1)
        object_number(&o, "tries", g->hook_tries);
    return object_take(&o);
}
