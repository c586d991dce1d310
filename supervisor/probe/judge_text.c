/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "supervisor/probe/judge_trial.h"

#include "supervisor/probe/pure.h"

/* ---- who -------------------------------------------------------------------------------------- */

static const struct claim *
claim_of(const struct process_facts *p, const struct judgement *j)
{
    if (j->thread == NOBODY)
        return &p->dead[j->dead].claim;
    return p->threads[j->thread].claimed && !p->untrusted ? &p->threads[j->thread].claim : NULL;
}

static const char *
name_of(const struct process_facts *p, const struct judgement *j)
{
    return j->thread != NOBODY ? judge_name(p, j->thread) : p->dead[j->dead].claim.name;
}

/* Did the function that started it return? Known when its thread is there and its stack is whole. */
static bool
creator_returned(const struct process_facts *p, const struct claim *c)
{
    for (size_t i = 0; i < p->n && c->creator_function[0] != '\0'; i++) {
        const struct thread_facts *f = &p->threads[i];

        if (f->tid != c->creator_tid)
            continue;
        if (f->n_frames < 2 || f->n_frames >= FACTS_FRAMES_MAX || f->state == 'Z')
            return false;
        for (unsigned k = 0; k < f->n_frames; k++)
            if (f->frames[k].function[0] == '\0' ||
                strcmp(f->frames[k].function, c->creator_function) == 0)
                return false;
        return true;
    }
    return false;
}

static void
add_birth(const struct process_facts *p, const struct judgement *j, const struct claim *c,
          struct text *out)
{
    const struct place *start = j->thread != NOBODY ? &p->threads[j->thread].start : NULL;

    if (c && c->creator_file[0] != '\0') {
        text_add(out, ", started at ");
        add_clean(out, file_name_of(c->creator_file));
        text_addf(out, ":%u", c->creator_line);
        if (c->creator_function[0] != '\0') {
            text_add(out, " (");
            add_clean(out, c->creator_function);
            text_add(out, creator_returned(p, c) ? ", which has returned)" : ")");
        }
    } else if (c && c->creator_function[0] != '\0') {
        text_add(out, ", started in ");
        add_clean(out, c->creator_function);
    } else if (start && place_known(start) && !p->threads[j->thread].main) {
        text_add(out, ", which began in ");
        add_place(out, start);
    }
    if (c && c->creator_name[0] != '\0') {
        text_add(out, " by `");
        add_clean(out, c->creator_name);
        text_add(out, "`");
    }
}

/* ---- what it does wrong ------------------------------------------------------------------------ */

static const char *
many(size_t n, const char *one, const char *more)
{
    return n == 1 ? one : more;
}

static void
add_leaked(const struct process_facts *p, const struct judgement *j, size_t n, struct text *out)
{
    if (!j->by_contract) {
        text_addf(out, "%s alive ", many(n, "is", "are"));
        add_span(out, facts_span(p->cancelled_us, p->at_us));
        text_add(out, " after the process was asked to leave");
        return;
    }
    if (j->verdict == VERDICT_LEAKED_REQUEST)
        text_addf(out, "%s on with %s over for ", many(n, "goes", "go"),
                  many(n, "a request that is", "requests that are"));
    else
        text_addf(out, "ignored %s for ", many(n, "its cancelled token", "their cancelled tokens"));
    add_span(out, facts_span(j->asked_us, p->at_us));
}

/* One thread, and several. */
static const char *const faults[VERDICT_COUNT][2] = {
    [VERDICT_CLEAN] = {"is clean",                                    "are clean"                     },
    [VERDICT_DRAINING] = {"is draining",                                 "are draining"                  },
    [VERDICT_SHIELDED] = {"is in a shield",                              "are in a shield"               },
    [VERDICT_EXEMPT] = {"is exempt",                                   "are exempt"                    },
    [VERDICT_RUNTIME] = {"is the runtime's",                            "are the runtime's"             },
    [VERDICT_DEADLOCK] = {"is in a deadlock",                            "are in a deadlock"             },
    [VERDICT_ORPHAN_LOCK] = {"waits for a lock that nobody will give back",
                       "wait for a lock that nobody will give back"                                   },
    [VERDICT_UNREGISTERED] = {"is not registered",                           "are not registered"            },
    [VERDICT_UNJOINED] = {"has ended and was not joined",                "have ended and were not joined"},
    [VERDICT_STUCK_KERNEL] = {"is in the kernel, not to be interrupted",
                       "are in the kernel, not to be interrupted"                                     },
    [VERDICT_STOPPED] = {"is stopped by a signal or a debugger",
                       "are stopped by a signal or a debugger"                                        },
    [VERDICT_PROCESS_RETAINED] = {"keeps the process",                           "keep the process"              },
};

static void
add_fault(const struct process_facts *p, const struct judgement *j, size_t n, struct text *out)
{
    if (faults[j->verdict][0])
        text_add(out, faults[j->verdict][n > 1]);
    else if (j->verdict != VERDICT_DEAD_WATCHER)
        add_leaked(p, j, n, out);
    else
        text_add(out, j->thread == NOBODY ? "which had to live on, is gone"
                                          : "which has to show that it lives, does not");
}

static void
add_conduct(const struct process_facts *p, const struct judgements *js, const struct judgement *j,
            struct text *out)
{
    auto_text struct text wait = TEXT_INIT;
    const struct thread_facts *f;

    if (j->thread == NOBODY || j->verdict == VERDICT_STOPPED)
        return;
    f = &p->threads[j->thread];
    judge_wait(p, js, j->thread, &wait);
    if (j->conduct == CONDUCT_SPINNING)
        text_add(out, ", running");
    else if (wait.bytes == 0)
        text_add(out, f->wait == WAIT_RUNNING ? ", now running" : "");
    else if (j->conduct == CONDUCT_SLEEPING)
        text_addf(out, ", %s %s", f->still ? "sleeping in" : "working, now in", text_str(&wait));
    else
        text_addf(out, ", blocked in %s", text_str(&wait));
    if (f->wait == WAIT_POLL && f->timeout_us != INT64_MAX && f->timeout_us > 0) {
        text_add(out, ", each time for ");
        add_span(out, f->timeout_us);
    }
}

static void
add_where(const struct process_facts *p, const struct judgement *j, const struct claim *c,
          struct text *out)
{
    const struct thread_facts *f;

    if (j->thread == NOBODY)
        return;
    f = &p->threads[j->thread];
    if (f->business >= 0 && (unsigned)f->business < f->n_frames && f->business < FACTS_FRAMES_MAX &&
        place_known(&f->frames[f->business])) {
        text_add(out, " at ");
        add_place(out, &f->frames[f->business]);
    } else if (c && c->wait_file[0] != '\0') {
        text_add(out, " at ");
        add_clean(out, file_name_of(c->wait_file));
        text_addf(out, ":%u", c->wait_line);
    }
    if (c && c->wait_text[0] != '\0') {
        text_add(out, ", ");
        add_clean(out, c->wait_text);
    }
}

void
tell_short(const struct process_facts *p, const struct judgements *js, size_t group,
           struct text *out)
{
    const struct judgement_group *g = &js->groups[group];
    const struct judgement *j = &js->of[g->first];
    const struct claim *c = claim_of(p, j);
    size_t named;

    if (g->count > 1)
        text_addf(out, "%zu threads like `", g->count);
    else
        text_add(out, "thread `");
    add_clean(out, name_of(p, j));
    text_add(out, "`");
    named = out->bytes;
    add_birth(p, j, c, out);
    text_add(out, out->bytes > named ? ", " : " ");
    add_fault(p, j, g->count, out);
    add_conduct(p, js, j, out);
    add_where(p, j, c, out);
    if (j->why[0] != '\0') {
        text_add(out, ": ");
        text_add_line(out, j->why, sizeof(j->why));
    }
}

/* ---- everything that helps ---------------------------------------------------------------------- */

static const char *
cause_word(uint32_t cause)
{
    static const char *const words[] = {"",         "a signal", "relieved",   "stopped",
                                        "rejected", "deadline", "the program"};

    return cause < sizeof(words) / sizeof(words[0]) ? words[cause] : "";
}

static void
add_contract(const struct process_facts *p, const struct judgement *j, const struct claim *c,
             struct text *out)
{
    if (c->token[0] != '\0') {
        text_add(out, "; token ");
        add_clean(out, c->token);
    }
    if (c->cancelled_us != 0) {
        text_addf(out, "%s cancelled ", c->token[0] != '\0' ? "," : "; token");
        add_span(out, facts_span(c->cancelled_us, p->at_us));
        text_add(out, " ago");
        if (c->cause_who[0] != '\0') {
            text_add(out, " by `");
            add_clean(out, c->cause_who);
            text_add(out, "`");
        }
        if (c->cause_text[0] != '\0' || cause_word(c->cause)[0] != '\0') {
            text_add(out, " (");
            text_add(out, cause_word(c->cause));
            text_add(out, c->cause_text[0] != '\0' && cause_word(c->cause)[0] != '\0' ? ": " : "");
            add_clean(out, c->cause_text);
            text_add(out, ")");
        }
    }
    if (j->overdue_us > 0) {
        text_add(out, "; overdue by ");
        add_span(out, j->overdue_us);
    }
    if (c->scope[0] != '\0') {
        text_add(out, "; scope ");
        text_add_line(out, c->scope, sizeof(c->scope));
    }
    if (c->trace_id[0] != '\0') {
        text_add(out, "; trace ");
        add_clean(out, c->trace_id);
    }
    if (c->beats != 0 || c->beats_before_us != 0)
        text_addf(out, "; %" PRIu64 " beats", c->beats);
    if (c->beats_before_us != 0)
        text_addf(out, ", %" PRIu64 " since the earlier look",
                  c->beats > c->beats_before ? c->beats - c->beats_before : 0);
}

static void
add_generations(const struct process_facts *p, const struct judgements *js, size_t group,
                struct text *out)
{
    struct judged_generation g[8];
    size_t n = judge_generations(p, js, group, g, sizeof(g) / sizeof(g[0]));

    if (n > 0)
        text_add(out, n > 1 ? "; generations " : "; generation ");
    for (size_t i = 0; i < n; i++)
        text_addf(out, "%s%" PRIu64, i > 0 ? ", " : "", g[i].generation);
}

static void
add_identity(const struct process_facts *p, const struct judgement *j, struct text *out)
{
    const struct thread_facts *f;

    if (j->thread == NOBODY) {
        text_addf(out, "; tid %d, gone", (int)p->dead[j->dead].tid);
        return;
    }
    f = &p->threads[j->thread];
    text_addf(out, "; tid %d (start time %" PRIu64 ")", (int)f->tid, f->start_time);
    if (place_known(&f->start)) {
        text_add(out, "; began in ");
        add_place(out, &f->start);
    }
}

static void
add_cycle(const struct process_facts *p, const struct judgements *js, size_t thread,
          struct text *out)
{
    for (size_t k = 0; k < js->n_cycles; k++) {
        const struct judgement_cycle *c = &js->cycles[k];
        bool in = false;

        for (size_t m = 0; m < c->n; m++)
            in |= c->members[m] == thread;
        if (!in || c->n < 2)
            continue;
        text_add(out, "; in a circle: ");
        for (size_t m = 0; m < c->n; m++) {
            text_addf(out, "%s`", m > 0 ? " → " : "");
            add_clean(out, judge_name(p, c->members[m]));
            text_add(out, "`");
        }
        text_add(out, " → `");
        add_clean(out, judge_name(p, c->members[0]));
        text_add(out, c->concluded ? "` (one of these waits is concluded)" : "`");
    }
}

void
judge_tell(const struct process_facts *facts, const struct judgements *judgements, size_t group,
           struct text *out)
{
    const struct judgement_group *g = &judgements->groups[group];
    const struct judgement *j = &judgements->of[g->first];
    const struct claim *c = claim_of(facts, j);

    text_addf(out, "%s: ", verdict_name(g->verdict));
    tell_short(facts, judgements, group, out);
    if (verdict_is_leak(g->verdict) && !g->culprit)
        text_add(out, "; not the cause");
    if (j->thread != NOBODY)
        add_cycle(facts, judgements, j->thread, out);
    if (c)
        add_contract(facts, j, c, out);
    add_generations(facts, judgements, group, out);
    add_identity(facts, j, out);
}
