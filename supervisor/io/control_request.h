/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CONTROL_REQUEST_H
#define STINT_IO_CONTROL_REQUEST_H

/*
 * The inside of the control socket, for its own files: control.c (loop, connections),
 * control_request.c (one request from its first byte to its answer).
 */
#include <ev.h>
#include <microhttpd.h>

#include "base/list.h"
#include "supervisor/io/control.h"
#include "supervisor/io/control_socket.h"

/* One connected client. */
struct control_peer_state {
    struct list node;        /* in control.connections */
    struct control *control; /* borrowed */
    struct MHD_Connection *mhd;
    int fd; /* borrowed from libmicrohttpd */
    struct control_peer peer;
    int64_t since_us; /* when this connection began to owe us a whole request; 0: it has said it */
    struct control_request *request; /* the one in progress, or NULL */
};

enum request_phase {
    REQUEST_READING,  /* its bytes are coming in */
    REQUEST_HANDLING, /* inside handler.request() */
    REQUEST_WAITING,  /* kept by the handler; the connection is suspended */
    REQUEST_ANSWERED, /* the response is made, libmicrohttpd may not have it yet */
    REQUEST_STREAMING /* its stream is being pulled */
};

struct control_request {
    struct control_peer_state *from; /* borrowed: outlives its request */
    enum request_phase phase;
    bool suspended;  /* libmicrohttpd leaves the connection alone */
    bool gone;       /* the client hung up */
    bool kept;       /* the handler holds a pointer to it: it is told when the request dies */
    char *path;      /* owned */
    char method[12]; /* "GET" */
    char *body;      /* owned */
    size_t body_bytes;
    bool body_too_large;
    size_t body_ignored;           /* bytes thrown away after that */
    json_t *json;                  /* owned; the parsed body */
    struct MHD_Response *response; /* owned until queued */
    unsigned status;
    struct control_stream stream;
    bool has_stream;
    ev_io hangup; /* while suspended: libmicrohttpd does not look */
    void *data;   /* the handler's */
};

struct control {
    struct ev_loop *loop;
    struct control_handler handler;
    int64_t request_timeout_us;
    struct control_socket socket;
    struct MHD_Daemon *daemon; /* owned */
    ev_io accepting, working;
    ev_timer timer;          /* when libmicrohttpd wants to be called next */
    ev_timer sweep;          /* looks for clients that owe us a request; runs while there are any */
    struct list connections; /* struct control_peer_state.node */
    unsigned open;           /* how many those are */
    unsigned pending;        /* handed to libmicrohttpd, not yet in `connections` */
    bool choked;             /* accepting pauses: no descriptor was free */
    uid_t uid;               /* the master's own */
    struct control_counters counters;
};

/* libmicrohttpd's callbacks. */
enum MHD_Result control_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                   const char *method, const char *version, const char *upload,
                                   size_t *upload_bytes, void **slot);
void control_on_completed(void *cls, struct MHD_Connection *connection, void **slot,
                          enum MHD_RequestTerminationCode why);

/* Give a suspended connection back to libmicrohttpd; it calls again. */
void control_request_resume(struct control_request *rq);
/* Look whether the client of a suspended request is still there; resumes it when not. */
void control_request_poll(struct control_request *rq);
/* libmicrohttpd has something to do: soon, not from here. */
void control_kick(struct control *c);

#endif
