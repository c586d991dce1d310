/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_READY_FIXTURE_H
#define STINT_TESTS_UNIT_IO_READY_FIXTURE_H

/* One probe on a loop of its own, and what its hooks said. */
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/ready.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/io/process.h"

static struct ev_loop *ev;
static struct ready *ready;
static struct error error;
static struct text heard; /* "ready " or "failed: why " */
static bool stop_in_hook;

static char *plain_env[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};

static inline void
hook_said(void)
{
    if (!stop_in_hook)
        return;
    ready_stop(ready);
    ready = NULL;
}

static inline void
on_ready(void *env)
{
    ck_assert_ptr_eq(env, &heard);
    text_add(&heard, "ready ");
    hook_said();
}

static inline void
on_failed(void *env, const char *why)
{
    ck_assert_ptr_eq(env, &heard);
    text_addf(&heard, "failed: %s ", why);
    hook_said();
}

static inline struct ready_request
request(const struct ready_spec *spec)
{
    return (struct ready_request){
        .spec = spec,
        .pid = getpid(),
        .spawned_us = mono_now_us(),
        .fd = -1,
        .directory = folder(),
        .envp = plain_env,
        .on_ready = on_ready,
        .on_failed = on_failed,
        .env = &heard,
    };
}

static inline void
start(const struct ready_request *req)
{
    ck_assert_msg(ready_start(ev, req, &ready, &error) == 0, "%s", error.text);
    ck_assert_uint_eq(heard.bytes, 0);
}

static inline void
begin(void)
{
    ev = ev_loop_new(EVFLAG_AUTO);
}

static inline void
end(void)
{
    ready_stop(ready);
    text_finish(&heard);
    ev_loop_destroy(ev);
    folder_remove();
}

static inline bool
heard_something(void *env)
{
    (void)env;
    return heard.bytes > 0;
}

static inline void
await_words(const char *expected)
{
    ck_assert_msg(loop_until(ev, heard_something, NULL, PATIENCE_MS * US_PER_MS),
                  "heard nothing; %s", ready_progress(ready));
    ck_assert_str_eq(text_str(&heard), expected);
}

static inline bool
progress_says(void *env)
{
    return strstr(ready_progress(ready), env) != NULL;
}

static inline void
await_progress(const char *part)
{
    ck_assert_msg(loop_until(ev, progress_says, (void *)(uintptr_t)part, PATIENCE_MS * US_PER_MS),
                  "it says '%s', not '%s'", ready_progress(ready), part);
    ck_assert_uint_eq(heard.bytes, 0);
}

#endif
