/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/spans.h"
#include "tests/unit/unit.h"

#define T "0af7651916cd43dd8448eb211c80319c"

static struct spans *s;

static void
up(void)
{
    s = spans_create();
    ck_assert_ptr_nonnull(s);
}

static void
down(void)
{
    spans_destroy(s);
}

static void
put(uint64_t n)
{
    for (; n > 0; n--)
        spans_put(s, &(struct span){.trace = T, .name = "check", .id = spans_last(s) + 1});
}

START_TEST(readers_have_cursors_and_hear_what_they_missed)
{
    uint64_t lost = 7;

    ck_assert_ptr_null(spans_next(s, 0, &lost));
    ck_assert_uint_eq(lost, 0);
    put(3);
    ck_assert_uint_eq(spans_next(s, 0, &lost)->id, 1);
    ck_assert_uint_eq(spans_next(s, 2, &lost)->seq, 3);
    ck_assert_ptr_null(spans_next(s, 3, &lost));
    put(SPANS_MAX);
    ck_assert_uint_eq(spans_last(s), SPANS_MAX + 3);
    ck_assert_uint_eq(spans_next(s, 0, &lost)->id, 4);
    ck_assert_uint_eq(lost, 3);
    ck_assert_uint_eq(spans_next(s, 3, &lost)->id, 4);
    ck_assert_uint_eq(lost, 0);
    ck_assert_ptr_null(spans_next(s, SPANS_MAX + 3, &lost));
    ck_assert_ptr_null(spans_next(s, UINT64_MAX, &lost));
    ck_assert_uint_eq(spans_dropped(s), 0); /* nobody takes any: nobody misses one */
}
END_TEST

START_TEST(what_is_not_taken_in_time_is_counted)
{
    spans_taken(s, 0);
    put(SPANS_MAX);
    ck_assert_uint_eq(spans_dropped(s), 0);
    put(2);
    ck_assert_uint_eq(spans_dropped(s), 2);
    spans_taken(s, spans_last(s));
    spans_taken(s, 1);          /* not back again */
    spans_taken(s, UINT64_MAX); /* nor ahead of what there is */
    put(SPANS_MAX);
    ck_assert_uint_eq(spans_dropped(s), 2);
    put(1);
    ck_assert_uint_eq(spans_dropped(s), 3);
}
END_TEST

static int woken;

static void
on_woken(struct spans_watch *w)
{
    (void)w;
    woken++;
}

START_TEST(one_that_has_begun_is_held_until_it_is_over)
{
    struct span span = {.name = "certify", .service = "web", .generation = 7, .id = 1};

    ck_assert_ptr_null(spans_held(s, "web", 7));
    spans_hold(s, &span);
    spans_hold(s, &span); /* by a master that makes the step again */
    ck_assert_ptr_null(spans_held(s, "web", 8));
    ck_assert_ptr_null(spans_held(s, "other", 7));
    ck_assert_uint_eq(spans_held(s, "web", 7)->id, 1);
    spans_release(s, "web", 7);
    ck_assert_ptr_null(spans_held(s, "web", 7)); /* once */
    for (span.generation = 1; span.generation <= SPANS_HELD + 1; span.generation++)
        spans_hold(s, &span);
    ck_assert_ptr_null(spans_held(s, "web", 1));
    ck_assert_ptr_nonnull(spans_held(s, "web", SPANS_HELD + 1));
    ck_assert_ptr_null(spans_next(s, 0, &(uint64_t){0})); /* none of them is over */
}
END_TEST

START_TEST(who_follows_is_woken)
{
    struct spans_watch w = {.woken = on_woken};

    list_init(&w.node);
    spans_watch_remove(&w);
    spans_watch_add(s, &w);
    put(2);
    ck_assert_int_eq(woken, 2);
    spans_watch_remove(&w);
    put(1);
    ck_assert_int_eq(woken, 2);
}
END_TEST

START_TEST(an_id_says_what_it_is_of_and_nothing_else)
{
    uint64_t id = span_id(T, 1, 2, 3, 4);

    ck_assert_uint_ne(id, 0);
    ck_assert_uint_eq(span_id(T, 1, 2, 3, 4), id);
    ck_assert_uint_ne(span_id("1af7651916cd43dd8448eb211c80319c", 1, 2, 3, 4), id);
    ck_assert_uint_ne(span_id(T, 2, 2, 3, 4), id);
    ck_assert_uint_ne(span_id(T, 1, 3, 3, 4), id);
    ck_assert_uint_ne(span_id(T, 1, 2, 4, 4), id);
    ck_assert_uint_ne(span_id(T, 1, 2, 3, 5), id);
}
END_TEST

START_TEST(a_span_as_json)
{
    auto_text struct text out = TEXT_INIT;
    const struct span span = {.seq = 3,
                              .trace = T,
                              .id = 0xab,
                              .parent = 0xcd,
                              .name = "drain",
                              .service = "web",
                              .generation = 7,
                              .has_slot = true,
                              .pid = 42,
                              .start_ns = 1000000000000000000,
                              .end_ns = 1000000000001500000,
                              .failed = true,
                              .text = "a \"b\""};

    span_json(&span, &out);
    ck_assert_str_eq(
        text_str(&out),
        "{\"seq\":3,\"ts\":\"2001-09-09T01:46:40.001Z\",\"level\":\"warning\",\"event\":\"span\","
        "\"service\":\"web\",\"gen\":7,\"slot\":0,\"pid\":42,\"trace\":\"" T "\","
        "\"span\":\"00000000000000ab\",\"parent\":\"00000000000000cd\",\"name\":\"drain\","
        "\"start_unix_ns\":1000000000000000000,\"end_unix_ns\":1000000000001500000,"
        "\"duration_us\":1500,\"status\":\"error\",\"msg\":\"a \\\"b\\\"\"}");
}
END_TEST

START_TEST(busy_workers_do_not_push_a_reload_out)
{
    const uint64_t n = UINT64_C(2) * SPANS_WORKER_MAX;
    uint64_t lost;
    const struct span *span;

    spans_put(s, &(struct span){.trace = T, .name = "check", .id = 1});
    for (uint64_t i = 0; i < n; i++)
        spans_put(s, &(struct span){.trace = T, .name = "request", .of_worker = true, .id = 2 + i});
    spans_put(s, &(struct span){.trace = T, .name = "drain", .id = 2 + n});
    span = spans_next(s, 0, &lost);
    ck_assert_str_eq(span->name, "check");
    ck_assert_uint_eq(lost, 0);
    span = spans_next(s, span->seq, &lost);
    ck_assert_str_eq(span->name, "request");
    ck_assert_uint_eq(lost, n - SPANS_WORKER_MAX);
    for (uint64_t i = 1; i < SPANS_WORKER_MAX; i++) {
        uint64_t before = span->seq;

        span = spans_next(s, span->seq, &lost);
        ck_assert_uint_eq(span->seq, before + 1);
        ck_assert_uint_eq(lost, 0);
    }
    ck_assert_str_eq(spans_next(s, span->seq, &lost)->name, "drain");
    spans_lost(s, 3);
    ck_assert_uint_eq(spans_dropped(s), 3); /* nobody else was to be sent any */
    spans_taken(s, n);
    ck_assert_uint_eq(spans_sent(s), n);
}
END_TEST

START_TEST(of_a_worker_there_is_more_to_say)
{
    auto_text struct text out = TEXT_INIT;
    const struct span span = {.trace = T,
                              .id = 1,
                              .name = "GET /",
                              .of_worker = true,
                              .kind = SPAN_SERVER,
                              .of = "task",
                              .tid = 43,
                              .thread = "pool-1",
                              .creator = "main",
                              .scope = "http",
                              .cause = "deadline",
                              .deadline_ns = 5,
                              .attributes = "http.method\0GET\0db.rows\0\0\0"};

    span_json(&span, &out);
    ck_assert_ptr_nonnull(
        strstr(text_str(&out),
               "\"status\":\"ok\",\"kind\":\"server\",\"of\":\"task\",\"tid\":43,\"thread\":"
               "\"pool-1\",\"creator\":\"main\","
               "\"scope\":\"http\",\"cause\":\"deadline\",\"deadline_unix_ns\":5,"
               "\"attributes\":{\"http.method\":\"GET\",\"db.rows\":\"\"}}"));
}
END_TEST

START_TEST(attributes_without_an_end_are_none)
{
    struct span span = {.id = 1};
    const char *key, *value;
    size_t at = 0;

    ck_assert(!span_attribute(&span, &at, &key, &value));
    memset(span.attributes, 'x', sizeof(span.attributes));
    ck_assert(!span_attribute(&span, &at, &key, &value));
    span.attributes[3] = '\0'; /* a key, and a value that does not end */
    ck_assert(!span_attribute(&span, &at, &key, &value));
    span.attributes[sizeof(span.attributes) - 1] = '\0';
    ck_assert(span_attribute(&span, &at, &key, &value));
    ck_assert_str_eq(key, "xxx");
    ck_assert_uint_eq(strlen(value), sizeof(span.attributes) - 5);
    ck_assert(!span_attribute(&span, &at, &key, &value));
    at = SIZE_MAX;
    ck_assert(!span_attribute(&span, &at, &key, &value));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("spans");
    TCase *t = tcase_create("spans");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, up, down);
    tcase_add_test(t, readers_have_cursors_and_hear_what_they_missed);
    tcase_add_test(t, what_is_not_taken_in_time_is_counted);
    tcase_add_test(t, one_that_has_begun_is_held_until_it_is_over);
    tcase_add_test(t, who_follows_is_woken);
    tcase_add_test(t, an_id_says_what_it_is_of_and_nothing_else);
    tcase_add_test(t, a_span_as_json);
    tcase_add_test(t, busy_workers_do_not_push_a_reload_out);
    tcase_add_test(t, of_a_worker_there_is_more_to_say);
    tcase_add_test(t, attributes_without_an_end_are_none);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
