/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CONTROL_H
#define STINT_IO_CONTROL_H

/*
 * HTTP and JSON on a unix socket: `curl --unix-socket /run/stint/control.sock http://stint/v1/status`.
 * This is the transport: it accepts, knows who is there, parses, bounds and times, and hands each
 * whole request to one handler. What a request means is decided in operator.h.
 *
 * libmicrohttpd runs inside our loop without a thread. A client that is slow, hostile or gone
 * costs its own connection and nothing else.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct control;
struct control_request;
struct error;
struct ev_loop;

#define CONTROL_CONNECTIONS_MAX 64 /* a few more for root and the master's own user */
#define CONTROL_BODY_BYTES      ((size_t)64 << 10)

/* The one who gets the requests. */
struct control_handler {
    /* A whole request. Answer it with one of control_answer*(), now or later (then keep @rq). */
    void (*request)(void *env, struct control_request *rq);
    /* The client went away before its answer, or in the middle of a stream: @rq is about to be
     * freed. Only called for requests that were kept. */
    void (*gone)(void *env, struct control_request *rq);
    /* NULL allowed. A request that was answered and still has data is about to be freed.
     * @whole: the client was given all of the answer. */
    void (*left)(void *env, struct control_request *rq, bool whole);
    void *env;
};

struct control_options {
    struct ev_loop *loop;       /* borrowed, outlives the control */
    const char *runtime_dir;    /* made when missing; control.sock and control.lock live there */
    int64_t request_timeout_us; /* to say the whole request; 0: 10 s */
    struct control_handler handler;
    /* What a master before this one left. Both are taken over, whatever control_create() returns. */
    int listen_fd; /* listens on control.sock already; <= 0: bind anew */
    int lock_fd;   /* holds the lock of control.lock already; <= 0: take it */
    pid_t pid;     /* whom people know as the one who runs here; 0: this process */
};

/**
 * control_create - take the socket of @runtime_dir, or say who has it.
 *
 * A lock file tells a living stint from a stale socket: -EADDRINUSE "stint already runs here with
 * pid …". Return: 0 or negative errno with the sentence in @reterr.
 */
int control_create(const struct control_options *options, struct control **ret,
                   struct error *reterr);

/* control_destroy - drop every connection (gone() is called) and unlink the socket. NULL is fine. */
void control_destroy(struct control *c);

/* Borrowed: for somebody to keep for the next master. They may be others than those taken over. */
int control_listen_fd(const struct control *c);
int control_lock_fd(const struct control *c);
/* control_leave - another master takes the socket over: control_destroy() will leave its file. */
void control_leave(struct control *c);

/* control_flush - let answers that were given leave; at most @budget_us. No new requests. */
void control_flush(struct control *c, int64_t budget_us);

/* Who asks; by SO_PEERCRED, so as of connect(2). */
struct control_peer {
    uid_t uid;
    pid_t pid;
    bool may_change; /* root, or the user the master runs as */
};
const struct control_peer *control_peer(const struct control_request *rq);
const char *control_method(const struct control_request *rq); /* "GET" … */
const char *control_path(const struct control_request *rq);   /* "/v1/status", no query */
/* NULL: not given; "" for a bare `?key`. Borrowed from @rq. */
const char *control_query(const struct control_request *rq, const char *key);
/* The first query key that is none of @known (NULL-terminated); NULL: all are known. */
const char *control_query_unknown(const struct control_request *rq, const char *const *known);
/* The JSON object of the body; an empty object when there was no body. Borrowed from @rq. */
json_t *control_body(const struct control_request *rq);

/* A place for the handler's own per-request data. */
void control_set_data(struct control_request *rq, void *data);
void *control_data(const struct control_request *rq);

/* control_answer - @body's reference is taken; @rq may be gone afterwards. @status: HTTP. */
void control_answer(struct control_request *rq, unsigned status, json_t *body);

/* control_answer_error - {"error": {"code": @code, "message": …}}; @code is for programs. */
__attribute__((format(printf, 4, 5))) void control_answer_error(struct control_request *rq,
                                                                unsigned status, const char *code,
                                                                const char *fmt, ...);

/**
 * A stream is pulled: next() appends whole lines to @buf when the client has room for more.
 * Return bytes written, 0: nothing now (call control_stream_wake() when there is), -1: the end,
 * -2: it breaks off, and the client can tell.
 */
struct control_stream {
    long (*next)(void *data, char *buf, size_t room);
    void (*finish)(void *data); /* the stream ended, by either side */
    void *data;
    const char *type; /* NULL: application/x-ndjson, whole lines; else what else it is */
};
/* After this gone() is not called for @rq; finish() is. */
void control_answer_stream(struct control_request *rq, const struct control_stream *s);
void control_stream_wake(struct control_request *rq);

struct control_counters {
    uint64_t accepted, refused, requests, timed_out;
    unsigned connections;
};
void control_counters(const struct control *c, struct control_counters *ret);

#endif
