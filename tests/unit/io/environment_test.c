/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/spec.h"
#include "supervisor/io/environment.h"
#include "supervisor/io/identity.h"
#include "tests/unit/io/process.h"

static struct service_spec spec;
static char *own[] = {
    (char[]){"PATH=/opt/bin"},
    (char[]){"HOME=/root"},
    (char[]){"LISTEN_FDS=4"},
    (char[]){"LISTEN_PID=1"},
    (char[]){"NOTIFY_SOCKET=/run/systemd/notify"},
    (char[]){"WATCHDOG_USEC=1000000"},
    (char[]){"INVOCATION_ID=abc"},
    (char[]){"JOURNAL_STREAM=8:9"},
    (char[]){"STINT_SERVICE=other"},
    (char[]){"TRACEPARENT=00-x"},
    (char[]){"LISTENER=kept"},
    (char[]){"NOTIFY_SOCKETS=kept"},
    (char[]){"nonsense"},
    NULL,
};

static struct environment_request
request(void)
{
    static char name[] = "web";

    spec = (struct service_spec){.name = name};
    return (struct environment_request){.spec = &spec, .own = own};
}

/* has - is there exactly one entry of that name, and is it this one? */
static bool
has(const struct strv *env, const char *entry)
{
    size_t name = strcspn(entry, "=") + 1;
    unsigned n = 0, same = 0;

    for (size_t i = 0; i < env->n; i++) {
        n += strncmp(env->items[i], entry, name) == 0;
        same += strcmp(env->items[i], entry) == 0;
    }
    return n == 1 && same == 1;
}

START_TEST(what_was_meant_for_stint_stays_with_stint)
{
    struct environment_request req = request();
    struct strv env = {0};

    ck_assert_int_eq(environment_build(&req, &env, NULL), 0);
    ck_assert(has(&env, "PATH=/opt/bin"));
    ck_assert(has(&env, "LISTENER=kept"));
    ck_assert(has(&env, "NOTIFY_SOCKETS=kept"));
    ck_assert(has(&env, "STINT_SERVICE=web"));
    ck_assert_uint_eq(env.n, 5);
    ck_assert_ptr_null(env.items[env.n]);
    strv_finish(&env);
}
END_TEST

START_TEST(a_worker_is_told_who_it_is)
{
    struct environment_request req = request();
    const char *names[] = {"http", "admin"};
    struct strv env = {0};

    req.listen_names = names;
    req.n_listen = 2;
    req.notify_path = "/run/stint/notify/7.sock";
    req.generation = 18446744073709551615ULL;
    req.slot = 3;
    req.spawn_id = "abc";
    req.trace_id = "0123456789abcdef0123456789abcdef";
    req.span_id = 0xfe;
    req.tracer = 42;
    ck_assert_int_eq(environment_build(&req, &env, NULL), 0);
    ck_assert(has(&env, "LISTEN_FDS=2"));
    ck_assert(has(&env, "LISTEN_FDNAMES=http:admin"));
    ck_assert(has(&env, "LISTEN_PID="));
    ck_assert(has(&env, "NOTIFY_SOCKET=/run/stint/notify/7.sock"));
    ck_assert(has(&env, "STINT_GENERATION=18446744073709551615"));
    ck_assert(has(&env, "STINT_SLOT=3"));
    ck_assert(has(&env, "STINT_SPAWN_ID=abc"));
    ck_assert(!has(&env, "STINT_PTRACER=42")); /* it would not know what to do with it */
    ck_assert(has(&env, "TRACEPARENT=00-0123456789abcdef0123456789abcdef-00000000000000fe-01"));
    strv_finish(&env);
}
END_TEST

/* Under Yama: libstint and what is loaded into a worker name who may look into it, and nobody else does. */
START_TEST(who_can_is_told_whom_to_let_look)
{
    struct environment_request req = request();
    struct strv env = {0};

    req.tracer = 42;
    spec.libstint = _i == 0;
    spec.preload = _i == 1;
    spec.profiling.heap = _i == 2;
    ck_assert_int_eq(environment_build(&req, &env, NULL), 0);
    ck_assert_int_eq(has(&env, "STINT_PTRACER=42"), _i < 3);
    ck_assert_int_eq(has(&env, "LISTEN_PID="),
                     _i < 3); /* it is for the worker, not for its helpers */
    strv_finish(&env);
    spec.libstint = spec.preload = spec.profiling.heap = false;
}
END_TEST

/* It tells the worker from the helpers that inherit its channel, listeners or not. */
START_TEST(a_worker_with_libstint_is_told_its_pid)
{
    struct environment_request req = request();
    struct strv env = {0};

    spec.libstint = true;
    ck_assert_int_eq(environment_build(&req, &env, NULL), 0);
    ck_assert(has(&env, "LISTEN_PID="));
    ck_assert(!has(&env, "LISTEN_FDS=0"));
    strv_finish(&env);
}
END_TEST

/* In the words that libstint reads, see worker-api/deadline_policy.c; others are told nothing. */
START_TEST(a_worker_with_libstint_is_told_how_long_requests_may_take)
{
    struct timeout_header headers[] = {
        {(char[]){"x-envoy-expected-rq-timeout-ms"}, TIMEOUT_MS},
        {(char[]){"x-request-timeout"},              TIMEOUT_S }
    };
    struct environment_request req = request();
    struct strv env = {0};

    spec.deadlines = (struct deadline_policy){.default_us = 5000000,
                                              .max_us = 30000000,
                                              .reserve_us = 2000,
                                              .tolerance_us = 0,
                                              .headers = headers,
                                              .n_headers = ARRAY_LEN(headers)};
    ck_assert_int_eq(environment_build(&req, &env, NULL), 0);
    ck_assert_ptr_null(environment_get(env.items, "STINT_DEADLINES"));
    strv_finish(&env);
    spec.libstint = true;
    ck_assert_int_eq(environment_build(&req, &env, NULL), 0);
    ck_assert_str_eq(environment_get(env.items, "STINT_DEADLINES"),
                     "default=5000000 max=30000000 reserve=2000 tolerance=0 "
                     "header=x-envoy-expected-rq-timeout-ms:ms header=x-request-timeout:s");
    strv_finish(&env);
}
END_TEST

/* What the program has preloaded besides stays; helpers get neither. */
START_TEST(a_preloaded_worker_is_told_its_pid_and_loads_our_object_first)
{
    struct environment_entry entries[] = {
        {(char[]){"LD_PRELOAD"}, (char[]){"libmine.so"}},
    };
    struct environment_request req = request();
    struct strv env = {0};
    const char *list;

    spec.preload = true;
    spec.environment = entries;
    spec.n_environment = 1;
    req.preload = "/lib/stint/libstint-preload.so";
    ck_assert_int_eq(environment_build(&req, &env, NULL), 0);
    ck_assert(has(&env, "LISTEN_PID="));
    ck_assert_ptr_nonnull(list = environment_get(env.items, "LD_PRELOAD"));
    ck_assert_str_eq(list, "/lib/stint/libstint-preload.so:libmine.so");
    strv_finish(&env);
    req.preload = NULL;
    ck_assert_int_eq(environment_build(&req, &env, NULL), 0);
    ck_assert(has(&env, "LD_PRELOAD=libmine.so"));
    strv_finish(&env);
}
END_TEST

START_TEST(later_sources_win_and_no_name_comes_twice)
{
    struct environment_entry entries[] = {
        {(char[]){"MODE"},          (char[]){"production"}},
        {(char[]){"STINT_SERVICE"}, (char[]){"lie"}       },
        {(char[]){"EMPTY"},         (char[]){""}          },
    };
    struct environment_request req = request();
    auto_free char *file = strdup(write_file("env", "MODE=test\nPATH=/file/bin\n", 0644));
    struct strv env = {0}, pinned = {0};
    struct error error;

    spec.env_file = file;
    spec.environment = entries;
    spec.n_environment = 3;
    ck_assert_msg(environment_read(&spec, &pinned, &error) == 0, "%s", error.text);
    (void)write_file("env", "no longer like this", 0644);
    req.env_file = &pinned;
    ck_assert_msg(environment_build(&req, &env, &error) == 0, "%s", error.text);
    ck_assert(has(&env, "PATH=/file/bin"));
    ck_assert(has(&env, "MODE=production"));
    ck_assert(has(&env, "STINT_SERVICE=web"));
    ck_assert(has(&env, "EMPTY="));
    strv_finish(&env);
    strv_finish(&pinned);
}
END_TEST

START_TEST(a_worker_gets_the_number_of_its_slot_in_what_the_service_says_and_nowhere_else)
{
    struct environment_entry entries[] = {
        {(char[]){"PORT"},   (char[]){"910{slot}"}           },
        {(char[]){"FORMAT"}, (char[]){"{{slot}} {slots} {x}"}},
        {(char[]){"PAIR"},   (char[]){"{\"slot\": {slot}}"}  },
    };
    struct environment_request req = request();
    struct strv pinned = {0}, env = {0};

    ck_assert_int_eq(strv_add(&pinned, "FILE={slot}"), 0);
    spec.environment = entries;
    spec.n_environment = 3;
    req.env_file = &pinned;
    req.generation = 4;
    req.slot = 11;
    ck_assert_int_eq(environment_build(&req, &env, NULL), 0);
    ck_assert(has(&env, "PORT=91011"));
    ck_assert(has(&env, "FORMAT={slot} {slots} {x}"));
    ck_assert(has(&env, "PAIR={\"slot\": 11}"));
    ck_assert(has(&env, "FILE={slot}")); /* written for whoever else reads that file, too */
    strv_finish(&env);
    strv_finish(&pinned);
}
END_TEST

START_TEST(a_clean_environment_is_a_small_one)
{
    struct environment_request req = request();
    struct strv env = {0};

    spec.clean_environment = true;
    ck_assert_int_eq(environment_build(&req, &env, NULL), 0);
    ck_assert(has(&env, "LANG=C.UTF-8"));
    ck_assert(has(&env, "HOME=/root"));
    ck_assert_str_ne(environment_get(env.items, "PATH"), "/opt/bin");
    ck_assert_uint_eq(env.n, 4); /* and STINT_SERVICE */
    strv_finish(&env);
}
END_TEST

START_TEST(a_user_has_a_home_and_a_nameless_one_does_not_get_ours)
{
    struct environment_request req = request();
    struct identity id = {.uid = 33,
                          .name = (char[]){"www"},
                          .home = (char[]){"/var/www"},
                          .shell = (char[]){"/bin/false"}};
    struct strv env = {0};

    req.identity = &id;
    ck_assert_int_eq(environment_build(&req, &env, NULL), 0);
    ck_assert(has(&env, "HOME=/var/www") && has(&env, "USER=www") && has(&env, "LOGNAME=www"));
    ck_assert(has(&env, "SHELL=/bin/false"));
    strv_finish(&env);
    id.name = NULL;
    ck_assert_int_eq(environment_build(&req, &env, NULL), 0);
    ck_assert(has(&env, "HOME=/"));
    ck_assert_ptr_null(environment_get(env.items, "USER"));
    strv_finish(&env);
}
END_TEST

START_TEST(an_env_file_is_read_as_it_is_written)
{
    static const char text[] = "# comment\n"
                               "\n"
                               "  PLAIN = no\n";
    static const char good[] = "# comment\r\n\r\n"
                               "A=plain words  \r\n"
                               "export B='as $it \\n is' # said\n"
                               "C=\"a \\\"b\\\" \\$c \\n\\x\"\n"
                               "D=#literal\n"
                               "E=\n"
                               "A=again";
    struct strv env = {0};
    struct error error;

    ck_assert_int_eq(environment_parse("f", text, sizeof text - 1, &env, &error), -EINVAL);
    ck_assert_str_eq(error.text, "f:3: expected '=' right after the name");
    ck_assert_msg(environment_parse("f", good, sizeof good - 1, &env, &error) == 0, "%s",
                  error.text);
    ck_assert(has(&env, "A=again"));
    ck_assert(has(&env, "B=as $it \\n is"));
    ck_assert(has(&env, "C=a \"b\" $c \n\\x"));
    ck_assert(has(&env, "D=#literal"));
    ck_assert(has(&env, "E="));
    strv_finish(&env);
}
END_TEST

START_TEST(a_bad_env_file_is_refused_with_file_and_line)
{
    static const struct {
        const char *text;
        size_t bytes;
        const char *error;
    } cases[] = {
        {"A=1\nB='x\n",  8, "f:2: the closing quote is missing"              },
        {"A=\"x\" y\n",  8, "f:1: there is more text after the closing quote"},
        {"\n\n1A=2\n",   7, "f:3: expected NAME=VALUE"                       },
        {"A=1\0\nB=2\n", 9, "f:1: there is a NUL byte in it"                 },
        {"=x",           2, "f:1: expected NAME=VALUE"                       },
        {"A=\"x\\",      5, "f:1: the closing quote is missing"              },
        {"export \n",    8, "f:1: expected '=' right after the name"         },
        {"WORD",         4, "f:1: expected '=' right after the name"         },
    };
    struct strv env = {0};
    struct error error;

    ck_assert_int_eq(environment_parse("f", cases[_i].text, cases[_i].bytes, &env, &error),
                     -EINVAL);
    ck_assert_str_eq(error.text, cases[_i].error);
    strv_finish(&env);
}
END_TEST

START_TEST(a_missing_env_file_is_an_error)
{
    struct strv env = {0};
    struct error error;

    spec.env_file = (char[]){"/nowhere/env"};
    ck_assert_int_eq(environment_read(&spec, &env, &error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.text, "/nowhere/env"));
    ck_assert_ptr_null(env.items);
    spec.env_file = NULL;
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("environment");
    TCase *t = tcase_create("environment");

    tcase_add_checked_fixture(t, NULL, folder_remove);
    tcase_add_test(t, what_was_meant_for_stint_stays_with_stint);
    tcase_add_test(t, a_worker_is_told_who_it_is);
    tcase_add_loop_test(t, who_can_is_told_whom_to_let_look, 0, 4);
    tcase_add_test(t, a_worker_with_libstint_is_told_its_pid);
    tcase_add_test(t, a_worker_with_libstint_is_told_how_long_requests_may_take);
    tcase_add_test(t, a_preloaded_worker_is_told_its_pid_and_loads_our_object_first);
    tcase_add_test(t, later_sources_win_and_no_name_comes_twice);
    tcase_add_test(t,
                   a_worker_gets_the_number_of_its_slot_in_what_the_service_says_and_nowhere_else);
    tcase_add_test(t, a_clean_environment_is_a_small_one);
    tcase_add_test(t, a_user_has_a_home_and_a_nameless_one_does_not_get_ours);
    tcase_add_test(t, an_env_file_is_read_as_it_is_written);
    tcase_add_loop_test(t, a_bad_env_file_is_refused_with_file_and_line, 0, 8);
    tcase_add_test(t, a_missing_env_file_is_an_error);
    suite_add_tcase(s, t);
    return unit_main(s);
}
