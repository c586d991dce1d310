/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_WATCH_FIXTURE_H
#define STINT_TESTS_UNIT_IO_WATCH_FIXTURE_H

/* A watch on a loop in a directory of its own, and the words its tests speak. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/units.h"
#include "supervisor/io/watch.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/io/own_dir.h"
#include "tests/unit/unit.h"

#define TAGS 8

static struct {
    struct ev_loop *loop;
    struct watch *w;
    unsigned hints[TAGS];
    char last[4096];
} at;

static inline void
on_hint(void *env, uint32_t tag, const char *path)
{
    ck_assert_ptr_eq(env, &at);
    ck_assert_uint_lt(tag, TAGS);
    at.hints[tag]++;
    (void)snprintf(at.last, sizeof(at.last), "%s", path ? path : "");
}

static inline void
setup(void)
{
    struct error err;

    memset(&at, 0, sizeof(at));
    own_dir_enter();
    at.loop = ev_loop_new(EVFLAG_AUTO);
    ck_assert_int_eq(watch_create(at.loop, on_hint, &at, &at.w, &err), 0);
    ck_assert_int_ge(watch_fd(at.w), 0);
}

static inline void
teardown(void)
{
    watch_destroy(at.w);
    ev_loop_destroy(at.loop);
    own_dir_leave();
}

static inline void
watch_these(uint32_t tag, const char *a, const char *b)
{
    const char *paths[] = {full(a), b ? full(b) : NULL};
    struct error err;

    ck_assert_int_eq(watch_set(at.w, tag, paths, b ? 2 : 1, &err), 0);
}

static inline bool
hinted(void *env)
{
    return at.hints[*(uint32_t *)env] > 0;
}

/* expect_hint - within two seconds, and forget the hints so far. */
static inline void
expect_hint(uint32_t tag)
{
    ck_assert_msg(loop_until(at.loop, hinted, &tag, 2 * US_PER_S), "no hint for tag %u", tag);
    memset(at.hints, 0, sizeof(at.hints));
}

/* expect_quiet - a change elsewhere is through the whole machine, and this tag heard nothing. */
static inline void
expect_quiet(uint32_t tag)
{
    uint32_t other = 7;

    put("elsewhere/fence", "x");
    ck_assert(loop_until(at.loop, hinted, &other, 2 * US_PER_S));
    ck_assert_uint_eq(at.hints[tag], 0);
    memset(at.hints, 0, sizeof(at.hints));
}

static inline void
fence(void)
{
    if (mkdir("elsewhere", 0700) == -1)
        ck_assert_int_eq(errno, EEXIST);
    watch_these(7, "elsewhere/fence", NULL);
}

#endif
