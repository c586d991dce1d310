/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/ready.h"
#include "supervisor/io/sockets.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/io/process.h"

static struct ev_loop *ev;
static struct ready *ready;
static struct error error;
static struct text heard; /* "ready " or "failed: why " */
static bool stop_in_hook;

static char *plain_env[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};

static void
hook_said(void)
{
    if (!stop_in_hook)
        return;
    ready_stop(ready);
    ready = NULL;
}

static void
on_ready(void *env)
{
    ck_assert_ptr_eq(env, &heard);
    text_add(&heard, "ready ");
    hook_said();
}

static void
on_failed(void *env, const char *why)
{
    ck_assert_ptr_eq(env, &heard);
    text_addf(&heard, "failed: %s ", why);
    hook_said();
}

static struct ready_request
request(const struct ready_spec *spec)
{
    return (struct ready_request){
        .spec = spec,
        .pid = getpid(),
        .spawned_us = mono_now_us(),
        .fd = -1,
        .directory = folder(),
        .envp = plain_env,
        .on_ready = on_ready,
        .on_failed = on_failed,
        .env = &heard,
    };
}

static void
start(const struct ready_request *req)
{
    ck_assert_msg(ready_start(ev, req, &ready, &error) == 0, "%s", error.text);
    ck_assert_uint_eq(heard.bytes, 0);
}

static void
begin(void)
{
    ev = ev_loop_new(EVFLAG_AUTO);
}

static void
end(void)
{
    ready_stop(ready);
    text_finish(&heard);
    ev_loop_destroy(ev);
    folder_remove();
}

static bool
heard_something(void *env)
{
    (void)env;
    return heard.bytes > 0;
}

static void
await_words(const char *expected)
{
    ck_assert_msg(loop_until(ev, heard_something, NULL, PATIENCE_MS * US_PER_MS),
                  "heard nothing; %s", ready_progress(ready));
    ck_assert_str_eq(text_str(&heard), expected);
}

static bool
progress_says(void *env)
{
    return strstr(ready_progress(ready), env) != NULL;
}

static void
await_progress(const char *part)
{
    ck_assert_msg(loop_until(ev, progress_says, (void *)(uintptr_t)part, PATIENCE_MS * US_PER_MS),
                  "it says '%s', not '%s'", ready_progress(ready), part);
    ck_assert_uint_eq(heard.bytes, 0);
}

START_TEST(a_newline_on_its_descriptor_makes_it_ready)
{
    struct ready_spec spec = {.mode = READY_FD, .fd = 3};
    struct ready_request req = request(&spec);
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    req.fd = ends[0];
    start(&req);
    ck_assert_int_eq(write(ends[1], "soon", 4), 4);
    ev_run(ev, EVRUN_ONCE);
    ck_assert_uint_eq(heard.bytes, 0);
    ck_assert_str_eq(ready_progress(ready), "waiting for a newline on descriptor 3");
    stop_in_hook = true;
    ck_assert_int_eq(write(ends[1], "!\n", 2), 2);
    await_words("ready ");
    ck_assert_int_eq(fcntl(ends[0], F_GETFD), -1); /* the probe closed its end */
    (void)close(ends[1]);
}
END_TEST

START_TEST(a_descriptor_closed_without_a_newline_is_a_failure)
{
    struct ready_spec spec = {.mode = READY_FD, .fd = 3};
    struct ready_request req = request(&spec);
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    req.fd = ends[0];
    start(&req);
    (void)close(ends[1]);
    await_words("failed: it closed its readiness descriptor without a newline ");
}
END_TEST

static void
write_pid_file(pid_t pid)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%d\n", (int)pid);
    (void)write_file("new.pid", text, 0644);
    ck_assert_int_eq(rename(in_folder("new.pid"), in_folder("web.pid")), 0);
}

START_TEST(a_pid_file_counts_once_it_is_rewritten_with_a_pid_of_the_worker)
{
    struct ready_spec spec = {.mode = READY_FILE, .file = (char[]){"web.pid"}};
    struct ready_request req = request(&spec);
    pid_t child = fork();

    if (child == 0)
        for (;;)
            (void)pause();
    start(&req);
    await_progress("does not exist yet");
    (void)write_file("web.pid", "", 0644);
    await_progress("holds no pid yet");
    write_pid_file(getppid());
    await_progress(", which is not of this worker");
    write_pid_file(child);
    await_words("ready ");
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

START_TEST(a_pid_file_left_by_the_one_before_does_not_count)
{
    struct ready_spec spec = {.mode = READY_FILE, .file = (char[]){"web.pid"}};
    struct ready_request req = request(&spec);

    write_pid_file(getpid());
    req.spawned_us += US_PER_S; /* as if the file were a second older than the worker */
    start(&req);
    await_progress("is older than the worker");
}
END_TEST

START_TEST(a_command_is_asked_until_it_exits_0)
{
    struct ready_spec spec = {.mode = READY_EXEC};
    struct ready_request req;

    ck_assert_int_eq(strv_add(&spec.exec, "sh"), 0);
    ck_assert_int_eq(strv_add(&spec.exec, "-c"), 0);
    ck_assert_int_eq(strv_add(&spec.exec, "test -e up || exit 7"), 0);
    req = request(&spec);
    start(&req);
    await_progress("last answer: exit status 7");
    (void)write_file("up", "", 0600);
    await_words("ready ");
    strv_finish(&spec.exec);
}
END_TEST

START_TEST(stopping_while_a_command_is_under_way_leaves_nothing)
{
    struct ready_spec spec = {.mode = READY_EXEC};
    struct ready_request req;

    ck_assert_int_eq(strv_add(&spec.exec, "sleep"), 0);
    ck_assert_int_eq(strv_add(&spec.exec, "100"), 0);
    req = request(&spec);
    start(&req);
    ev_run(ev, EVRUN_ONCE);
    ck_assert(has_children());
    ready_stop(ready);
    ready = NULL;
    while (has_children())
        ev_run(ev, EVRUN_ONCE);
    strv_finish(&spec.exec);
}
END_TEST

/* ---- a server for the probes: it answers each connection with `reply`, on the same loop ---- */

static const char *reply;
static char asked[512];
static ev_io server_io;

static void
on_client(EV_P_ ev_io *io, int revents)
{
    int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC);
    ssize_t n;

    (void)loop;
    (void)revents;
    if (fd == -1)
        return;
    if (reply) {
        await_readable(fd);
        n = read(fd, asked, sizeof asked - 1);
        asked[n > 0 ? n : 0] = '\0';
        ck_assert_int_eq(write(fd, reply, strlen(reply)), (ssize_t)strlen(reply));
    }
    (void)close(fd);
}

static struct listener *
serve(struct text *where)
{
    struct listener *l;

    ck_assert_msg(listener_probe("tcp://127.0.0.1:0", &l, &error) == 0, "%s", error.text);
    listener_address(l, where);
    ev_io_init(&server_io, on_client, l->fd, EV_READ);
    ev_io_start(ev, &server_io);
    return l;
}

static void
unserve(struct listener *l)
{
    ev_io_stop(ev, &server_io);
    listener_unref(l);
}

START_TEST(a_port_is_asked_until_somebody_listens)
{
    auto_text struct text where = TEXT_INIT;
    struct listener_spec at = {.backlog = 8};
    struct listeners set;
    struct listener *l = serve(&where);
    struct ready_spec spec = {.mode = READY_TCP};
    struct ready_request req;

    unserve(l); /* the port is free now, but known */
    spec.address = where.data;
    req = request(&spec);
    start(&req);
    await_progress("last answer: connection refused");
    listeners_init(&set);
    at.address = where.data;
    ck_assert_int_eq(listeners_acquire(&set, &at, &l, &error), 0);
    await_words("ready ");
    listeners_finish(&set);
}
END_TEST

START_TEST(http_is_ready_when_it_answers_2xx_or_3xx)
{
    static const char *const not_yet[][2] = {
        {"HTTP/1.1 503 Service Unavailable\r\n\r\n", "last answer: HTTP 503"                },
        {"HTTP/1.0 404 Not Found\r\n\r\n",           "last answer: HTTP 404"                },
        {"hello, who is there?\n",                   "last answer: the answer is not HTTP"  },
        {"HTTP/1.1 ab",                              "last answer: the answer is not HTTP"  },
        {"HTTP/1.1 abc\r\n",                         "last answer: the answer has no status"},
        {"",                                         "last answer: closed without an answer"},
    };
    static const char request_begins[] = "GET /healthz?full=1 HTTP/1.0\r\nHost: 127.0.0.1:";
    auto_text struct text where = TEXT_INIT, url = TEXT_INIT;
    struct listener *l = serve(&where);
    struct ready_spec spec = {.mode = READY_HTTP};
    struct ready_request req;

    text_addf(&url, "http://%s/healthz?full=1#top", text_str(&where) + strlen("tcp://"));
    spec.address = url.data;
    req = request(&spec);
    reply = not_yet[_i][0];
    start(&req);
    await_progress(not_yet[_i][1]);
    ck_assert_msg(strncmp(asked, request_begins, strlen(request_begins)) == 0, "%s", asked);
    reply = _i % 2 ? "HTTP/1.1 200 OK\r\n\r\n" : "HTTP/1.1 302 Found\r\n\r\n";
    await_words("ready ");
    unserve(l);
}
END_TEST

START_TEST(the_probe_listener_of_a_generation_is_asked_instead_of_the_shared_address)
{
    auto_text struct text where = TEXT_INIT;
    struct listener *l = serve(&where);
    struct ready_spec spec = {.mode = READY_HTTP, .address = (char[]){"http://127.0.0.1:1"}};
    struct ready_request req = request(&spec);

    req.address = text_str(&where);
    reply = "HTTP/1.1 204 No Content\r\n\r\n";
    start(&req);
    await_words("ready ");
    ck_assert_msg(strncmp(asked, "GET / HTTP/1.0\r\n", 16) == 0, "%s", asked);
    unserve(l);
}
END_TEST

START_TEST(an_address_that_cannot_be_asked_is_an_error)
{
    static const char *const bad[] = {"unix:/run/x", "http://example.com/", "tcp://127.0.0.1",
                                      "https://127.0.0.1/", "http://127.0.0.1/a b"};
    char address[64];
    struct ready_spec spec = {.mode = READY_HTTP, .address = address};
    struct ready_request req = request(&spec);

    (void)snprintf(address, sizeof address, "%s", bad[_i]);
    ck_assert_int_eq(ready_start(ev, &req, &ready, &error), -EINVAL);
    ck_assert_ptr_null(ready);
}
END_TEST

START_TEST(stopping_in_the_middle_of_an_answer_leaks_nothing)
{
    auto_text struct text where = TEXT_INIT, url = TEXT_INIT;
    struct ready_spec spec = {.mode = READY_HTTP};
    struct ready_request req;
    struct listener *l;
    unsigned before;

    ck_assert_int_eq(listener_probe("tcp://127.0.0.1:0", &l, &error), 0);
    listener_address(l, &where); /* it listens, and nobody ever accepts */
    text_addf(&url, "http://%s", text_str(&where) + strlen("tcp://"));
    spec.address = url.data;
    req = request(&spec);
    ev_run(ev, EVRUN_NOWAIT);
    before = count_fds();
    start(&req);
    ev_run(ev, EVRUN_ONCE);
    ev_run(ev, EVRUN_ONCE);
    ck_assert_uint_eq(count_fds(), before + 1);
    ready_stop(ready);
    ready = NULL;
    ck_assert_uint_eq(count_fds(), before);
    listener_unref(l);
}
END_TEST

START_TEST(what_others_decide_is_only_described)
{
    struct ready_spec spec = {.mode = _i ? READY_ASSUME : READY_NOTIFY};
    struct ready_request req = request(&spec);

    start(&req);
    ck_assert_str_eq(ready_progress(ready), _i ? "will be assumed ready if it is still alive then"
                                               : "waiting for READY=1");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("ready");
    TCase *t = tcase_create("ready");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, a_newline_on_its_descriptor_makes_it_ready);
    tcase_add_test(t, a_descriptor_closed_without_a_newline_is_a_failure);
    tcase_add_test(t, a_pid_file_counts_once_it_is_rewritten_with_a_pid_of_the_worker);
    tcase_add_test(t, a_pid_file_left_by_the_one_before_does_not_count);
    tcase_add_test(t, a_command_is_asked_until_it_exits_0);
    tcase_add_test(t, stopping_while_a_command_is_under_way_leaves_nothing);
    tcase_add_test(t, a_port_is_asked_until_somebody_listens);
    tcase_add_loop_test(t, http_is_ready_when_it_answers_2xx_or_3xx, 0, 6);
    tcase_add_test(t, the_probe_listener_of_a_generation_is_asked_instead_of_the_shared_address);
    tcase_add_loop_test(t, an_address_that_cannot_be_asked_is_an_error, 0, 5);
    tcase_add_test(t, stopping_in_the_middle_of_an_answer_leaks_nothing);
    tcase_add_loop_test(t, what_others_decide_is_only_described, 0, 2);
    suite_add_tcase(s, t);
    return unit_main(s);
}
