/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"
#include "supervisor/probe/judge_trial.h"

#include "supervisor/probe/pure.h"

#define IN_FULL 3 /* groups; a line is for people */

static void
add_grade(const struct process_facts *p, struct text *out)
{
    if (p->untrusted)
        text_add(out, " (its registry contradicts the kernel and is not used)");
    if ((p->grade != EVIDENCE_REGISTRY || p->calls_hidden) && p->note[0] != '\0') {
        text_add(out, p->grade == EVIDENCE_REGISTRY ? " (" : " (from /proc: ");
        text_add_line(out, p->note, sizeof(p->note));
        text_add(out, ")");
    }
    if (p->torn > 0)
        text_addf(out, " (%u registry slots could not be read)", p->torn);
    if (p->overflow > 0)
        text_addf(out, " (%u threads found no place in the registry)", p->overflow);
    if (p->n_threads > p->n)
        text_addf(out, " (%zu more threads were not looked at)", p->n_threads - p->n);
}

/* Is it worth a sentence when others leak? Who merely waits for the cause is counted. */
static bool
is_worth(enum verdict v, bool leaks)
{
    if (verdict_is_leak(v) || v == VERDICT_STOPPED || v == VERDICT_STUCK_KERNEL ||
        v == VERDICT_PROCESS_RETAINED)
        return true;
    return v != VERDICT_CLEAN && v != VERDICT_RUNTIME && !leaks;
}

static size_t
add_groups(const struct process_facts *p, const struct judgements *js, struct text *out)
{
    bool leaks = js->n_leaked > 0;
    size_t shown = 0, rest = 0;

    for (size_t g = 0; g < js->n_groups; g++) {
        if (!is_worth(js->groups[g].verdict, leaks))
            continue;
        if (shown == IN_FULL) {
            rest += js->groups[g].count;
            continue;
        }
        text_add(out, shown++ > 0 ? "; " : "");
        tell_short(p, js, g, out);
    }
    if (rest > 0)
        text_addf(out, "; and %zu more", rest);
    return shown;
}

/* The first thread's wait often tells the story: it joins the one that does not end. */
static void
add_main(const struct process_facts *p, const struct judgements *js, struct text *out)
{
    for (size_t i = 0; i < p->n; i++) {
        auto_text struct text wait = TEXT_INIT;

        if (!p->threads[i].main || js->n_leaked == 0 || verdict_is_leak(js->of[i].verdict))
            continue;
        judge_wait(p, js, i, &wait);
        if (wait.bytes == 0)
            continue;
        text_add(out, "; thread `");
        add_clean(out, judge_name(p, i));
        text_addf(out, "` waits in %s", text_str(&wait));
    }
}

void
judge_summary(const struct process_facts *facts, const struct judgements *judgements,
              struct text *out)
{
    size_t strange = 0, shown;

    if (judgements->process == VERDICT_PROCESS_RETAINED && judgements->process_why[0] != '\0') {
        text_add(out, "process retained: ");
        text_add_line(out, judgements->process_why, sizeof(judgements->process_why));
        text_add(out, judgements->n_leaked > 0 ? "; " : "");
        shown = judgements->n_leaked > 0 ? add_groups(facts, judgements, out) : 1;
    } else {
        shown = add_groups(facts, judgements, out);
    }
    if (shown == 0)
        text_addf(out, "%zu thread%s, all %s", facts->n_threads, facts->n_threads == 1 ? "" : "s",
                  verdict_name(judgements->process));
    add_main(facts, judgements, out);
    for (size_t i = 0; i < judgements->n && judgements->n_leaked > 0; i++)
        strange += judgements->of[i].verdict == VERDICT_UNREGISTERED;
    if (strange > 0)
        text_addf(out, "; %zu more %s not registered", strange, strange == 1 ? "is" : "are");
    if (judgements->notice[0] != '\0') {
        text_add(out, "; ");
        text_add_line(out, judgements->notice, sizeof(judgements->notice));
    }
    add_grade(facts, out);
}
