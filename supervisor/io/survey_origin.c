/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/text.h"
#include "supervisor/io/cgroup.h"
#include "supervisor/io/survey.h"

/*
 * Somebody has a listener that generations share, and nothing else says whose he is: no environment, no
 * session, no pipe, no cgroup. He is of none that began after him, and if he never called exec() he runs
 * its program. What is left then is doubt, and he is named with those who come into question.
 */

uint64_t
survey_bits(const struct leftover *l)
{
    uint64_t has = 0;

    for (unsigned i = 0; i < l->n_holds; i++)
        has |= UINT64_C(1) << l->holds[i].what;
    return has;
}

static bool
program_of(pid_t pid, struct stat *ret)
{
    char path[48];

    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    return stat(path, ret) == 0;
}

static bool
is_program(const struct stat *st, dev_t device, ino_t inode)
{
    return st->st_dev == device && st->st_ino == inode;
}

/* So many begin in no tick of the clock (10 ms): numbers further apart have begun again at the low end. */
#define PIDS_PER_TICK 16384

bool
survey_older(uint64_t since, pid_t pid, uint64_t than, pid_t other)
{
    if (since != than)
        return since < than;
    return pid != other && (pid < other) == (abs(other - pid) < PIDS_PER_TICK);
}

/* Of @r, or of @s? Whoever changed his cgroup is in neither, so that is no evidence where both have one. */
static enum survey_origin
between(const struct survey_subject *s, const struct survey_rival *r, const struct leftover *l)
{
    struct stat its, theirs;

    if (!(r->has & survey_bits(l)) || survey_older(l->start_time, l->pid, r->since, r->worker) ||
        (r->leaf && !s->leaf))
        return ORIGIN_OURS;
    if (r->leaf && cgroup_leaf_has(r->leaf, l->pid))
        return ORIGIN_THEIRS;
    if (s->exe_inode != 0 && program_of(l->pid, &its) && program_of(r->worker, &theirs) &&
        !is_program(&theirs, s->exe_device, s->exe_inode)) { /* a fork without exec says whose */
        if (is_program(&its, theirs.st_dev, theirs.st_ino))
            return ORIGIN_THEIRS;
        if (is_program(&its, s->exe_device, s->exe_inode))
            return ORIGIN_OURS;
    }
    return ORIGIN_UNKNOWN;
}

enum survey_origin
survey_origin(const struct survey_subject *s, const struct leftover *l, struct text *rivals)
{
    enum survey_origin found = s->more_rivals ? ORIGIN_UNKNOWN : ORIGIN_OURS;

    for (size_t i = 0; i < s->n_rivals; i++) {
        const struct survey_rival *r = &s->rivals[i];
        enum survey_origin one = between(s, r, l);

        if (one == ORIGIN_THEIRS)
            return one;
        if (one == ORIGIN_UNKNOWN)
            text_addf(rivals, "%s%s, generation %" PRIu64, rivals->bytes ? ", " : "", r->service,
                      r->generation);
        found = one == ORIGIN_UNKNOWN ? one : found;
    }
    return found;
}
