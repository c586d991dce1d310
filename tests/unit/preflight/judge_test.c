/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a preflight makes of what it saw: trends, answers of a socket, kinds of threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/preflight/exposure.h"
#include "supervisor/preflight/fetch.h"
#include "supervisor/preflight/listening.h"
#include "supervisor/preflight/sample.h"
#include "supervisor/preflight/threads.h"
#include "tests/unit/unit.h"

/* ---- trends ------------------------------------------------------------------------------------ */

static struct trend
trend(const unsigned *fds, size_t n, size_t from)
{
    struct sample all[16] = {0};

    for (size_t i = 0; i < n; i++)
        all[i].fds = fds[i];
    return trend_of(all, n, from, sample_fds);
}

START_TEST(a_line_has_its_slope_and_noise_has_next_to_none)
{
    static const unsigned line[] = {9, 3, 5, 7, 9}, flat[] = {4, 5, 4, 4, 5, 4}, one[] = {4};
    struct trend t = trend(line, 5, 1);

    ck_assert_double_eq_tol(t.per_reload, 2, 1e-9);
    ck_assert_double_eq_tol(t.total, 6, 1e-9);
    ck_assert_uint_eq(t.points, 4);
    t = trend(flat, 6, 0);
    ck_assert_double_eq_tol(t.per_reload, 0, 0.1);
    ck_assert_uint_eq(trend(one, 1, 0).points, 0);
    ck_assert_uint_eq(trend(line, 5, 4).points, 0);
}
END_TEST

START_TEST(a_leak_goes_on_and_what_warms_up_becomes_flatter)
{
    static const unsigned leak[] = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19},
                          noisy[] = {10, 12, 13, 12, 15, 16, 18, 17, 20, 21},
                          warm[] = {100, 150, 175, 187, 193, 196, 198, 199, 200, 201},
                          step[] = {10, 30, 30, 30, 30, 30, 30, 30, 30, 30},
                          churn[] = {10, 14, 9, 13, 10, 15, 8, 14, 11, 12};
    struct trend t = trend(leak, 10, 0);

    ck_assert_double_eq_tol(t.order, 1, 1e-9);
    ck_assert_double_eq_tol(t.late, 1, 1e-9);
    t = trend(noisy, 10, 0);
    ck_assert_double_ge(t.order, 0.8);
    ck_assert_double_ge(t.late, 0.5);
    t = trend(warm, 10, 0);
    ck_assert_double_eq_tol(t.order, 1, 1e-9);
    ck_assert_double_lt(t.late, 0.2);
    t = trend(step, 10, 0);
    ck_assert_double_lt(t.order, 0.3);
    ck_assert_double_eq_tol(t.late, 0, 1e-9);
    ck_assert_double_lt(trend(churn, 10, 0).order, 0.5);
}
END_TEST

/* ---- what a socket answers --------------------------------------------------------------------- */

static bool
profile(const char *path, const char *body)
{
    return exposure_is_profile(path, body, strlen(body), "/usr/bin/web");
}

START_TEST(a_profile_is_known_by_what_it_is_and_not_by_the_status_of_the_answer)
{
    ck_assert(profile("/debug/pprof/", "<a>heap</a> <a>goroutine</a> <a>mutex</a>"));
    ck_assert(!profile("/debug/pprof/", "hello"));
    ck_assert(!profile("/debug/pprof/", "no such page: /debug/pprof/, profile"));
    ck_assert(profile("/debug/pprof/heap", "heap profile: 1: 2 [3: 4] @ heap/1048576"));
    ck_assert(profile("/debug/pprof/profile?seconds=1", "\x1f\x8b\x08 and so on"));
    ck_assert(!profile("/debug/pprof/heap", "hello"));
    ck_assert(profile("/pprof/cmdline", "/usr/bin/web"));
    ck_assert(!profile("/pprof/cmdline", "hello"));
    ck_assert(profile("/json/version", "{\"Browser\": \"node.js/v18\"}"));
    ck_assert(!profile("/json/version", "{\"version\": 1}"));
    ck_assert(profile("/debug/vars", "{\"cmdline\": [], \"memstats\": {}}"));
    ck_assert(!profile("/debug/vars", "{\"cmdline\": []}"));
    ck_assert(!exposure_is_profile("/pprof/cmdline", "anything", 8, "")); /* it is not known */
}
END_TEST

START_TEST(addresses_are_those_of_listeners)
{
    struct sockaddr_storage to;

    ck_assert_uint_gt(fetch_address("tcp://127.0.0.1:80", &to), 0);
    ck_assert_int_eq(to.ss_family, AF_INET);
    ck_assert_uint_gt(fetch_address("tcp://[::1]:80", &to), 0);
    ck_assert_int_eq(to.ss_family, AF_INET6);
    ck_assert_uint_gt(fetch_address("unix:/run/x.sock", &to), 0);
    ck_assert_int_eq(to.ss_family, AF_UNIX);
    ck_assert_uint_eq(fetch_address("tcp://127.0.0.1:65536", &to), 0);
    ck_assert_uint_eq(fetch_address("tcp://example.org:80", &to), 0);
    ck_assert_uint_eq(fetch_address("tcp://127.0.0.1", &to), 0);
    ck_assert_uint_eq(fetch_address("", &to), 0);
}
END_TEST

/* ---- unix sockets ------------------------------------------------------------------------------ */

#define LISTENS "00000000deadbeef: 00000002 00000000 00010000 0001 01 12345 "

START_TEST(who_may_connect_to_a_unix_socket_is_told_by_its_file_and_the_directories_above)
{
    char dir[] = "/tmp/stint-reach-XXXXXX", line[512], path[128], inner[96];
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct listening l;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(inner, sizeof(inner), "%s/in", dir);
    (void)snprintf(path, sizeof(path), "%s/x.sock", inner);
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    (void)snprintf(line, sizeof(line), LISTENS "%s", path);
    ck_assert(mkdir(inner, 0755) == 0 && chmod(inner, 0755) == 0 && chmod(dir, 0755) == 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);

    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert(listening_unix_parse(line, getpid(), NULL, &l));
    ck_assert_int_eq(l.reach, REACH_ANYBODY);
    ck_assert_uint_eq(l.mode, 0666);
    ck_assert_uint_eq(l.inode, 12345);
    ck_assert(l.is_stream && !l.is_abstract && l.to_bytes > 0);
    ck_assert_str_eq(l.address + strlen("unix:"), path);
    ck_assert_int_eq(chmod(inner, 0750), 0); /* nobody gets there … */
    ck_assert(listening_unix_parse(line, getpid(), NULL, &l));
    ck_assert_int_eq(l.reach, REACH_GROUP);
    ck_assert(listening_unix_parse(line, getpid(), inner, &l)); /* … but for the cage's sake */
    ck_assert_int_eq(l.reach, REACH_ANYBODY);
    ck_assert_int_eq(chmod(path, 0755), 0); /* what an umask of 022 makes */
    ck_assert(listening_unix_parse(line, getpid(), inner, &l));
    ck_assert_int_eq(l.reach, REACH_OWNER);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(listening_unix_parse(line, getpid(), NULL, &l));
    ck_assert_int_eq(l.reach, REACH_NOBODY);
    (void)close(fd);
    ck_assert(rmdir(inner) == 0 && rmdir(dir) == 0);
}
END_TEST

START_TEST(an_abstract_socket_is_open_to_all_and_one_that_does_not_listen_is_none)
{
    struct listening l;

    ck_assert(listening_unix_parse(LISTENS "@debug", getpid(), NULL, &l));
    ck_assert(l.is_abstract && l.reach == REACH_ANYBODY);
    ck_assert_str_eq(l.address, "unix:@debug");
    ck_assert(listening_unix_parse("0: 2 0 00010000 0005 01 7 @seq", getpid(), NULL, &l));
    ck_assert(!l.is_stream);
    ck_assert(!listening_unix_parse("0: 2 0 00000000 0001 03 7 /run/x", getpid(), NULL, &l));
    ck_assert(!listening_unix_parse("0: 2 0 00010000 0001 01 7", getpid(), NULL, &l));
    ck_assert(!listening_unix_parse("Num       RefCount Protocol Flags    Type St Inode Path",
                                    getpid(), NULL, &l));
}
END_TEST

/* ---- threads ----------------------------------------------------------------------------------- */

static json_t *
threads(const char *groups)
{
    auto_text struct text t = TEXT_INIT;
    json_t *all;

    text_addf(&t, "{\"workers\": [{\"evidence\": {\"leaked\": 0, \"groups\": [%s]}}]}", groups);
    all = json_loads(text_str(&t), 0, NULL);
    ck_assert_ptr_nonnull(all);
    return all;
}

#define GROUP(key, count)                                                                 \
    "{\"key\": \"" key "\", \"count\": " count                                            \
    ", \"leak\": false, \"first\": {\"name\": \"watch\","                                 \
    "\"claim\": {\"creator\": {\"file\": \"/a/b/config.c\", \"line\": 88, \"function\": " \
    "\"watch_start\"}}}}"

START_TEST(threads_of_one_kind_are_one_wherever_they_wait)
{
    json_t *then = threads(GROUP("watch<start|futex@a", "1"));
    json_t *now = threads(GROUP("watch<start|futex@a", "4") "," GROUP("watch<start|poll@b", "3"));
    struct text words = TEXT_INIT;

    ck_assert_int_eq(threads_grown(then, now, &words), 6);
    ck_assert_str_eq(text_str(&words),
                     "threads like `watch`, started at config.c:88 (watch_start): 1, then 7");
    text_finish(&words);
    ck_assert_int_eq(threads_grown(now, then, &words), 0);
    ck_assert_int_eq(threads_grown(now, now, &words), 0);
    ck_assert_int_eq(threads_grown(NULL, NULL, &words), 0); /* nobody could look */
    ck_assert_str_eq(text_str(&words), "");
    json_decref(then);
    json_decref(now);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("judge");
    TCase *tc = tcase_create("judge");

    tcase_add_test(tc, a_line_has_its_slope_and_noise_has_next_to_none);
    tcase_add_test(tc, a_leak_goes_on_and_what_warms_up_becomes_flatter);
    tcase_add_test(tc, a_profile_is_known_by_what_it_is_and_not_by_the_status_of_the_answer);
    tcase_add_test(tc, addresses_are_those_of_listeners);
    tcase_add_test(tc,
                   who_may_connect_to_a_unix_socket_is_told_by_its_file_and_the_directories_above);
    tcase_add_test(tc, an_abstract_socket_is_open_to_all_and_one_that_does_not_listen_is_none);
    tcase_add_test(tc, threads_of_one_kind_are_one_wherever_they_wait);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
