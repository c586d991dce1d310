/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The verbs against a real master, and clients of its socket that are no verbs at all. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "harness.h"

static unsigned
web(void)
{
    scn_config("  web:\n    command: [./actor, \"say=I am the actor\", ready]\n    directory: %s\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n    drain_timeout: 2s\n",
               scn_dir(), scn_dir());
    scn_start();
    (void)scn_await_any("event=output service=web ~I+am+the+actor",
                        10000); /* lines are counted from here on */
    (void)scn_await_any("event=verdict service=web outcome=serving gen=1", 10000);
    return scn_baseline();
}

START_TEST(each_answer_has_its_exit_status)
{
    auto_free char *out = NULL;
    unsigned fds = web();

    ck_assert_int_eq(scn_cli(NULL, "reload", "wbe", NULL), 67);
    ck_assert_int_eq(scn_cli(NULL, "stop", "wbe", NULL), 67);
    ck_assert_int_eq(scn_cli(NULL, "status", "wbe", NULL), 67);
    ck_assert_int_eq(scn_cli(NULL, "wait", "web", NULL), 0);
    ck_assert_int_eq(
        scn_cli(NULL, "wait", "web", "--for", "generation=9", "--timeout", "200ms", NULL), 75);
    ck_assert_int_eq(scn_cli(NULL, "wait", "web", "--for", "nonsense", NULL), 64);
    ck_assert_int_eq(scn_cli(NULL, "reload", "--no-such-option", NULL), 64);
    ck_assert_int_eq(scn_cli(&out, "logs", "web", NULL), 0);
    ck_assert_msg(strstr(out, "I am the actor") != NULL, "%s", out);
    scn_after(fds);
    ck_assert_int_eq(scn_cli(NULL, "status", NULL), 69);
}
END_TEST

START_TEST(status_and_events_are_json_for_programs)
{
    auto_free char *status = NULL, *events = NULL, *later = NULL;
    unsigned fds = web();
    json_t *json, *first;
    char since[32];

    ck_assert_int_eq(scn_cli(&status, "status", "--json", NULL), 0);
    json = json_loads(status, 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(json, "schema")), "stint.status/1");
    ck_assert_uint_eq(json_array_size(json_object_get(json, "services")), 1);
    json_decref(json);
    ck_assert_int_eq(scn_cli(&events, "events", "--json", NULL), 0);
    *strchr(events, '\n') = '\0';
    first = json_loads(events, 0, NULL);
    ck_assert_int_eq(json_integer_value(json_object_get(first, "seq")), 1);
    json_decref(first);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)snprintf(since, sizeof(since), "%d", 5);
    ck_assert_int_eq(scn_cli(&later, "events", "--json", "--since", since, NULL), 0);
    *strchr(later, '\n') = '\0';
    first = json_loads(later, 0, NULL);
    ck_assert_int_eq(json_integer_value(json_object_get(first, "seq")), 6);
    json_decref(first);
    scn_after(fds);
}
END_TEST

START_TEST(garbage_half_requests_and_idle_clients_stop_nobody_else)
{
    static char garbage[8192];
    int idle[80], n = 0, half, noise;
    char byte;
    unsigned fds = web();

    for (size_t i = 0; i < sizeof(garbage); i++)
        garbage[i] = (char)(i * 37 + 128);
    noise = scn_connect("run/control.sock");
    (void)send(noise, garbage, sizeof(garbage), MSG_NOSIGNAL);
    half = scn_connect("run/control.sock");
    (void)send(half, "POST /v1/stop HTTP/1.1\r\nContent-Le", 34, MSG_NOSIGNAL);
    ck_assert_int_eq(scn_cli(NULL, "status", NULL), 0);
    (void)shutdown(half, SHUT_WR);
    for (int i = 0; i < 62; i++)
        idle[n++] = scn_connect("run/control.sock");
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    for (int i = 0; i < 18; i++) /* more than may be: refused, with words */
        idle[n++] = scn_connect("run/control.sock");
    ck_assert_int_eq(recv(idle[n - 1], &byte, 1, 0), 1);
    ck_assert_int_eq(byte, 'H');
    while (n > 0)
        fd_close(idle[--n]);
    while (scn_cli(NULL, "status", NULL) != 0)
        ; /* it has not yet heard that they are gone */
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    fd_close(noise);
    fd_close(half);
    ck_assert_uint_eq(scn_count("event=audit verb=stop*"), 0);
    scn_after(fds);
}
END_TEST

START_TEST(a_client_that_hangs_up_while_it_waits_costs_nothing)
{
    unsigned fds = web();

    for (int i = 0; i < 40; i++) {
        static const char wait[] = "GET /v1/wait?service=web&for=generation:99 HTTP/1.1\r\n"
                                   "Host: stint\r\n\r\n";
        int fd = scn_connect("run/control.sock");

        ck_assert_int_eq(send(fd, wait, sizeof(wait) - 1, MSG_NOSIGNAL), (int)sizeof(wait) - 1);
        fd_close(fd);
    }
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    scn_after(fds);
}
END_TEST

START_TEST(a_second_supervisor_in_the_same_place_is_refused_and_the_first_does_not_notice)
{
    auto_free char *out = NULL;
    struct scn_answer before, after;
    unsigned fds = web();

    ck_assert_int_eq(scn_ask("web.sock", &before), 0);
    ck_assert_int_eq(scn_cli(&out, "run", "-c", scn_path("stint.yaml"), NULL), 71);
    ck_assert_msg(strstr(out, "already runs here with pid") != NULL, "%s", out);
    ck_assert_int_eq(scn_ask("web.sock", &after), 0);
    ck_assert_int_eq(before.pid, after.pid);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    scn_after(fds);
}
END_TEST

START_TEST(a_refused_reload_shows_every_finding_in_full)
{
    auto_free char *out = NULL, *checked = NULL;
    unsigned fds = web();

    scn_config(
        "  web:\n    comand: [./actor, ready]\n    wrokers: 1\n    listne: {}\n    raedy: notify\n"
        "    drain_timeuot: 1s\n    handof: overlap\n    enviroment: {}\n    umaks: 0022\n");
    ck_assert_int_eq(scn_cli(&checked, "check", "-c", scn_path("stint.yaml"), NULL), 78);
    ck_assert_msg(strstr(checked, "did you mean 'umask'?") != NULL, "%s", checked);
    ck_assert_int_eq(scn_cli(&out, "reload", NULL), 1);
    ck_assert_msg(strstr(out, checked) != NULL, "%s", out); /* word for word */
    scn_after(fds);
}
END_TEST

START_TEST(a_directory_that_cannot_be_made_is_named_with_its_key)
{
    auto_free char *out = NULL;

    scn_file("plain", "no directory\n");
    scn_file("other.yaml", "version: 1\nruntime_dir: plain/run\nstate_dir: plain/state\n");
    ck_assert_int_eq(scn_cli(&out, "run", "-c", scn_path("other.yaml"), NULL), 71);
    ck_assert_msg(strstr(out, "stint: runtime_dir: make directory '") != NULL, "%s", out);
    ck_assert_msg(strstr(out, "event=no_state_dir msg=\"state_dir: make directory '") != NULL, "%s",
                  out);
}
END_TEST

scn_main("cli", each_answer_has_its_exit_status, status_and_events_are_json_for_programs,
         garbage_half_requests_and_idle_clients_stop_nobody_else,
         a_client_that_hangs_up_while_it_waits_costs_nothing,
         a_second_supervisor_in_the_same_place_is_refused_and_the_first_does_not_notice,
         a_refused_reload_shows_every_finding_in_full,
         a_directory_that_cannot_be_made_is_named_with_its_key)
