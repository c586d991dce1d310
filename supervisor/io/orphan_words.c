/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/plain.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/orphans.h"
#include "supervisor/probe/proc.h"

/* What is known of an orphan, for people: by its pid alone nobody knows who it was. */

#define COMMAND_MAX  120
#define BELOW_MAX    8 /* descendants that are named */
#define CMDLINE_ROOM ((size_t)64 << 10)

static const char *const clues[] = {
    [CLUE_NONE] = "by nothing",
    [CLUE_SPAWN_ID] = "by STINT_SPAWN_ID in its environment",
    [CLUE_SESSION] = "by its session, which is its worker's",
    [CLUE_SERVICE] = "by STINT_SERVICE in its environment: its own worker is long gone",
};

static void
tell_command(pid_t pid, struct text *out)
{
    auto_free char *bytes = NULL;
    char path[48], command[COMMAND_MAX];
    size_t n = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    if (file_read(path, CMDLINE_ROOM, &bytes, &n, NULL) < 0 || n == 0)
        return;
    n = n < sizeof(command) ? n : sizeof(command);
    memcpy(command, bytes, n);
    for (size_t i = 0; i + 1 < n; i++)
        if (command[i] == '\0')
            command[i] = ' ';
    command[n - 1] = '\0';
    plain_text(command);
    text_addf(out, "`%s`, ", command);
}

static void
tell_age(const struct orphan *o, struct text *out)
{
    struct timespec since_boot = {0};
    int64_t hz = sysconf(_SC_CLK_TCK), age_us;
    char spell[32];

    if (hz <= 0 || clock_gettime(CLOCK_BOOTTIME, &since_boot) == -1)
        return;
    age_us = (int64_t)since_boot.tv_sec * US_PER_S + since_boot.tv_nsec / 1000 -
             (int64_t)o->start_time * (US_PER_S / hz);
    text_addf(out, "%s old, ", duration_human(age_us > 0 ? age_us : 0, spell, sizeof(spell)));
}

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
orphan_tell(const struct orphan *o, enum orphan_clue clue, struct text *out)
{
    tell_command(o->pid, out);
    tell_age(o, out);
    text_addf(out, "in session %d, found as an orphan %s", (int)o->session, clues[clue]);
    tell_below(o->pid, out);
}
