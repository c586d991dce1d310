/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapter.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/units.h"
#include "bench/child.h"

#define LOADS_MAX   4
#define END_US      (10 * US_PER_S)
#define PATIENCE_US (20 * US_PER_S)

static struct {
    pid_t pid; /* 0: none */
    char json[128];
} loads[LOADS_MAX];

/* The signal of a mark would end a client that does not expect it yet. */
static void
await_running(const char *status)
{
    int64_t deadline_us = mono_now_us() + PATIENCE_US;

    while (access(status, F_OK) == -1) {
        ck_assert_msg(mono_now_us() < deadline_us, "the load client did not start");
        (void)usleep(2000);
    }
}

int
adp_load_begin(bool keep, unsigned rate, unsigned port, const char *words)
{
    char address[32], number[16], kept[16], log[128], json[128], status[128];
    const char *const argv[] = {getenv("LOAD_BINARY"),
                                "--address",
                                address,
                                "--blind",
                                "--timeout",
                                "5s",
                                "--keepalive",
                                kept,
                                "--json",
                                json,
                                "--expect-substring",
                                words,
                                "--rate",
                                keep ? number : "0",
                                "--single",
                                keep ? "0" : number,
                                "--status-file",
                                status,
                                NULL};
    struct child_spec spec = {.argv = argv, .log = log, .uid = (uid_t)-1};
    struct error err = {0};
    int load = 0;

    ck_assert_msg(argv[0] != NULL, "$LOAD_BINARY is not set: run this through ctest");
    while (load < LOADS_MAX && loads[load].pid > 0)
        load++;
    ck_assert_int_lt(load, LOADS_MAX);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    (void)snprintf(number, sizeof(number), "%u", rate);
    (void)snprintf(kept, sizeof(kept), "%d", ADP_KEPT);
    (void)snprintf(json, sizeof(json), "%s", scn_path("load-%d.json", load));
    (void)snprintf(log, sizeof(log), "%s", scn_path("load-%d.log", load));
    (void)snprintf(status, sizeof(status), "%s", scn_path("load-%d.status", load));
    (void)unlink(status);
    loads[load].pid = child_start(&spec, &err);
    ck_assert_msg(loads[load].pid > 0, "%s", err.text);
    (void)snprintf(loads[load].json, sizeof(loads[load].json), "%s", json);
    await_running(status);
    return load;
}

void
adp_load_mark(void)
{
    for (size_t i = 0; i < LOADS_MAX; i++)
        if (loads[i].pid > 0)
            (void)kill(loads[i].pid, SIGUSR1);
}

static void
add_kinds(json_t *by_kind, struct adp_accounts *ret)
{
    const char *kind;
    json_t *value;
    size_t n = 0;

    ret->kinds[0] = '\0';
    json_object_foreach(by_kind, kind, value)
    {
        if (json_integer_value(value) == 0 || n >= sizeof(ret->kinds))
            continue;
        n += (size_t)snprintf(ret->kinds + n, sizeof(ret->kinds) - n, "%s%s %d", n ? ", " : "",
                              kind, (int)json_integer_value(value));
    }
}

void
adp_load_end(int load, struct adp_accounts *ret)
{
    json_error_t error;
    json_t *all, *kinds;

    ck_assert_msg(child_end(loads[load].pid, SIGTERM, END_US) == 0, "the load client hung");
    loads[load].pid = 0;
    all = json_load_file(loads[load].json, 0, &error);
    ck_assert_msg(all != NULL, "the load client left no accounts: %s", error.text);
    kinds = json_object_get(all, "failed_by_kind");
    ret->requests = (long)json_integer_value(json_object_get(all, "requests"));
    ret->failed = (long)json_integer_value(json_object_get(all, "failed"));
    ret->lost_on_reused = (long)json_integer_value(json_object_get(kinds, "lost_on_reused"));
    ret->longest_gap_us = (long)json_integer_value(json_object_get(all, "longest_gap_us"));
    ret->p99_us =
        (long)json_integer_value(json_object_get(json_object_get(all, "latency_reload"), "p99_us"));
    add_kinds(kinds, ret);
    json_decref(all);
    ck_assert_int_gt(ret->requests, 0);
}

/* ---- one question --------------------------------------------------------------------------------------- */

int
adp_ask(unsigned port, const char *path, char *body, size_t room)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = 10};
    auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[8192];
    size_t used = 0;
    ssize_t n;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == -1)
        return 0;
    if (dprintf(fd, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path) < 0)
        return 0;
    while (used < sizeof(text) - 1 && (n = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    if (strncmp(text, "HTTP/1.", 7) != 0 || !strchr(text, ' '))
        return 0;
    if (body)
        (void)snprintf(body, room, "%s",
                       strstr(text, "\r\n\r\n") ? strstr(text, "\r\n\r\n") + 4 : "");
    return (int)strtol(strchr(text, ' '), NULL, 10);
}

bool
adp_answers(unsigned port, const char *words, int64_t within_us)
{
    int64_t deadline_us = mono_now_us() + within_us;
    char body[4096];

    for (;;) {
        if (adp_ask(port, "/", body, sizeof(body)) == 200 && strstr(body, words))
            return true;
        if (mono_now_us() >= deadline_us)
            return false;
        (void)usleep(2000); /* nobody says when a program that is not ours is ready */
    }
}

void
adp_await_words(unsigned port, const char *words)
{
    if (!adp_answers(port, words, PATIENCE_US))
        ck_abort_msg("nobody answered '%s' within 20 s\n%s", words, scn_log());
}
