/* SPDX-License-Identifier: MIT */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HANDLERS 8
#define MS       INT64_C(1000)

struct server {
    grpc_server *core;
    grpc_completion_queue *events;
    grpc_server_credentials *insecure;
    void (*handle)(struct call *call);
    struct stint_token *requests; /* parent of the calls' tokens: a drain does not cancel them */
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct call *first, **last;  /* what was taken on, and waits for a thread */
    bool closed;                 /* nothing more will come */
    int64_t age_us, youngest_us; /* of connections: how old they become; when the last one came */
};

/* ---- The pool ------------------------------------------------------------------------------------ */

static void
queue_put(struct server *s, struct call *c)
{
    (void)pthread_mutex_lock(&s->lock);
    c->next = NULL;
    *s->last = c;
    s->last = &c->next;
    (void)pthread_cond_signal(&s->filled);
    (void)pthread_mutex_unlock(&s->lock);
}

static struct call *
queue_take(struct server *s)
{
    struct call *c;

    (void)pthread_mutex_lock(&s->lock);
    STINT_BLOCK("for a call", s)
    while (!s->first && !s->closed)
        (void)pthread_cond_wait(&s->filled, &s->lock);
    c = s->first;
    if (c) {
        s->first = c->next;
        if (!s->first)
            s->last = &s->first;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return c;
}

static void
queue_close(struct server *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->closed = true;
    (void)pthread_cond_broadcast(&s->filled);
    (void)pthread_mutex_unlock(&s->lock);
}

/* A thread works for one call after the other, and is known for it from outside. */
static void
work(void *arg)
{
    struct server *s = arg;
    struct call *c;

    while ((c = queue_take(s))) {
        (void)stint_task_begin(c->token, NULL);
        s->handle(c);
        stint_task_end(); /* past its deadline? then this thread is named for it */
        stint_served(1);
        call_put(c);
    }
}

/* ---- What core tells --------------------------------------------------------------------------------- */

/* A little less than the client waits: the answer that it is over has to arrive, too, and core ends a call that is. */
static int64_t
timeout_us(const struct call *c)
{
    gpr_timespec deadline = gpr_convert_clock_type(c->details.deadline, GPR_CLOCK_MONOTONIC);
    const int64_t reserve_us = stint_deadline_policy()->reserve_us;
    gpr_timespec left;
    int64_t usec;

    if (gpr_time_cmp(deadline, gpr_inf_future(GPR_CLOCK_MONOTONIC)) == 0)
        return STINT_NEVER; /* no grpc-timeout */
    left = gpr_time_sub(deadline, gpr_now(GPR_CLOCK_MONOTONIC));
    if (left.tv_sec < 0)
        return 0;
    usec = left.tv_sec * 1000 * MS + left.tv_nsec / 1000;
    return usec > reserve_us ? usec - reserve_us : 0;
}

/* Headers that the configuration names; core has read grpc-timeout itself. */
static const char *
header(void *env, const char *name)
{
    static __thread char value[64];
    const struct call *c = env;

    for (size_t i = 0; i < c->metadata.count; i++) {
        const grpc_metadata *m = &c->metadata.metadata[i];
        size_t n = GRPC_SLICE_LENGTH(m->value);

        if (grpc_slice_str_cmp(m->key, name) != 0)
            continue;
        if (n >= sizeof(value))
            return "too long"; /* no timeout, and not taken for one that is cut */
        memcpy(value, GRPC_SLICE_START_PTR(m->value), n);
        value[n] = '\0';
        return value;
    }
    return NULL;
}

static void
on_closed(struct call *c, bool ok)
{
    (void)ok;
    if (c->cancelled)
        (void)stint_token_cancel(c->token, STINT_CAUSE_USER, "the client has gone");
}

static void
on_message(struct call *c, bool ok)
{
    (void)ok; /* not: there is no message */
    (void)__atomic_add_fetch(&c->waits, 1, __ATOMIC_RELAXED);
    queue_put(c->server, c);
}

/* The client's `traceparent`: whoever works on past the deadline is named with its trace. */
static void
take_trace(struct call *c)
{
    struct stint_header headers[4];
    size_t n = 0;

    for (size_t i = 0; i < c->metadata.count && n < sizeof(headers) / sizeof(headers[0]); i++) {
        const grpc_metadata *m = &c->metadata.metadata[i];

        if (grpc_slice_str_cmp(m->key, "traceparent") == 0 ||
            grpc_slice_str_cmp(m->key, "tracestate") == 0)
            headers[n++] =
                (struct stint_header){(const char *)GRPC_SLICE_START_PTR(m->key),
                                      (const char *)GRPC_SLICE_START_PTR(m->value),
                                      GRPC_SLICE_LENGTH(m->key), GRPC_SLICE_LENGTH(m->value)};
    }
    (void)stint_trace_extract(c->token, headers, n); /* without memory it has the process's */
}

/* A token with the client's deadline, or a refusal without any work. */
static void
take_on(struct call *c)
{
    char method[64], caller[40];
    grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER}, message = {.op = GRPC_OP_RECV_MESSAGE};
    const char *who = header(c, "x-caller");
    struct stint_deadline_call call = STINT_DEADLINE_CALL(method, caller);
    int r;

    (void)snprintf(caller, sizeof(caller), "%s", who ? who : "");
    (void)snprintf(method, sizeof(method), "%.*s", (int)GRPC_SLICE_LENGTH(c->details.method),
                   (const char *)GRPC_SLICE_START_PTR(c->details.method));
    call.timeout_us = timeout_us(c);
    call.header = header;
    call.env = c;
    r = stint_deadline_open(&c->token, c->server->requests, &call);
    close.data.recv_close_on_server.cancelled = &c->cancelled;
    if (r < 0) {
        call_start(c, &close, 1, call_over);
        call_finish(c, r == -EINVAL ? GRPC_STATUS_INVALID_ARGUMENT : GRPC_STATUS_DEADLINE_EXCEEDED,
                    call.refused);
        return;
    }
    take_trace(c);
    call_start(c, &close, 1, on_closed);
    message.data.recv_message.recv_message = &c->request;
    call_start(c, &message, 1, on_message);
}

static void ask_for_call(struct server *s);

static void
on_call(struct call *c, bool ok)
{
    if (!ok)
        return; /* the server is being shut down */
    ask_for_call(c->server);
    take_on(c);
}

/* Core gives a call to whoever has asked for one. */
static void
ask_for_call(struct server *s)
{
    struct call *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->server = s;
    grpc_call_details_init(&c->details);
    grpc_metadata_array_init(&c->metadata);
    if (grpc_server_request_call(s->core, &c->call, &c->details, &c->metadata, s->events, s->events,
                                 step_new(c, on_call)) != GRPC_CALL_OK)
        abort();
}

static void
hear(void *arg)
{
    struct server *s = arg;
    grpc_event ev;

    while ((ev = grpc_completion_queue_next(s->events, gpr_inf_future(GPR_CLOCK_REALTIME), NULL))
               .type != GRPC_QUEUE_SHUTDOWN) {
        struct step *step = ev.tag;

        if (ev.type != GRPC_OP_COMPLETE)
            continue;
        if (!step->call) { /* shut down: the last call is over */
            grpc_completion_queue_shutdown(s->events);
        } else {
            step->then(step->call, ev.success != 0);
            call_put(step->call);
        }
        free(step);
    }
}

/* ---- Its life ------------------------------------------------------------------------------------------ */

/* Core cannot have the listener, which all generations share; it gets each connection. */
static void
accept_all(struct server *s, int listener)
{
    for (;;) {
        int fd = stint_accept(stint_root(), listener, NULL, NULL, STINT_NEVER);

        if (fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0) {
            grpc_server_add_channel_from_fd(s->core, fd, s->insecure);
            s->youngest_us = stint_now_us();
        } else if (fd == -ECANCELED)
            return; /* relieved: whoever comes now is the next generation's */
        else
            (void)stint_token_sleep(stint_root(), 10 * MS); /* no descriptor is free, or the like */
    }
}

/*
 * The lame duck. A server that core shuts down refuses calls that are on their way already, so it is not shut down
 * before its connections are gone: each is served until it has its age, which core says by a graceful GOAWAY, and
 * its client then comes to the next generation. Core makes them a tenth older or younger.
 */
static void
let_connections_leave(struct server *s)
{
    int64_t last_us = s->youngest_us + s->age_us + s->age_us / 10 + 100 * MS;

    if (s->youngest_us > 0 && s->age_us > 0 && last_us > stint_now_us())
        (void)stint_token_wait(NULL, last_us);
}

static int
shut_down(struct server *s)
{
    struct step *last = malloc(sizeof(*last));

    if (!last)
        return -ENOMEM;
    *last = (struct step){NULL, NULL};
    grpc_server_shutdown_and_notify(s->core, s->events, last); /* when the last call is over */
    return 0;
}

struct server *
server_create(int age_ms)
{
    grpc_arg age = {.type = GRPC_ARG_INTEGER,
                    .key = (char *)(uintptr_t)GRPC_ARG_MAX_CONNECTION_AGE_MS,
                    .value.integer = age_ms};
    grpc_channel_args args = {.num_args = age_ms > 0, .args = &age};
    struct server *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    grpc_init();
    s->age_us = age_ms * MS;
    s->insecure = grpc_insecure_server_credentials_create();
    s->core = grpc_server_create(&args, NULL);
    s->events = grpc_completion_queue_create_for_next(NULL);
    s->requests = stint_token_new(NULL, "requests");
    (void)pthread_mutex_init(&s->lock, NULL); /* cannot fail on Linux; nor the condition */
    (void)pthread_cond_init(&s->filled, NULL);
    s->last = &s->first;
    grpc_server_register_completion_queue(s->core, s->events, NULL);
    grpc_server_start(s->core);
    return s;
}

int
server_run(struct server *s, int listener, void (*handle)(struct call *call))
{
    struct stint_scope *scope = stint_scope_open(NULL, "grpc");
    struct stint_thread *ears = NULL;
    char name[16];
    int r = scope && s->requests ? 0 : -ENOMEM;

    s->handle = handle;
    for (int i = 0; r == 0 && i < HANDLERS; i++) {
        (void)snprintf(name, sizeof(name), "handler-%d", i);
        r = stint_scope_spawn(scope, name, work, s);
    }
    if (r == 0)
        r = stint_thread_spawn(&ears, stint_scope_token(scope), "events", hear, s);
    if (r == 0)
        ask_for_call(s);
    if (r == 0)
        r = stint_ready();
    if (r < 0)
        return r; /* the process ends */
    accept_all(s, listener);
    let_connections_leave(s);
    r = shut_down(s);
    if (r < 0)
        return r;
    (void)stint_thread_join(ears, NULL, STINT_NEVER);
    queue_close(s);
    return stint_scope_close(scope, 5000 * MS, NULL, 0);
}

void
server_destroy(struct server *s)
{
    grpc_server_destroy(s->core);
    grpc_completion_queue_destroy(s->events);
    grpc_server_credentials_release(s->insecure);
    stint_token_unref(s->requests);
    (void)pthread_cond_destroy(&s->filled);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
    grpc_shutdown();
}
