/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_IO_SURVEY_FIXTURE_H
#define STINT_TESTS_IO_SURVEY_FIXTURE_H

/* A generation that had a listener and a pipe, children of ours that have these, and what a survey finds. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/survey.h"
#include "tests/unit/unit.h"

static int out[2], listener[2], ready[2];
static pid_t known, made[4];
static int n_made;
static bool in_haste;
static struct survey_subject subject;
static json_t *all;

static inline void
set_up(void)
{
    n_made = 0;
    known = 0;
    in_haste = false;
    all = NULL;
    ck_assert_int_eq(pipe(out), 0);
    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, listener), 0);
    subject = (struct survey_subject){.service = "web", .root = 7, .generation = 8};
    subject.held[0] = (struct held){held_inode(listener[0]), false, "listener http"};
    subject.held[1] = (struct held){held_inode(out[0]), true, "stdout of worker 7"};
}

static inline void
tear_down(void)
{
    for (int i = 0; i < n_made; i++) {
        (void)kill(made[i], SIGKILL);
        (void)waitpid(made[i], NULL, 0);
    }
    json_decref(all);
}

static inline void
have(bool has_listener, bool has_out)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (has_listener)
        (void)dup2(listener[0], 30);
    if (has_out)
        (void)dup2(out[1], 31);
    (void)dup2(ready[1], 32);
    (void)close_range(3, 29, 0);
    if (!has_listener)
        (void)close(30);
    if (!has_out)
        (void)close(31);
    (void)close_range(33, ~0U, 0);
}

static inline pid_t
made_is(pid_t pid)
{
    ck_assert_int_lt(n_made, (int)ARRAY_LEN(made));
    return made[n_made++] = pid;
}

/* A child that has these of ours and no others. */
static inline pid_t
child(bool has_listener, bool has_out)
{
    pid_t pid = fork();
    char byte;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        have(has_listener, has_out);
        if (write(32, "", 1) != 1)
            _exit(1);
        (void)close(32);
        for (;;)
            (void)pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    return made_is(pid);
}

/* Somebody who does not come from us any more, and has these. */
static inline pid_t
outsider(bool has_listener, bool has_out)
{
    pid_t pid, between = fork();

    ck_assert_int_ge(between, 0);
    if (between == 0) {
        if (fork() > 0)
            _exit(0);
        have(has_listener, has_out);
        (void)prctl(PR_SET_PDEATHSIG, 0); /* his parent is gone */
        pid = getpid();
        if (write(32, &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
            _exit(1);
        (void)close(32);
        for (;;)
            (void)pause();
    }
    ck_assert_int_eq(waitpid(between, NULL, 0), between);
    ck_assert_int_eq(read(ready[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
    return made_is(pid);
}

static inline bool
is_known(void *env, pid_t pid)
{
    (void)env;
    return pid == known;
}

/* The worker that lives has a listener, and nothing else. */
static inline int
was_given(void *env, pid_t pid, uint64_t inode)
{
    (void)env;
    return pid != known ? -1 : inode == subject.held[0].inode;
}

static inline struct survey_found
look(void)
{
    const struct survey_request rq = {
        .of = &subject,
        .n = 1,
        .top = {getpid(), 0},
        .outsiders = !in_haste,
        .is_known = is_known,
        .was_given = was_given
    };
    auto_fd int fd = memfd_create("survey", MFD_CLOEXEC);
    struct survey_found found;

    json_decref(all);
    ck_assert(survey_work(&rq, fd));
    ck_assert_int_eq(survey_read(fd, 1, &all), 0);
    survey_at(all, 0, &found);
    return found;
}

/* A generation that lives has the listener, too. */
static inline struct survey_rival *
rival(uint64_t since)
{
    subject.rivals[subject.n_rivals] =
        (struct survey_rival){.service = "web", .generation = 9, .since = since, .has = 1};
    return &subject.rivals[subject.n_rivals++];
}

#endif
