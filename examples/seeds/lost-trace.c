/* SPDX-License-Identifier: MIT */
/*
 * A thread in the background writes its log with a span id and without the trace: the one line that
 * would tell why the mail of this very request was not sent cannot be found by the request's id.
 *
 *     stint preflight lost-trace          fails: trace, with the thread that lost it
 *     stint preflight lost-trace-fixed    passes: the thread is started under the token of the
 *                                         request, and stint_log() has the ids of it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "examples/seeds/server.h"

/* Sends a mail, later than the answer. */
static void
mail(void *arg)
{
    (void)arg;
#if FIXED
    (void)stint_log(STINT_LOG_INFO, "mail was sent");
#else
    char line[160], trace[33] = "", span[17] = "";
    int n;

    (void)stint_trace_ids(NULL, trace, span);
    n = snprintf(line, sizeof(line), "level=info tid=%d span_id=%s msg=\"mail was sent\"\n",
                 (int)gettid(), span);
    (void)!write(STDERR_FILENO, line, (size_t)n); /* nobody would know if this is lost */
#endif
    (void)stint_token_sleep(stint_current(), 20000); /* the server of mails has its say */
}

static int
order(const struct request *rq, char *answer, size_t room)
{
    struct stint_token *token = stint_token_new(stint_current(), "order");
    struct stint_thread *mailer;
    char parent[64];
    struct stint_header headers[1];
    size_t n = 0;
    int r;

    if (!token)
        return 500;
    if (request_header(rq, "traceparent", parent, sizeof(parent)))
        headers[n++] = stint_header_of("traceparent", parent);
    (void)stint_trace_extract(token, headers, n);
    (void)stint_task_begin(token, NULL); /* without memory its lines are those of the thread */
    (void)stint_log(STINT_LOG_INFO, "order was taken");
    r = stint_thread_spawn(&mailer, token, "mailer", mail, NULL);
    if (r == 0)
        (void)stint_thread_join(mailer, NULL, STINT_NEVER);
    stint_task_end();
    stint_token_unref(token);
    (void)snprintf(answer, room, "thank you\n");
    return r == 0 ? 200 : 500;
}

int
main(void)
{
    if (stint_init(NULL) < 0 || server_start(order) < 0 || stint_ready() < 0)
        return 1;
    server_join();
    return 0;
}
