/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "supervisor/probe/judge_history.h"

#include "supervisor/probe/pure.h"

void
sight_finish(struct sight *sight)
{
    for (size_t i = 0; i < sight->n_groups; i++) {
        free(sight->groups[i].key);
        free(sight->groups[i].text);
    }
    free(sight->groups);
    free(sight->beats);
    *sight = (struct sight){0};
}

static void
clean(char *to, size_t room, const char *from)
{
    struct text t = TEXT_INIT;

    text_add_line(&t, from, room - 1);
    (void)snprintf(to, room, "%s", text_str(&t));
    text_finish(&t);
}

static void
sight_names(const struct process_facts *f, const struct judgement *j, struct sight_group *g)
{
    const struct claim *c = NULL;

    if (j->thread >= f->n) {
        c = &f->dead[j->dead].claim;
        clean(g->name, sizeof(g->name), c->name);
    } else {
        const struct thread_facts *t = &f->threads[j->thread];

        c = t->claimed && !f->untrusted ? &t->claim : NULL;
        clean(g->name, sizeof(g->name), judge_name(f, j->thread));
        clean(g->start, sizeof(g->start), t->start.function);
    }
    if (c)
        clean(g->creator, sizeof(g->creator), c->creator_function);
}

static int
sight_group_make(const struct process_facts *f, const struct judgements *js, size_t k,
                 struct sight_group *ret)
{
    const struct judgement_group *g = &js->groups[k];

    *ret = (struct sight_group){.verdict = g->verdict,
                                .culprit = g->culprit,
                                .count = g->count < UINT32_MAX ? (unsigned)g->count : UINT32_MAX,
                                .key = strdup(g->key)};
    if (!ret->key)
        return -ENOMEM;
    sight_names(f, &js->of[g->first], ret);
    if (verdict_is_leak(g->verdict)) {
        struct text line = TEXT_INIT, cut = TEXT_INIT;

        judge_tell(f, js, k, &line);
        text_add_line(&cut, text_str(&line), HISTORY_TEXT - 1);
        if (line.failed)
            cut.failed = true;
        text_finish(&line);
        ret->text = text_steal(&cut);
        text_finish(&cut);
        return ret->text ? 0 : -ENOMEM;
    }
    return 0;
}

/* Those that have to beat go first: there is not room for everybody. */
static void
sight_beats(const struct process_facts *f, struct sight *s)
{
    for (int vital = 1; vital >= 0; vital--)
        for (size_t i = 0; i < f->n && s->n_beats < HISTORY_BEATS; i++) {
            const struct thread_facts *t = &f->threads[i];

            if (!t->claimed || (t->claim.vital_every_us > 0) != (vital == 1) ||
                (vital == 0 && t->claim.beats == 0))
                continue;
            s->beats[s->n_beats++] = (struct sight_beat){
                .tid = t->tid, .start_time = t->start_time, .beats = t->claim.beats};
        }
}

int
sight_make(const struct process_facts *facts, const struct judgements *judgements,
           uint64_t generation, int64_t at_wall_us, struct sight *ret)
{
    struct sight s = {.generation = generation,
                      .pid = facts->pid,
                      .at_us = facts->at_us,
                      .at_wall_us = at_wall_us,
                      .asked = facts->cancelled_us != 0};
    int r = 0;

    s.groups = calloc(SIGHT_GROUPS, sizeof(*s.groups));
    s.beats = calloc(HISTORY_BEATS, sizeof(*s.beats));
    if (!s.groups || !s.beats)
        r = -ENOMEM;
    for (size_t k = 0; r == 0 && k < judgements->n_groups && k < SIGHT_GROUPS; k++) {
        r = sight_group_make(facts, judgements, k, &s.groups[k]);
        s.n_groups++;
    }
    if (r < 0) {
        sight_finish(&s);
        return r;
    }
    if (!facts->untrusted)
        sight_beats(facts, &s);
    *ret = s;
    return 0;
}
