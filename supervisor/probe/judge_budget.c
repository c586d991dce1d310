/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fnmatch.h>

#include "supervisor/probe/judge_history.h"

#include "supervisor/probe/pure.h"

static bool
matches(const struct process_facts *f, size_t i, const char *pattern)
{
    const struct thread_facts *t = &f->threads[i];

    if (fnmatch(pattern, judge_name(f, i), 0) == 0)
        return true;
    if (t->start.function[0] != '\0' && fnmatch(pattern, t->start.function, 0) == 0)
        return true;
    return t->claimed && !f->untrusted && t->claim.creator_function[0] != '\0' &&
           fnmatch(pattern, t->claim.creator_function, 0) == 0;
}

struct tally {
    unsigned n, old;
    size_t first, oldest; /* of all, of those that are too old */
};

static struct tally
count(const struct process_facts *f, const struct judgements *js, const struct budget_rule *rule)
{
    struct tally c = {.first = SIZE_MAX, .oldest = SIZE_MAX};

    for (size_t i = 0; i < f->n; i++) {
        int64_t born_us = f->threads[i].started_us;

        if (js->of[i].conduct == CONDUCT_ENDED || js->of[i].verdict == VERDICT_RUNTIME ||
            !matches(f, i, rule->thread))
            continue;
        c.n++;
        if (c.first == SIZE_MAX || born_us < f->threads[c.first].started_us)
            c.first = i;
        if (facts_span(born_us, f->at_us) <= rule->max_age_us)
            continue;
        c.old++;
        if (c.oldest == SIZE_MAX || born_us < f->threads[c.oldest].started_us)
            c.oldest = i;
    }
    return c;
}

size_t
budget_check(const struct process_facts *facts, const struct judgements *judgements,
             const struct budget_rule *rules, size_t n_rules, struct budget_breach *ret, size_t max)
{
    size_t n = 0;

    for (size_t r = 0; r < n_rules; r++) {
        struct tally c = count(facts, judgements, &rules[r]);

        if (c.n > rules[r].max_count) {
            if (n < max)
                ret[n] = (struct budget_breach){
                    .rule = r, .count = c.n - rules[r].max_count, .first = c.first};
            n++;
        }
        if (c.old > 0) {
            if (n < max)
                ret[n] = (struct budget_breach){
                    .rule = r, .count = c.old, .too_old = true, .first = c.oldest};
            n++;
        }
    }
    return n;
}
