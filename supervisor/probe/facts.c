/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/facts.h"

#include <stdlib.h>

#include "supervisor/probe/overruns.h"

static const char *const wait_names[WAIT_CLASS_COUNT] = {
    [WAIT_UNKNOWN] = "",        [WAIT_RUNNING] = "running", [WAIT_MUTEX] = "mutex",
    [WAIT_COND] = "cond",       [WAIT_SEM] = "sem",         [WAIT_RWLOCK] = "rwlock",
    [WAIT_BARRIER] = "barrier", [WAIT_JOIN] = "join",       [WAIT_FUTEX] = "futex",
    [WAIT_POLL] = "poll",       [WAIT_EPOLL] = "epoll",     [WAIT_READ] = "read",
    [WAIT_WRITE] = "write",     [WAIT_ACCEPT] = "accept",   [WAIT_CONNECT] = "connect",
    [WAIT_SLEEP] = "sleep",     [WAIT_SIGNAL] = "signal",   [WAIT_CHILD] = "child",
    [WAIT_FLOCK] = "flock",     [WAIT_IO] = "io",           [WAIT_KERNEL] = "kernel",
    [WAIT_STOPPED] = "stopped", [WAIT_OTHER] = "other",
};

const char *
wait_class_name(enum wait_class wait)
{
    return wait_names[wait];
}

const char *
evidence_grade_name(enum evidence_grade grade)
{
    static const char *const names[] = {
        [EVIDENCE_STAT] = "stat", [EVIDENCE_PROC] = "proc", [EVIDENCE_REGISTRY] = "registry"};

    return names[grade];
}

void
process_facts_finish(struct process_facts *facts)
{
    free(facts->threads);
    free(facts->places);
    free(facts->dead);
    free(facts->scopes);
    if (facts->overruns)
        overruns_finish(facts->overruns);
    free(facts->overruns);
    *facts = (struct process_facts){0};
}
