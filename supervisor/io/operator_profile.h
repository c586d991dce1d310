/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_OPERATOR_PROFILE_H
#define STINT_IO_OPERATOR_PROFILE_H

/*
 * The inside of profiles at the desk: operator_profile.c (how it comes out), operator_profile_ask.c (who
 * may have one of whom).
 */
#include "base/text.h"
#include "supervisor/io/operator_internal.h"
#include "supervisor/io/profiling.h"

/* A request whose profile is being taken, or sent. */
struct profiled {
    struct list node; /* in desk.profiled */
    struct desk *op;
    struct control_request *rq;  /* borrowed */
    struct profiling *profiling; /* owned; NULL when it has ended */
    enum profile_kind kind;
    char service[65];
    uint64_t workers[PROFILING_WORKERS_MAX]; /* the core's ids */
    size_t n;
    unsigned seconds;
    uid_t uid;
    pid_t pid;
    int64_t started_us;
    bool streaming;
    struct text line; /* of the stream, not yet sent */
    size_t sent;
    int fd; /* owned; the profile; -1: there is none yet, or none at all */
    off_t at;
    size_t left;
    bool ended;
};

void profiled_destroy(struct profiled *p);
/* A line of the log. @bytes: of the profile; @msg: NULL or "" = there is nothing more to say. */
void profiled_tell(const struct profiled *p, const char *outcome, uint64_t bytes, const char *msg);
/* What comes is sent as it comes. */
void profiled_stream(struct profiled *p, const char *type);
/* As profiling_request has them. */
void profiled_progress(void *env, unsigned percent);
void profiled_done(void *env, const struct profiling_answer *a);

#endif
