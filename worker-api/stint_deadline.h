/* SPDX-License-Identifier: MIT */
#ifndef STINT_DEADLINE_H
#define STINT_DEADLINE_H

/*
 * The part of <stint.h> about deadlines of requests: what a caller allows arrives in a header, is
 * obeyed as a token, and what is left of it goes out with further calls. On the wire a deadline is
 * a duration, since two machines have two clocks; in here it is an absolute time, as everywhere.
 * Included by <stint.h>, whose conventions hold here.
 *
 *     struct stint_deadline_call call = STINT_DEADLINE_CALL("GetUser", "gateway");
 *     call.header = request_header;                       // looks a header up, by name
 *     call.env = request;
 *     if ((r = stint_deadline_open(&token, stint_root(), &call)) < 0)
 *         return refuse(r, call.refused);                 // too late, or no time at all: no work
 *     stint_task_begin(token, NULL);
 *     ... every wait takes the token; stint_deadline_format() says what is left to whom we call ...
 *     stint_task_end();                                   // over the deadline? then it is counted
 *     stint_deadline_close(token);
 *
 * Default, maximum, reserve and the headers besides `grpc-timeout` come from `deadlines:` in the
 * configuration of the supervisor, see stint.yaml(5).
 */
#include <stddef.h>
#include <stdint.h>

#include "stint_threads.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define STINT_TIMEOUT_MAX 24 /* bytes of a header's value with its NUL */
#define STINT_REFUSED_MAX 128

/* How a header says a duration. */
enum stint_timeout_unit {
    STINT_TIMEOUT_GRPC = 0,    /* grpc-timeout: 1 to 8 digits and one of H M S m u n, as "250m" */
    STINT_TIMEOUT_SECONDS = 1, /* "2", "0.5" */
    STINT_TIMEOUT_MILLISECONDS = 2, /* "500": x-envoy-expected-rq-timeout-ms */
    STINT_TIMEOUT_MICROSECONDS = 3
};

/**
 * stint_timeout_parse - the value of a header as a duration.
 * @usec: receives it, rounded down; untouched on failure
 *
 * Strict: nothing but the digits and what the unit asks for, no sign, no blanks inside, at most 8
 * digits before a fraction and 9 in it. Blanks around it are the header's and skipped.
 *
 * Return: 0, -EINVAL: malformed. The request is to be refused then: it has a deadline that nobody
 * knows, and none at all is the one thing that it certainly does not mean.
 */
int stint_timeout_parse(enum stint_timeout_unit unit, const char *text, int64_t *usec);

/**
 * stint_timeout_format - a duration as the value of a header.
 * @text: receives it; STINT_TIMEOUT_MAX bytes are enough for any
 *
 * Rounds down: never longer than @usec. What cannot be said in the unit's digits is cut to the longest
 * that can.
 *
 * Return: its length; -ETIMEDOUT: nothing is left of it, so do not call; -ENOSPC.
 */
int stint_timeout_format(enum stint_timeout_unit unit, int64_t usec, char *text, size_t size);

struct stint_deadline_header {
    const char *name; /* in lower case */
    enum stint_timeout_unit unit;
};

struct stint_deadline_policy {
    int64_t default_us; /* duration, for a request that says nothing; STINT_NEVER = none */
    int64_t max_us;     /* duration; STINT_NEVER = any */
    int64_t reserve_us; /* of a call that goes out: for the way, and for what is to be done then */
    int64_t tolerance_us; /* work may end so late without being counted as an overrun */
    const struct stint_deadline_header *headers; /* `grpc-timeout` is the first */
    size_t n_headers;
};

/* stint_deadline_policy - of this process; without a supervisor, or with none configured: no default, no
 * maximum, a reserve of 5 ms, a tolerance of 100 ms, and `grpc-timeout` alone. Static. */
const struct stint_deadline_policy *stint_deadline_policy(void);

/* A request that arrives. */
struct stint_deadline_call {
    size_t size;        /* sizeof(struct stint_deadline_call) */
    const char *name;   /* of its token; copied */
    const char *caller; /* who calls, for the counts of each edge; copied; NULL = not known */
    int64_t
        timeout_us; /* what it allows, where the program knows that already; STINT_NEVER = see header */
    int64_t arrived_us; /* when it did: time in a queue counts. 0 = now */
    const char *(*header)(void *env,
                          const char *name); /* its value, NULL = not there; may be NULL */
    void *env;
    char refused[STINT_REFUSED_MAX]; /* out: the sentence, when it is refused */
};

static inline struct stint_deadline_call
stint_deadline_call_of(const char *name, const char *caller)
{
    struct stint_deadline_call call;

    call.size = sizeof(call);
    call.name = name;
    call.caller = caller;
    call.timeout_us = STINT_NEVER;
    call.arrived_us = 0;
#ifdef __cplusplus
    call.header = nullptr;
    call.env = nullptr;
#else
    call.header = NULL;
    call.env = NULL;
#endif
    call.refused[0] = '\0';
    return call;
}

#define STINT_DEADLINE_CALL(name, caller) stint_deadline_call_of((name), (caller))

/**
 * stint_deadline_open - a token for a request, with the deadline that it has.
 * @token:  receives a reference, for stint_deadline_close(); untouched when refused
 * @parent: NULL = a token nobody else cancels
 * @call:   borrowed
 *
 * The earliest of: the parent's deadline, the timeout, each header that is there, and the maximum of the
 * policy; where nothing was said, the default of the policy, within the others. Counts the call for its
 * caller: up to 32 of them are told apart.
 *
 * Return: 0, or a refusal, with a sentence for the answer and the log in @call->refused: -ETIMEDOUT: the
 * deadline is over; -EINVAL: a header is malformed; -ECANCELED: @parent is cancelled; -ENOMEM.
 */
int stint_deadline_open(struct stint_token **token, struct stint_token *parent,
                        struct stint_deadline_call *call);

/* stint_deadline_close - the answer is out: gives the reference back. When the deadline has been over for longer than
 * the tolerance, and no task of this token was counted for that, the calling thread is. NULL is fine. */
void stint_deadline_close(struct stint_token *token);

/* stint_deadline_left - how long a call that goes out now may take.
 * @reserve_us: less so much; below 0: the policy's
 * Return: a duration of at least 1, STINT_NEVER: @token has no deadline; -ETIMEDOUT: nothing is left, do not call;
 * -ECANCELED: @token is cancelled. */
int64_t stint_deadline_left(struct stint_token *token, int64_t reserve_us);

/* stint_deadline_format - the same as the value of a header.
 * Return: its length; 0, and @text empty: @token has no deadline, so there is no header; -ENOSPC, and as
 * stint_deadline_left(). */
int stint_deadline_format(struct stint_token *token, enum stint_timeout_unit unit,
                          int64_t reserve_us, char *text, size_t size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
