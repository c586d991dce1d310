/* SPDX-License-Identifier: MIT */
#ifndef GRPC_WORKER_SERVER_H
#define GRPC_WORKER_SERVER_H

/*
 * gRPC core as libstint wants it: connections are accepted from the inherited listener and handed to
 * core, each call is a token with its client's deadline, and a pool of threads does the work.
 */
#include <grpc/grpc.h>
#include <stdbool.h>
#include <stdint.h>

#include <stint.h>

struct server;

/* One call. The pool's, from the queue until call_finish(). */
struct call {
    struct server *server;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata; /* of the request: the client's headers */
    grpc_byte_buffer *request;    /* NULL: it sent none */
    struct stint_token *token;    /* with its deadline; cancelled when the client cancels */
    struct call *next;            /* in the queue */
    int cancelled;                /* of RECV_CLOSE: the client has gone */
    unsigned waits;               /* atomic: operations under way, and the pool */
};

/* @age_ms: a connection is asked to go elsewhere (GOAWAY) when it is so old. NULL: no memory. */
struct server *server_create(int age_ms);

/* server_run - serve @listener until the root token is cancelled and the last connection has left. */
int server_run(struct server *server, int listener, void (*handle)(struct call *call));
void server_destroy(struct server *server);

/* call_finish - the answer; @answer NULL: none. Once for each call, by whoever handles it. */
void call_finish(struct call *call, grpc_status_code status, const char *answer);
/* call_text - the request as text, cut to @size. */
void call_text(const struct call *call, char *text, size_t size);

/* ---- call.c, for server.c alone -------------------------------------------------------------------- */

/* The tag of an operation says what has happened; the call is there as long as one is under way. */
struct step {
    struct call *call;
    void (*then)(struct call *call, bool ok);
};

/* step_new - a tag for core; @call is there until it has been heard. step NULL: no call, the end of all. */
struct step *step_new(struct call *call, void (*then)(struct call *call, bool ok));
void call_start(struct call *call, const grpc_op *ops, size_t n,
                void (*then)(struct call *call, bool ok));
void call_over(struct call *call, bool ok); /* for an operation behind which nothing comes */
void call_put(struct call *call);           /* one that waits for it less; the last frees it */

#endif
