/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "base/text.h"
#include "supervisor/io/orphans.h"
#include "supervisor/probe/leftover.h"
#include "supervisor/probe/proc.h"

/* What is known of an orphan, for people: by its pid alone nobody knows who it was. */

#define BELOW_MAX 8 /* descendants that are named */

static const char *const clues[] = {
    [CLUE_NONE] = "by nothing",
    [CLUE_SPAWN_ID] = "by STINT_SPAWN_ID in its environment",
    [CLUE_SESSION] = "by its session, which is its worker's",
    [CLUE_SERVICE] = "by STINT_SERVICE in its environment: its own worker is long gone",
    [CLUE_CGROUP] = "in the cgroup of its generation",
    [CLUE_HELD] = "by what it holds of its worker",
};

struct below {
    struct text *out;
    unsigned n;
    pid_t first[BELOW_MAX];
};

static bool
on_below(void *env, const struct proc_stat *child)
{
    struct below *b = env;
    char comm[sizeof(child->comm)];

    memcpy(comm, child->comm, sizeof(comm));
    plain_text(comm);
    text_addf(b->out, "%s%d (%s, child of %d)", b->n ? ", " : "; below it: ", (int)child->pid, comm,
              (int)child->ppid);
    b->first[b->n++] = child->pid;
    return b->n < BELOW_MAX;
}

/* Children, and theirs, breadth first. */
static void
tell_below(pid_t pid, struct text *out)
{
    struct below b = {.out = out};

    (void)proc_children(pid, NULL, on_below, &b); /* it is gone, or none may be seen */
    for (unsigned i = 0; i < b.n && b.n < BELOW_MAX; i++)
        (void)proc_children(b.first[i], NULL, on_below, &b);
}

void
orphan_tell(const struct orphan *o, enum orphan_clue clue, const struct leftover *left,
            const struct held *held, struct text *out)
{
    if (left) {
        leftover_tell(left, held, out);
        text_add(out, ", ");
    }
    text_addf(out, "in session %d, found as an orphan %s", (int)o->session, clues[clue]);
    tell_below(o->pid, out);
}
