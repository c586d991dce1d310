/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/io/control_world.h"
#include "tests/unit/unit.h"

START_TEST(a_request_is_answered_with_json)
{
    struct client c;
    json_t *json;

    client_open(&c, dir);
    client_request(&c, "GET", "/now?q=a%20b", NULL);
    UNTIL(loop, client_ended(&c));

    ck_assert_int_eq(client_status(&c), 200);
    json = client_json(&c);
    ck_assert_str_eq(json_at(json, "method"), "GET");
    ck_assert_str_eq(json_at(json, "q"), "a b");
    ck_assert(json_is_true(json_object_get(json, "may_change"))); /* we are the master's own user */
    json_decref(json);
    client_close(&c);
}
END_TEST

START_TEST(curl_understands_it)
{
    char command[256], answer[256] = "";
    int status = -1;
    FILE *p;

    (void)snprintf(command, sizeof(command),
                   "exec curl -s --max-time 15 --unix-socket %s/control.sock "
                   "-d '{\"a\":[1,2]}' http://stint/echo",
                   dir);
    p = popen(command, "re"); /* NOLINT(cert-env33-c) */
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(fcntl(fileno(p), F_SETFL, O_NONBLOCK), 0);
    UNTIL(loop, fgets(answer, sizeof(answer), p) != NULL);
    status = pclose(p);

    ck_assert_str_eq(answer, "{\"a\":[1,2]}\n");
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(an_answer_may_come_later)
{
    struct client c;

    client_open(&c, dir);
    client_request(&c, "POST", "/later", "{}");
    UNTIL(loop, n_kept == 1);
    ck_assert(!client_has(&c, "HTTP"));

    control_answer(kept[0], 409, json_pack("{s:s}", "verdict", "rejected"));
    UNTIL(loop, client_ended(&c));

    ck_assert_int_eq(client_status(&c), 409);
    ck_assert(client_has(&c, "rejected"));
    ck_assert_uint_eq(n_gone, 0);
    client_close(&c);
}
END_TEST

START_TEST(a_client_that_leaves_is_forgotten)
{
    struct client c;

    client_open(&c, dir);
    client_request(&c, "POST", "/later", "{}");
    UNTIL(loop, n_kept == 1);

    client_close(&c);
    UNTIL(loop, n_gone == 1);
}
END_TEST

START_TEST(a_half_closed_client_still_gets_its_answer)
{
    struct client c;

    client_open(&c, dir);
    client_request(&c, "POST", "/later", "{}");
    UNTIL(loop, n_kept == 1);
    ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
    turn(loop);
    turn(loop);
    ck_assert_uint_eq(n_gone, 0);

    control_answer(kept[0], 200, json_pack("{s:b}", "ok", 1));
    UNTIL(loop, client_has(&c, "\"ok\":true"));
    client_close(&c);
}
END_TEST

START_TEST(two_requests_share_a_connection)
{
    static const char twice[] = "GET /now?q=one HTTP/1.1\r\nHost: s\r\n\r\n"
                                "GET /now?q=two HTTP/1.1\r\nHost: s\r\n\r\n";
    struct client c;

    client_open(&c, dir);
    client_say(&c, twice);
    UNTIL(loop, client_has(&c, "\"one\"") && client_has(&c, "\"two\""));
    client_close(&c);
}
END_TEST

START_TEST(a_stream_gives_its_lines_when_they_come)
{
    struct client c;

    client_open(&c, dir);
    client_request(&c, "GET", "/stream", NULL);
    UNTIL(loop, client_has(&c, "{\"line\":1}"));
    ck_assert(!client_has(&c, "{\"line\":2}"));

    stream_more = true;
    control_stream_wake(kept[0]);
    UNTIL(loop, client_has(&c, "{\"line\":2}"));
    client_close(&c);
    UNTIL(loop, n_finished == 1);
    ck_assert_uint_eq(n_gone, 0);
}
END_TEST

START_TEST(an_idle_stream_costs_no_turns)
{
    struct client c;
    unsigned turns;

    client_open(&c, dir);
    client_request(&c, "GET", "/stream", NULL);
    UNTIL(loop, client_has(&c, "{\"line\":1}"));
    turns = ev_iteration(loop);
    for (int64_t end_us = mono_now_us() + 200 * US_PER_MS; mono_now_us() < end_us;)
        turn(loop);
    ck_assert_uint_lt(ev_iteration(loop) - turns, 40); /* 10 are the test's own ticks */
    client_close(&c);
    UNTIL(loop, n_finished == 1);
}
END_TEST

START_TEST(a_second_master_is_told_who_is_here)
{
    struct control_options o = options();
    struct control *second = NULL;
    struct error e = {0};
    char pid[32];

    ck_assert_int_eq(control_create(&o, &second, &e), -EADDRINUSE);
    ck_assert_ptr_null(second);
    (void)snprintf(pid, sizeof(pid), "already runs here with pid %d", (int)getpid());
    ck_assert_msg(strstr(e.text, pid) != NULL, "%s", e.text);
}
END_TEST

START_TEST(a_stale_socket_is_no_obstacle)
{
    char path[96];
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct control_options o;
    struct error e = {0};
    struct stat st;
    int fd;

    control_destroy(control);
    control = NULL;
    (void)snprintf(path, sizeof(path), "%s/control.sock", dir);
    (void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0); /* as after a kill -9 */
    close(fd);

    o = options();
    ck_assert_msg(control_create(&o, &control, &e) == 0, "%s", e.text);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0660);
}
END_TEST

START_TEST(who_may_not_write_the_lock_cannot_hold_it_either)
{
    char path[96];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/control.lock", dir);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777,
                     0600); /* a shared flock(2) asks for no more than reading */
}
END_TEST

START_TEST(a_runtime_dir_that_others_may_write_is_refused)
{
    struct control_options o = options();
    struct control *second = NULL;
    struct error e = {0};
    char open_dir[96];

    (void)snprintf(open_dir, sizeof(open_dir), "%s/open", dir);
    ck_assert_int_eq(mkdir(open_dir, 0755), 0);
    ck_assert_int_eq(chmod(open_dir, 01777), 0);
    o.runtime_dir = open_dir;
    ck_assert_int_eq(control_create(&o, &second, &e), -EPERM);
    ck_assert_ptr_nonnull(strstr(e.text, "others may write"));
    if (geteuid() == 0) {
        ck_assert_int_eq(chmod(open_dir, 0755), 0);
        ck_assert_int_eq(chown(open_dir, 1, 1), 0);
        ck_assert_int_eq(control_create(&o, &second, &e), -EPERM);
        ck_assert_ptr_nonnull(strstr(e.text, "belongs to uid 1"));
    }
    ck_assert_int_eq(rmdir(open_dir), 0); /* nothing was made in it */
}
END_TEST

START_TEST(a_runtime_dir_too_long_for_a_socket_is_said_in_words)
{
    char longer[160];
    struct control_options o = options();
    struct control *c = NULL;
    struct error e = {0};

    (void)snprintf(longer, sizeof(longer), "%s/%0100d", dir, 0);
    o.runtime_dir = longer;
    ck_assert_int_eq(control_create(&o, &c, &e), -ENAMETOOLONG);
    ck_assert_ptr_nonnull(strstr(e.text, "runtime_dir"));
    char lock[200];
    (void)snprintf(lock, sizeof(lock), "%s/control.lock", longer);
    unlink(lock);
    rmdir(longer);
}
END_TEST

START_TEST(destroy_ends_what_waits)
{
    struct client c;

    client_open(&c, dir);
    client_request(&c, "POST", "/later", "{}");
    UNTIL(loop, n_kept == 1);
    tear_down();
    ck_assert_uint_eq(n_gone, 1);
    UNTIL(ev_default_loop(0), client_ended(&c));
    client_close(&c);
    set_up();
}
END_TEST

START_TEST(answers_given_at_the_end_still_leave)
{
    struct client c;

    client_open(&c, dir);
    client_request(&c, "POST", "/later", "{}");
    UNTIL(loop, n_kept == 1);
    control_answer(kept[0], 200, json_pack("{s:s}", "outcome", "stopped"));
    control_flush(control, US_PER_S);
    ck_assert(client_has(&c, "stopped"));
    client_close(&c);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("control");
    TCase *tc = tcase_create("socket");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_request_is_answered_with_json);
    tcase_add_test(tc, curl_understands_it);
    tcase_add_test(tc, an_answer_may_come_later);
    tcase_add_test(tc, a_client_that_leaves_is_forgotten);
    tcase_add_test(tc, a_half_closed_client_still_gets_its_answer);
    tcase_add_test(tc, two_requests_share_a_connection);
    tcase_add_test(tc, a_stream_gives_its_lines_when_they_come);
    tcase_add_test(tc, an_idle_stream_costs_no_turns);
    tcase_add_test(tc, a_second_master_is_told_who_is_here);
    tcase_add_test(tc, a_stale_socket_is_no_obstacle);
    tcase_add_test(tc, who_may_not_write_the_lock_cannot_hold_it_either);
    tcase_add_test(tc, a_runtime_dir_that_others_may_write_is_refused);
    tcase_add_test(tc, a_runtime_dir_too_long_for_a_socket_is_said_in_words);
    tcase_add_test(tc, destroy_ends_what_waits);
    tcase_add_test(tc, answers_given_at_the_end_still_leave);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
