/* SPDX-License-Identifier: MIT */
/*
 * The client waits 50 ms and goes away; the handler works on for another 550, for nobody, and so do
 * all that stand in line behind it. Every answer is "200", and no log says a word.
 *
 *     stint preflight sleeper          fails: deadlines, with the thread and how late it was
 *     stint preflight sleeper-fixed    passes: the deadline of the request is that of its token, and
 *                                      who waits with the token ends with it
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "examples/seeds/server.h"

#define WORK_US INT64_C(600000)

/* The value of a header, for libstint, which knows the names that the configuration has. */
static const char *
header(void *env, const char *name)
{
    static _Thread_local char value[64];

    return request_header(env, name, value, sizeof(value)) ? value : NULL;
}

/* A query of a database, say. Return: 0, or why it was given up. */
static int
work(struct stint_token *token)
{
#if FIXED
    return stint_token_sleep(token, WORK_US);
#else
    (void)token;
    return nanosleep(&(struct timespec){.tv_nsec = WORK_US * 1000}, NULL);
#endif
}

static int
slow(const struct request *rq, char *answer, size_t room)
{
    struct stint_deadline_call call = STINT_DEADLINE_CALL("slow", NULL);
    struct stint_token *token;
    int r;

    if (strcmp(rq->path, "/") != 0)
        return 404;
    call.header = header;
    call.env = (void *)(uintptr_t)rq; /* given back to header() alone, which only reads it */
    r = stint_deadline_open(&token, NULL, &call); /* a worker that drains ends what it has */
    if (r < 0) {
        (void)snprintf(answer, room, "%s\n", call.refused);
        return r == -ETIMEDOUT ? 504 : 400;
    }
    r = stint_task_begin(token, NULL); /* who looks from outside sees whom it works for */
    if (r == 0)
        r = work(token);
    stint_task_end();
    stint_deadline_close(token);
    (void)snprintf(answer, room, r == 0 ? "done\n" : "given up in time\n");
    return 200;
}

int
main(void)
{
    if (stint_init(NULL) < 0 || server_start(slow) < 0 || stint_ready() < 0)
        return 1;
    server_join();
    return 0;
}
