/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/io/control_world.h"
#include "tests/unit/unit.h"

START_TEST(bytes_that_are_not_http_hurt_nobody)
{
    struct client bad, good;
    unsigned char noise[4096];

    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (unsigned char)(i * 2654435761U >> 11);
    client_open(&bad, dir);
    client_send(&bad, (char *)noise, sizeof(noise));
    client_say(&bad, "\r\n\r\n");
    client_open(&good, dir);
    client_request(&good, "GET", "/now", NULL);
    UNTIL(loop, client_ended(&good));
    ck_assert_int_eq(client_status(&good), 200);
    UNTIL(loop, client_ended(&bad));
    ck_assert_int_ne(client_status(&bad), 200);
    client_close(&bad);
    client_close(&good);
}
END_TEST

START_TEST(a_broken_body_is_said_with_its_place)
{
    struct client c;
    json_t *json;

    client_open(&c, dir);
    client_request(&c, "POST", "/echo", "{\"a\": }");
    UNTIL(loop, client_ended(&c));

    ck_assert_int_eq(client_status(&c), 400);
    json = client_json(&c);
    ck_assert_str_eq(json_at(json_object_get(json, "error"), "code"), "bad-json");
    ck_assert_ptr_nonnull(strstr(json_at(json_object_get(json, "error"), "message"), "line 1"));
    json_decref(json);
    ck_assert_uint_eq(n_requests, 0);
    client_close(&c);
}
END_TEST

START_TEST(a_body_that_is_too_large_is_refused_before_it_is_read)
{
    struct client c;

    client_open(&c, dir);
    client_say(&c, "POST /echo HTTP/1.1\r\nHost: s\r\nContent-Length: 10000000000\r\n\r\n{");
    UNTIL(loop, client_has(&c, "too-large"));
    ck_assert_int_eq(client_status(&c), 413);
    ck_assert_uint_eq(n_requests, 0);
    client_close(&c);
}
END_TEST

START_TEST(an_endless_chunked_body_is_cut_off)
{
    struct client c;
    char chunk[4096 + 16];
    int n = snprintf(chunk, sizeof(chunk), "1000\r\n%4096s\r\n", "");

    client_open(&c, dir);
    client_say(&c, "POST /echo HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n");
    UNTIL(loop, (send(c.fd, chunk, (size_t)n, MSG_NOSIGNAL), client_ended(&c)));
    ck_assert_uint_eq(n_requests, 0);
    client_close(&c);
}
END_TEST

/* dribble - a byte each 10 ms: never silent, and far from a head that is too large. */
static void
dribble(struct client *c, int64_t *next_us)
{
    if (mono_now_us() < *next_us)
        return;
    *next_us = mono_now_us() + 10 * US_PER_MS;
    (void)send(c->fd, "X", 1, MSG_NOSIGNAL); /* it may have been cut off by now */
}

START_TEST(a_client_that_dribbles_is_cut_off_in_time)
{
    struct client c;
    struct control_counters n;
    int64_t began_us = mono_now_us(), next_us = began_us;

    tear_down();
    set_up_with(US_PER_S);
    client_open(&c, dir);
    client_say(&c, "GET /now HTTP/1.1\r\n");
    UNTIL(loop, (dribble(&c, &next_us), client_ended(&c)));

    control_counters(control, &n);
    ck_assert_uint_eq(n.timed_out, 1);
    ck_assert_uint_eq(n_requests, 0);
    ck_assert_int_ge(mono_now_us() - began_us, US_PER_S);
    client_close(&c);
}
END_TEST

START_TEST(the_hundredth_connection_is_told_to_come_back)
{
    struct client c[100];
    unsigned refused = 0;
    struct control_counters n;

    for (int i = 0; i < 100; i++)
        client_open(&c[i], dir);
    UNTIL(loop, (control_counters(control, &n), n.accepted + n.refused == 100));
    for (int i = 0; i < 100; i++)
        if (client_has(&c[i], "503 Service Unavailable"))
            refused++;
    ck_assert_uint_eq(n.accepted, CONTROL_CONNECTIONS_MAX + 8); /* we are privileged */
    ck_assert_uint_eq(refused, 100 - n.accepted);

    for (int i = 0; i < 100; i++)
        client_close(&c[i]);
    UNTIL(loop, (control_counters(control, &n), n.connections == 0));
    client_open(&c[0], dir);
    client_request(&c[0], "GET", "/now", NULL);
    UNTIL(loop, client_ended(&c[0]));
    ck_assert_int_eq(client_status(&c[0]), 200);
    client_close(&c[0]);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("control_limits");
    TCase *tc = tcase_create("hostile clients");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, bytes_that_are_not_http_hurt_nobody);
    tcase_add_test(tc, a_broken_body_is_said_with_its_place);
    tcase_add_test(tc, a_body_that_is_too_large_is_refused_before_it_is_read);
    tcase_add_test(tc, an_endless_chunked_body_is_cut_off);
    tcase_add_test(tc, a_client_that_dribbles_is_cut_off_in_time);
    tcase_add_test(tc, the_hundredth_connection_is_told_to_come_back);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
