/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/report.h"

#include "tests/unit/probe/judge_world.h"

static const char *
text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

static int64_t
number_of(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static struct thread_facts *
a_leak(void)
{
    struct thread_facts *t;

    w_begin();
    w_asked(31 * US_PER_S);
    w_main(WAIT_SIGNAL, true);
    t = cancelled(w_thread("flush-2"), 31 * US_PER_S);
    waits_fd(t, WAIT_READ, 9, "pipe:[123]");
    t->claim.generation = 3;
    t->frames[0].line = 12;
    (void)snprintf(t->frames[0].file, sizeof(t->frames[0].file), "/src/worker.c");
    (void)registered(w_thread("idle"));
    return t;
}

START_TEST(the_report_says_what_the_line_says_and_more)
{
    const json_t *g, *first;
    json_t *r;

    (void)a_leak();
    w_judge();
    r = probe_report(&w, &js, false);
    ck_assert_ptr_nonnull(r);
    ck_assert_str_eq(text_of(r, "schema"), "stint.probe/1");
    ck_assert_str_eq(text_of(r, "verdict"), "leaked:blocked");
    ck_assert_str_eq(text_of(r, "summary"), text_str(&told));
    ck_assert_str_eq(text_of(r, "grade"), "registry");
    ck_assert_int_eq(number_of(r, "total"), 3);
    ck_assert_int_eq(number_of(r, "registered"), 3);
    ck_assert_int_eq(number_of(r, "leaked"), 1);
    ck_assert_int_eq(number_of(r, "asked_for_us"), 31 * US_PER_S);
    ck_assert_ptr_null(json_object_get(r, "threads"));
    g = json_array_get(json_object_get(r, "groups"), 0);
    ck_assert_str_eq(text_of(g, "verdict"), "leaked:blocked");
    ck_assert(json_is_true(json_object_get(g, "culprit")));
    ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(g, "tids"), 0)), 1001);
    first = json_object_get(g, "first");
    ck_assert_str_eq(text_of(first, "name"), "flush-2");
    ck_assert_str_eq(text_of(json_object_get(first, "wait"), "class"), "read");
    ck_assert_str_eq(text_of(json_object_get(first, "wait"), "text"), "read(fd 9 → pipe:[123])");
    ck_assert_int_eq(number_of(json_object_get(first, "claim"), "generation"), 3);
    ck_assert_int_eq(number_of(json_object_get(first, "claim"), "cancelled_for_us"), 31 * US_PER_S);
    ck_assert_int_eq(number_of(json_array_get(json_object_get(first, "frames"), 0), "line"), 12);
    json_decref(r);
}
END_TEST

START_TEST(each_thread_is_in_it_when_all_are_asked_for)
{
    json_t *r;

    (void)a_leak();
    w_judge();
    r = probe_report(&w, &js, true);
    ck_assert_uint_eq(json_array_size(json_object_get(r, "threads")), 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(number_of(json_array_get(json_object_get(r, "threads"), i), "tid"),
                         1000 + (int)i);
    json_decref(r);
}
END_TEST

START_TEST(a_circle_is_told_in_its_order)
{
    struct thread_facts *a, *b;
    const json_t *c;
    json_t *r;

    w_begin();
    w_main(WAIT_EPOLL, false);
    a = w_thread("ab");
    b = w_thread("ba");
    waits_lock(a, b);
    waits_lock(b, a);
    w_judge();
    r = probe_report(&w, &js, false);
    c = json_object_get(json_array_get(json_object_get(r, "cycles"), 0), "threads");
    ck_assert_uint_eq(json_array_size(c), 2);
    ck_assert_str_eq(text_of(json_array_get(c, 0), "name"), "ab");
    ck_assert_str_eq(text_of(json_array_get(c, 1), "name"), "ba");
    json_decref(r);
}
END_TEST

START_TEST(whatever_bytes_a_worker_claims_are_clean_in_the_report)
{
    struct thread_facts *t = a_leak();
    char *bytes;
    json_t *r, *again;

    memset(t->claim.name, 0xff, sizeof(t->claim.name) - 1);
    t->claim.name[3] = '\n';
    memset(t->claim.creator_function, 0x01, sizeof(t->claim.creator_function) - 1);
    t->claim.beats = UINT64_MAX;
    t->claim.generation = UINT64_MAX;
    memset(t->fd_target, 0xc3, sizeof(t->fd_target) - 1);
    w_judge();
    for (const char *s = text_str(&told); *s != '\0'; s++)
        ck_assert((unsigned char)*s >= ' ' && *s != 0x7f);
    r = probe_report(&w, &js, true);
    ck_assert_ptr_nonnull(r);
    bytes = json_dumps(r, JSON_COMPACT);
    ck_assert_ptr_nonnull(bytes);
    again = json_loads(bytes, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(again);
    json_decref(again);
    free(bytes);
    json_decref(r);
}
END_TEST

int
main(void)
{
    const TTest *tests[] = {
        the_report_says_what_the_line_says_and_more, each_thread_is_in_it_when_all_are_asked_for,
        a_circle_is_told_in_its_order, whatever_bytes_a_worker_claims_are_clean_in_the_report};

    return unit_main(w_suite("probe: facts and verdicts as JSON", tests, ARRAY_LEN(tests)));
}
