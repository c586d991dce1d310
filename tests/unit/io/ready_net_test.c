/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/socket.h>

#include "supervisor/io/sockets.h"
#include "tests/unit/io/ready_fixture.h"

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
    struct listeners none; /* port 0 belongs to no set */
    struct listener *l;

    listeners_init(&none);
    ck_assert_msg(listeners_probe(&none, "tcp://127.0.0.1:0", &l, &error) == 0, "%s", error.text);
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
    ck_assert_int_eq(listeners_acquire(&set, &at, LISTENER_OWNER_ANY, &l, &error), 0);
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
    struct listeners none;
    struct listener *l;
    unsigned before;

    listeners_init(&none);
    ck_assert_int_eq(listeners_probe(&none, "tcp://127.0.0.1:0", &l, &error), 0);
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

int
main(void)
{
    Suite *s = suite_create("ready net");
    TCase *t = tcase_create("ready net");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, a_port_is_asked_until_somebody_listens);
    tcase_add_loop_test(t, http_is_ready_when_it_answers_2xx_or_3xx, 0, 6);
    tcase_add_test(t, the_probe_listener_of_a_generation_is_asked_instead_of_the_shared_address);
    tcase_add_loop_test(t, an_address_that_cannot_be_asked_is_an_error, 0, 5);
    tcase_add_test(t, stopping_in_the_middle_of_an_answer_leaks_nothing);
    suite_add_tcase(s, t);
    return unit_main(s);
}
