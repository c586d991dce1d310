/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_IO_CONTROL_WORLD_H
#define STINT_TESTS_IO_CONTROL_WORLD_H

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/error.h"
#include "supervisor/io/control.h"
#include "tests/unit/io/control_client.h"
#include "tests/unit/unit.h"

#define KEPT_MAX 128

static struct ev_loop *loop;
static struct control *control;
static char dir[64];
static struct control_request *kept[KEPT_MAX]; /* requests not answered yet */
static unsigned n_kept, n_requests, n_gone, n_finished;
static int streamed; /* lines the stream has given */
static bool stream_more;

static inline long
stream_next(void *data, char *buf, size_t room)
{
    (void)data;
    if (!stream_more)
        return 0;
    stream_more = false;
    return snprintf(buf, room, "{\"line\":%d}\n", ++streamed);
}

static inline void
stream_finish(void *data)
{
    (void)data;
    n_finished++;
}

/* /now answers, /later keeps, /stream streams, /echo gives the body back. */
static inline void
on_request(void *env, struct control_request *rq)
{
    (void)env;
    n_requests++;
    if (strcmp(control_path(rq), "/later") == 0)
        kept[n_kept++] = rq;
    else if (strcmp(control_path(rq), "/echo") == 0)
        control_answer(rq, 200, json_incref(control_body(rq)));
    else if (strcmp(control_path(rq), "/stream") == 0) {
        kept[n_kept++] = rq;
        control_answer_stream(
            rq, &(struct control_stream){.next = stream_next, .finish = stream_finish});
    } else
        control_answer(rq, 200,
                       json_pack("{s:s, s:s, s:b}", "method", control_method(rq), "q",
                                 control_query(rq, "q") ? control_query(rq, "q") : "", "may_change",
                                 control_peer(rq)->may_change));
}

static inline void
on_gone(void *env, struct control_request *rq)
{
    (void)env;
    (void)rq;
    n_gone++;
}

static inline struct control_options
options(void)
{
    return (struct control_options){
        .loop = loop, .runtime_dir = dir, .handler = {.request = on_request, .gone = on_gone}
    };
}

static inline void
set_up_with(int64_t timeout_us)
{
    struct control_options o;
    struct error e = {0};

    (void)snprintf(dir, sizeof(dir), "/tmp/stint-control-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    n_kept = n_requests = n_gone = n_finished = 0;
    streamed = 0;
    stream_more = true;
    loop = ev_loop_new(EVFLAG_AUTO);
    o = options();
    o.request_timeout_us = timeout_us;
    ck_assert_msg(control_create(&o, &control, &e) == 0, "%s", e.text);
}

static inline void
set_up(void)
{
    set_up_with(0);
}

static inline void
tear_down(void)
{
    char path[96];

    control_destroy(control);
    control = NULL;
    (void)snprintf(path, sizeof(path), "%s/control.sock", dir);
    ck_assert_int_eq(access(path, F_OK), -1); /* the socket is gone with its master */
    (void)snprintf(path, sizeof(path), "%s/control.lock", dir);
    unlink(path);
    rmdir(dir);
    ev_loop_destroy(loop);
}

#endif
