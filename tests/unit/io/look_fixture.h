/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_LOOK_FIXTURE_H
#define STINT_TESTS_UNIT_IO_LOOK_FIXTURE_H

/* A loop in a directory of its own, and looks that are waited for. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/units.h"
#include "supervisor/io/look.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/io/own_dir.h"
#include "tests/unit/unit.h"

static struct {
    struct ev_loop *loop;
    struct look_answer got;
    unsigned answers;
    pid_t child; /* that reads, when seen */
} at;

static inline void
on_done(void *env, struct look_answer *answer)
{
    ck_assert_ptr_eq(env, &at);
    at.answers++;
    (void)fd_close(at.got.exe_fd);
    at.got = *answer;
    at.got.exe_fd = steal_fd(answer->exe_fd);
}

static inline void
setup(void)
{
    memset(&at, 0, sizeof(at));
    at.got.exe_fd = -1;
    own_dir_enter();
    at.loop = ev_loop_new(EVFLAG_AUTO);
}

static inline void
teardown(void)
{
    (void)fd_close(at.got.exe_fd);
    ev_loop_destroy(at.loop);
    own_dir_leave();
}

static inline bool
answered(void *env)
{
    (void)env;
    return at.answers > 0;
}

/* look - and wait for the answer. */
static inline const struct look_answer *
look(const struct look_request *rq)
{
    struct look *l;

    at.answers = 0;
    ck_assert_int_eq(look_start(at.loop, rq, on_done, &at, &l), 0);
    ck_assert_uint_eq(at.answers, 0); /* never before it has returned */
    ck_assert(loop_until(at.loop, answered, NULL, 10 * US_PER_S));
    ev_run(at.loop, EVRUN_NOWAIT);
    ck_assert_uint_eq(at.answers, 1);
    return &at.got;
}

static inline struct look_request
request(const char *exe, const char *const *inputs, size_t n)
{
    return (struct look_request){.executable = exe,
                                 .inputs = inputs,
                                 .n_inputs = n,
                                 .watch_binary = true,
                                 .deadline_us = TIME_NEVER};
}

static inline const struct look_answer *
look_at(const char *exe, const char *input)
{
    struct look_request rq = request(exe, &input, input ? 1 : 0);

    return look(&rq);
}

#endif
