/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the W3C's harness of trace context tests: a service that does as it is told and calls others.
 * https://github.com/w3c/trace-context/tree/main/test; ./run starts both.
 *
 * POST of any path: the body is a list of {"url": …, "arguments": …}, and each is a POST of the arguments to the
 * URL, by a thread of its own. POST /child: the body is a list of words, a command; its output is the answer. Nothing
 * of the trace is passed along by hand: it is the request's token that has it.
 */
#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>
#include <stint.h>

#include "tests/w3c/http.h"

#define CALLS_MAX 16
#define BY_US     INT64_C(4000000) /* duration; the harness waits for five seconds */
#define LEAVE_US  INT64_C(5000000)

struct call {
    const char *url; /* borrowed from the request */
    char *json;      /* owned */
    int64_t by_us;
    int status; /* of the answer; -errno */
};

static void
make_call(void *arg)
{
    struct call *call = arg;

    call->status = http_post(stint_current(), call->url, call->json, call->by_us);
    (void)stint_log(call->status == 200 ? STINT_LOG_INFO : STINT_LOG_ERROR, "called %s: %d",
                    call->url, call->status);
}

/* Return: the status of the answer. */
static int
make_calls(const json_t *list, struct stint_token *request, int64_t by_us)
{
    struct call calls[CALLS_MAX] = {0};
    struct stint_thread *threads[CALLS_MAX];
    size_t n = 0;
    int status = 200;

    for (; n < json_array_size(list) && n < CALLS_MAX; n++) {
        const json_t *one = json_array_get(list, n), *arguments = json_object_get(one, "arguments");

        calls[n].url = json_string_value(json_object_get(one, "url"));
        calls[n].json = json_dumps(arguments, JSON_ENCODE_ANY);
        calls[n].by_us = by_us;
        if (!calls[n].url || !calls[n].json ||
            stint_thread_spawn(&threads[n], request, "call", make_call, &calls[n]) < 0) {
            free(calls[n].json);
            status = 400;
            break;
        }
    }
    for (size_t i = 0; i < n; i++) {
        (void)stint_thread_join(threads[i], NULL, STINT_NEVER); /* it has a deadline of its own */
        free(calls[i].json);
        if (calls[i].status != 200)
            status = 502;
    }
    return status;
}

/* What @argv says, into @out. Return: the status of the answer. */
static int
run_child(char **argv, char *out, size_t size)
{
    posix_spawn_file_actions_t actions;
    char **envp = stint_trace_environ(NULL, environ);
    int to[2], status = 500, ended;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    if (!envp || pipe(to) == -1) {
        free(envp);
        return status;
    }
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, to[1], STDOUT_FILENO);
    (void)posix_spawn_file_actions_addclose(&actions, to[0]);
    (void)posix_spawn_file_actions_addclose(&actions, to[1]);
    if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, envp) == 0) {
        close(to[1]);
        to[1] = -1;
        while (n + 1 < size && (got = read(to[0], out + n, size - 1 - n)) > 0)
            n += (size_t)got;
        if (waitpid(pid, &ended, 0) == pid && ended == 0)
            status = 200;
    }
    out[n] = '\0';
    (void)posix_spawn_file_actions_destroy(&actions);
    close(to[0]);
    if (to[1] >= 0)
        close(to[1]);
    free(envp);
    return status;
}

static int
answer_child(const json_t *words, char *out, size_t size)
{
    char *argv[CALLS_MAX + 1] = {NULL};
    size_t n = json_array_size(words);

    if (n == 0 || n > CALLS_MAX)
        return 400;
    for (size_t i = 0; i < n; i++) {
        const char *word = json_string_value(json_array_get(words, i));

        argv[i] = word ? strdup(word) : NULL;
    }
    n = argv[0] ? (size_t)run_child(argv, out, size) : 400;
    for (char **word = argv; *word; word++)
        free(*word);
    return (int)n;
}

static int
answer(const struct message *m, struct stint_token *request, int64_t by_us, char *out, size_t size)
{
    json_t *body = json_loads(m->body, 0, NULL);
    int status;

    if (strncmp(m->start, "POST /", 6) != 0 || !json_is_array(body))
        status = 400;
    else if (strncmp(m->start, "POST /child ", 12) == 0)
        status = answer_child(body, out, size);
    else
        status = make_calls(body, request, by_us);
    json_decref(body);
    return status;
}

static void
serve_one(int client, struct message *m)
{
    struct stint_token *request = stint_token_new(stint_current(), "request");
    int64_t by_us = stint_now_us() + BY_US;
    char head[256], out[4096] = "[]";
    int n, r, status;

    r = http_read(request, client, m, by_us);
    if (!request || r < 0 || stint_trace_extract(request, m->headers, m->n) < 0) {
        (void)stint_log(STINT_LOG_ERROR, "no request: %s", strerror(-r));
        stint_token_unref(request);
        return;
    }
    (void)stint_task_begin(request, NULL);
    status = answer(m, request, by_us, out, sizeof(out));
    (void)stint_log(STINT_LOG_INFO, "%s: %d", m->start, status);
    n = snprintf(head, sizeof(head),
                 "HTTP/1.1 %d -\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                 "Connection: close\r\n\r\n",
                 status, strlen(out));
    if (http_write(request, client, head, (size_t)n, by_us) == 0)
        (void)http_write(request, client, out, strlen(out), by_us); /* or it left */
    stint_task_end();
    stint_token_unref(request);
    stint_served(1);
}

static void
serve(void *arg)
{
    struct message *m = calloc(1, sizeof(*m));
    int client = *(int *)arg;

    free(arg);
    if (m)
        serve_one(client, m);
    close(client);
    free(m);
}

static int
fail(const char *what, int error)
{
    (void)fprintf(stderr, "w3c-service: %s: %s\n", what, strerror(-error));
    return EXIT_FAILURE;
}

int
main(void)
{
    struct stint_scope *requests;
    int listener, client, r = stint_init(NULL);

    if (r < 0)
        return fail("attach to the supervisor", r);
    listener = stint_listen_fd("http");
    requests = stint_scope_open(NULL, "requests");
    if (listener < 0 || !requests)
        return fail("no listener named 'http'", listener < 0 ? listener : -ENOMEM);
    r = stint_ready();
    if (r < 0)
        return fail("say ready", r);
    while ((client = stint_accept(stint_root(), listener, NULL, NULL, STINT_NEVER)) >= 0) {
        int *arg = malloc(sizeof(*arg));

        if (arg)
            *arg = client;
        if (!arg || stint_scope_spawn(requests, "request", serve, arg) < 0) {
            close(client);
            free(arg);
        }
    }
    return stint_scope_close(requests, LEAVE_US, NULL, 0) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
