/* SPDX-License-Identifier: GPL-2.0-or-later */

/* How generations ended, and how that is known: one story for each thing that a certificate says. */
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "harness.h"

/* The certificate of generation 1 of `web`; NULL: it has none. */
static json_t *
certificate(json_t **ret_answer)
{
    auto_free char *out = NULL;
    json_t *list, *c;
    size_t i;

    ck_assert_int_eq(scn_cli(&out, "leaks", "web", "--certificates", "--json", NULL), 0);
    *ret_answer = json_loads(out, 0, NULL);
    ck_assert_msg(*ret_answer != NULL, "%s", out);
    list = json_object_get(json_array_get(json_object_get(*ret_answer, "services"), 0),
                           "certificates");
    json_array_foreach(list, i,
                       c) if (json_integer_value(json_object_get(c, "generation")) == 1) return c;
    ck_abort_msg("generation 1 has no certificate: %s", out);
}

static void
expect(const json_t *c, const char *field, bool good, const char *how, const char *known)
{
    const char *is = json_string_value(json_object_get(json_object_get(c, "how"), how));

    ck_assert_msg(json_is_true(json_object_get(c, field)) == good, "%s is not %d", field, good);
    ck_assert_msg(is && strcmp(is, known) == 0, "%s is %s, not %s", how, is ? is : "missing",
                  known);
}

static void
leaker(void)
{
    scn_copy("leaker", getenv("LEAKER_BINARY"), "");
    scn_file("web.conf", "2\n");
    scn_config("  web:\n    command: [./leaker, web.conf]\n    directory: %s\n    libstint: true\n"
               "    drain_timeout: 3s\n    leak_grace: 100ms\n    leak_look: 0\n",
               scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
}

static void
tidy(void)
{
    scn_copy("web", getenv("WEB_BINARY"), "");
    scn_file("web.conf", "greeting = hello\nthreads = 2\nleak = no\ndrain_quiet_ms = 50\n");
    scn_config("  web:\n    command: [./web, --config, web.conf]\n    directory: %s\n"
               "    listen: {http: \"tcp://127.0.0.1:%d\"}\n    libstint: true\n",
               scn_dir(), scn_port());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
}

START_TEST(who_left_nothing_behind_has_all_of_it_seen)
{
    auto_free char *out = NULL;
    json_t *answer, *c;

    tidy();
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    c = certificate(&answer);
    expect(c, "pids_gone", true, "pids", "seen");
    expect(c, "cgroup_empty", false, "cgroup", "none");
    expect(c, "fds_returned", true, "fds", "seen");
    expect(c, "threads_joined", true, "threads", "seen");
    ck_assert_ptr_null(json_object_get(c, "text")); /* nothing is missing */
    json_decref(answer);
    ck_assert_int_eq(scn_cli(&out, "leaks", "web", "--certificates", NULL), 0);
    ck_assert_msg(strstr(out, "generation 1 clean") && strstr(out, "descriptors returned (seen)") &&
                      strstr(out, "threads joined (seen)"),
                  "%s", out);
    scn_did_not_block();
}
END_TEST

/* Its process ends well; only the registry that it leaves tells of those who did not. */
START_TEST(threads_that_were_there_when_the_process_ended_are_named_by_its_registry)
{
    json_t *answer, *c;
    pid_t pid;

    leaker();
    pid = (pid_t)scn_field(scn_await_any("event=worker_spawn service=web", 5000), "pid");
    ck_assert_int_eq(kill(pid, SIGHUP), 0); /* two of the old configuration stay */
    (void)scn_await("event=thread_leak service=web gen=1 stragglers=2", 10000);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    (void)scn_await("event=worker_ready service=web gen=1", 10000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=certificate service=web gen=1 ~not+joined: ~flush", 10000);
    c = certificate(&answer);
    expect(c, "pids_gone", true, "pids", "seen");
    expect(c, "fds_returned", true, "fds", "seen");
    expect(c, "threads_joined", false, "threads", "seen");
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(c, "text")), "threads were not joined"));
    json_decref(answer);
}
END_TEST

/* No environment, no session, no pipe of its worker: nothing says whose it is, but it has the listener. */
static void
somebody_holds_the_listener(bool another_master)
{
    json_t *answer, *c;
    const char *line;
    pid_t runaway;

    scn_config(
        "  web:\n"
        "    command: [/bin/sh, -c, \"[ -e once ] || { >once; (exec env -i setsid /bin/sh -c "
        "'exec >/dev/null 2>&1; trap \\\"\\\" TERM; sleep 1000 & >up; wait' &); while ! [ -e up ]; "
        "do "
        ":; done; }; exec ./actor ready\"]\n"
        "    directory: %s\n    listen: {main: \"unix:%s/web.sock\"}\n",
        scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    if (another_master)
        (void)scn_kill_master();
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    line = scn_await_any("event=orphan ~belongs+to+no+worker", 5000);
    runaway = (pid_t)strtol(strstr(line, "process ") + 8, NULL, 10);
    ck_assert(scn_alive(runaway));
    line = scn_await_any("event=certificate service=web gen=1 ~left: ~listener+main", 5000);
    ck_assert_msg(strstr(line, "every process is gone") == NULL, "%s", line);
    c = certificate(&answer);
    expect(c, "pids_gone", false, "pids", "seen");
    expect(c, "fds_returned", false, "fds", "seen");
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(c, "text")), "somebody holds what it was given"));
    json_decref(answer);
    ck_assert_int_eq(kill(runaway, SIGKILL), 0);
}

START_TEST(a_listener_that_somebody_holds_is_not_returned_and_he_is_named)
{
    somebody_holds_the_listener(false);
    scn_did_not_block();
}
END_TEST

/* Then he is the keeper's child. */
START_TEST(so_is_one_that_outlived_a_master)
{
    somebody_holds_the_listener(true);
}
END_TEST

START_TEST(a_master_that_dies_leaves_the_question_to_the_next_one)
{
    json_t *answer, *c;

    tidy();
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=serving", NULL), 0);
    (void)scn_kill_master();
    (void)scn_await_any("event=certificate service=web gen=1", 10000);
    c = certificate(&answer);
    expect(c, "pids_gone", true, "pids", "seen");
    expect(c, "threads_joined", true, "threads", "seen");
    json_decref(answer);
    ck_assert_uint_eq(scn_count("event=certificate service=web gen=1"),
                      1 + scn_count("event=certificate service=web gen=1 repeated=1"));
}
END_TEST

scn_main("certificates", who_left_nothing_behind_has_all_of_it_seen,
         threads_that_were_there_when_the_process_ended_are_named_by_its_registry,
         a_listener_that_somebody_holds_is_not_returned_and_he_is_named,
         so_is_one_that_outlived_a_master, a_master_that_dies_leaves_the_question_to_the_next_one)
