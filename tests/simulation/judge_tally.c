/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LAW_COUNTS: what the core has counted, against what people were told by all masters together. */
#include <inttypes.h>

#include "base/mem.h"
#include "tests/simulation/judge.h"

void
judge_tally_record(struct affair *a, const struct record *r)
{
    a->told[r->kind]++;
    if (r->kind == RECORD_VERDICT)
        a->outcomes[r->outcome]++;
}

static void
compare(struct judge *j, const struct service *s, const char *what, uint64_t counted, uint64_t told)
{
    if (counted != told)
        judge_say(j, LAW_COUNTS, "%s: %" PRIu64 " %s are counted, %" PRIu64 " were told", s->name,
                  counted, what, told);
}

/* While a master is dead its successor knows of more than was told: so only when nothing moves. */
void
judge_tally_rest(struct judge *j)
{
    list_for_each (n, &j->core->services) {
        const struct service *s = container_of(n, struct service, node);
        const struct service_tally *t = &s->tally;
        const struct affair *a = &j->affairs[wish_of(s->name)];
        uint64_t certificates = 0;

        if (a->id != s->id)
            continue;
        for (int o = OUTCOME_NONE; o < OUTCOME_COUNT; o++)
            compare(j, s, outcome_name((enum outcome)o), t->verdicts[o], a->outcomes[o]);
        for (int c = 0; c < CERTIFIED_COUNT; c++)
            certificates += t->certificates[c];
        compare(j, s, "certificates", certificates, a->told[RECORD_CERTIFICATE]);
        compare(j, s, "starts", t->spawns, a->told[RECORD_SPAWN]);
        compare(j, s, "deaths", t->exits, a->told[RECORD_EXIT]);
        compare(j, s, "overdue", t->overdue, a->told[RECORD_LEAK]);
        compare(j, s, "kills", t->kills, a->told[RECORD_KILL]);
        compare(j, s, "escapees", t->escapees, a->told[RECORD_ESCAPEE]);
        compare(j, s, "aborted", t->aborted, a->told[RECORD_ABORTED]);
        compare(j, s, "thread leaks", t->thread_leaks, a->told[RECORD_THREAD_LEAK]);
    }
}
