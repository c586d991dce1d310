/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Processes that a worker leaves behind: found, named before they are ended, and in the book afterwards. */
#include <jansson.h>
#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "harness.h"

static json_t *
book_of_web(void)
{
    auto_free char *out = NULL;
    json_t *answer;

    ck_assert_int_eq(scn_cli(&out, "leaks", "web", "--json", NULL), 0);
    answer = json_loads(out, 0, NULL);
    ck_assert_msg(answer != NULL, "%s", out);
    return answer;
}

/* The entry of process @pid; it has to be there. */
static json_t *
retained(json_t *answer, pid_t pid)
{
    json_t *service = json_array_get(json_object_get(answer, "services"), 0), *r;
    size_t i;

    json_array_foreach(json_object_get(service, "retained"), i,
                       r) if (json_integer_value(json_object_get(r, "pid")) == pid) return r;
    ck_abort_msg("process %d is not in the book", (int)pid);
}

static const char *
text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

/* No environment, a session of its own: only what it holds tells whose it was. It is deaf, its child too. */
START_TEST(who_has_no_environment_and_left_the_session_is_known_by_the_pipe_it_holds)
{
    const char *line;
    json_t *answer, *r;
    char want[64];
    pid_t worker, runaway, child;
    unsigned fds;

    scn_config("  web:\n"
               "    command: [/bin/sh, -c, \"(exec env -i setsid /bin/sh -c 'trap \\\"\\\" TERM; "
               "sleep 1000 & "
               "wait' &); exec sleep 1001\"]\n"
               "    ready: {assume_after: 300ms}\n    leak_grace: 300ms\n");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    fds = scn_baseline();
    worker = (pid_t)scn_field(scn_await_any("event=worker_spawn service=web gen=1", 5000), "pid");
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)snprintf(want, sizeof(want), "stdout+of+worker+%d", (int)worker);
    line = scn_await_any("event=escapee service=web gen=1 ~by+what+it+holds+of+its+worker", 5000);
    runaway = (pid_t)scn_field(line, "pid");
    ck_assert_msg(strstr(line, "stdout of worker") != NULL, "%s", line);
    ck_assert_msg(strstr(line, "its parent is gone") != NULL, "%s", line);
    (void)scn_await_any("event=worker_kill service=web gen=1", 10000);
    /* Its child was below it, and is found when it is dead. */
    line = scn_await("event=escapee service=web gen=1 ~`sleep+1000`", 10000);
    child = (pid_t)scn_field(line, "pid");
    (void)scn_await_any("event=certificate service=web gen=1", 10000);
    ck_assert(!scn_alive(runaway) && !scn_alive(child));
    ck_assert_uint_eq(scn_count("event=orphan"),
                      0); /* the runaway of generation 2 has its worker */
    answer = book_of_web();
    r = retained(answer, runaway);
    ck_assert_str_eq(text_of(r, "verdict"), "process-retained");
    ck_assert_str_eq(text_of(r, "state"), "killed");
    ck_assert_int_eq(json_integer_value(json_object_get(r, "generation")), 1);
    ck_assert_msg(strstr(text_of(r, "text"), "holds stdout of worker") != NULL, "%s",
                  text_of(r, "text"));
    ck_assert_str_eq(text_of(retained(answer, child), "comm"), "sleep");
    json_decref(answer);
    scn_did_not_block();
    scn_after(fds);
}
END_TEST

START_TEST(the_children_of_a_worker_that_does_not_leave_are_named_with_it)
{
    auto_free char *out = NULL;
    const char *line;
    json_t *answer, *r;
    unsigned fds;
    pid_t worker;

    scn_config(
        "  web:\n"
        "    command: [/bin/sh, -c, \"trap '' TERM; sleep 1000 & wait; wait\"]\n"
        "    ready: {assume_after: 300ms}\n    drain_timeout: 300ms\n    leak_grace: 300ms\n");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    fds = scn_baseline();
    worker = (pid_t)scn_field(scn_await_any("event=worker_spawn service=web gen=1", 5000), "pid");
    ck_assert_int_eq(scn_cli(&out, "threads", "web", NULL), 0);
    ck_assert_msg(strstr(out, "`sleep 1000`") && strstr(out, "stdout of worker"), "%s", out);
    ck_assert_msg(strstr(out, "still held") == NULL, "a worker that serves holds its own: %s", out);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    line = scn_await("event=worker_leak service=web gen=1", 10000);
    ck_assert_msg(strstr(line, "process-retained: 1 process of it is left: ") != NULL, "%s", line);
    ck_assert_msg(strstr(line, "`sleep 1000`") != NULL && strstr(line, "child of") != NULL, "%s",
                  line);
    (void)scn_await_any("event=certificate service=web gen=1 leaks=1", 10000);
    answer = book_of_web();
    r = json_array_get(
        json_object_get(json_array_get(json_object_get(answer, "services"), 0), "retained"), 0);
    ck_assert_str_eq(text_of(r, "comm"), "sleep");
    ck_assert_str_eq(text_of(r, "state"), "killed");
    json_decref(answer);
    ck_assert(!scn_alive(worker));
    scn_did_not_block();
    scn_after(fds);
}
END_TEST

/* Whoever it was that killed it: it did not leave by itself. */
START_TEST(who_is_killed_by_somebody_else_did_not_recover)
{
    json_t *answer;
    pid_t runaway;

    scn_config("  web:\n"
               "    command: [/bin/sh, -c, \"trap '' TERM; setsid sleep 1000 & trap - TERM; "
               "exec sleep 1001\"]\n"
               "    ready: {assume_after: 300ms}\n    leak_grace: 60s\n");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    runaway = (pid_t)scn_field(scn_await_any("event=escapee service=web gen=1", 10000), "pid");
    ck_assert_int_eq(kill(runaway, SIGKILL), 0);
    (void)scn_await_any("event=certificate service=web gen=1", 10000);
    answer = book_of_web();
    ck_assert_str_eq(text_of(retained(answer, runaway), "state"), "killed");
    json_decref(answer);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

scn_main("retained", who_has_no_environment_and_left_the_session_is_known_by_the_pipe_it_holds,
         the_children_of_a_worker_that_does_not_leave_are_named_with_it,
         who_is_killed_by_somebody_else_did_not_recover)
