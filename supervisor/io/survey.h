/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_SURVEY_H
#define STINT_IO_SURVEY_H

/*
 * What is left of generations whose processes have all ended: in a helper, many of them at once, since
 * what costs is to read /proc. Every descendant of a worker is in its cgroup, if it has one, and is a
 * descendant of ours in any case, because master and keeper are sub-reapers: so those of our children
 * that nobody knows, with all below them, are whom to look at, and mostly there is none.
 *
 * A descriptor that was sent to a process which is no descendant (SCM_RIGHTS) is not found.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/core/effect.h"
#include "supervisor/io/held.h"

#define SURVEY_AT_ONCE 64 /* generations in one helper */

/* A generation. What is borrowed is so for the call. */
struct survey_subject {
    const char *service;
    uint64_t root, generation;  /* STINT_GENERATION of its workers was one of these or between */
    const char *leaf;           /* directory of its cgroup; NULL = it has none */
    struct held held[HELD_MAX]; /* what it was given */
    /* Clock ticks since boot when the oldest worker of its service that lives was started: who is younger,
     * and has nothing of ours but a listener, may be that one's. UINT64_MAX: none lives. */
    uint64_t before;
};

struct survey_request {
    const struct survey_subject *of;
    size_t n;
    pid_t top[2]; /* whose children are looked at: master, and keeper or 0 */
    /* Is it one of ours, or does it belong to a worker that lives? Asked of children of `top`. */
    bool (*is_known)(void *env, pid_t pid);
    void *env;
};

/* survey_work - in the helper; the findings go to @out. Return: all was told. */
bool survey_work(const struct survey_request *rq, int out);

/* What was found of one. */
struct survey_found {
    struct survey survey; /* but for FINDING_THREADS */
    json_t *processes;    /* borrowed; entries of `processes`, schema stint.probe/1 */
    const char *text;     /* borrowed; who is left and what is held, or "" */
};

/**
 * survey_read - what survey_work() told of @n generations.
 * @ret_all: the caller's, json_decref() it; holds what survey_at() gives
 *
 * Return: 0; -EBADMSG: it is not that; -ENOMEM.
 */
int survey_read(int out, size_t n, json_t **ret_all);
void survey_at(const json_t *all, size_t i, struct survey_found *ret);

#endif
