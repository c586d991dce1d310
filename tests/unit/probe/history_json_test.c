/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/history_json.h"

#include <errno.h>

#include "supervisor/probe/report.h"
#include "tests/unit/probe/judge_world.h"

static struct history h;

static void
look(uint64_t generation, pid_t pid, int leaked)
{
    struct sight s;
    json_t *report;

    w_begin();
    w.pid = pid;
    w_main(WAIT_SIGNAL, true);
    for (int i = 0; i < leaked; i++)
        (void)cancelled(w_thread("watch"), LONG_AGO);
    registered(w_thread("vital"))->claim.vital_every_us = US_PER_S;
    w_judge();
    report = probe_report(&w, &js, false);
    ck_assert_int_eq(sight_read(report, generation, pid, 1000 + (int64_t)generation, &s), 0);
    json_decref(report);
    ck_assert_int_eq(history_look(&h, &s, NULL, NULL), 0);
    sight_finish(&s);
}

static void
begin(void)
{
    struct certificate c = {
        .generation = 3,
        .at_wall_us = 77,
        .grade = CERTIFICATE_CGROUP,
        .pids_gone = true,
        .how = {"seen", "refused", "concluded", "seen"},
        .threads_known = true,
        .processes = 2,
        .leaks = 1,
        .unread = 3,
        .text = "one was killed"
    };

    history_finish(&h);
    for (unsigned i = 1; i <= 3; i++)
        look(i, 100 + (pid_t)i, (int)i);
    history_certify(&h, &c);
}

START_TEST(a_report_read_is_the_look_that_was_made)
{
    struct sight a, b;
    json_t *report;

    begin();
    report = probe_report(&w, &js, true);
    ck_assert_int_eq(sight_make(&w, &js, 5, 9, &a), 0);
    ck_assert_int_eq(sight_read(report, 5, w.pid, 9, &b), 0);
    ck_assert_uint_eq(a.n_groups, b.n_groups);
    ck_assert_uint_eq(a.n_beats, 1);
    ck_assert_uint_eq(b.n_beats, 1);
    ck_assert_int_eq(a.at_us, b.at_us);
    ck_assert_int_eq(a.beats[0].tid, b.beats[0].tid);
    ck_assert_uint_eq(a.beats[0].start_time, b.beats[0].start_time);
    ck_assert_uint_eq(a.beats[0].beats, b.beats[0].beats);
    for (size_t i = 0; i < a.n_groups; i++) {
        ck_assert_str_eq(a.groups[i].key, b.groups[i].key);
        ck_assert_str_eq(a.groups[i].name, b.groups[i].name);
        ck_assert_str_eq(a.groups[i].start, b.groups[i].start);
        ck_assert_str_eq(a.groups[i].creator, b.groups[i].creator);
        ck_assert_int_eq(a.groups[i].verdict, b.groups[i].verdict);
        ck_assert_uint_eq(a.groups[i].count, b.groups[i].count);
        ck_assert_str_eq(a.groups[i].text ? a.groups[i].text : "",
                         b.groups[i].text ? b.groups[i].text : "");
    }
    sight_finish(&a);
    sight_finish(&b);
    json_decref(report);
}
END_TEST

START_TEST(the_book_comes_back_as_it_was_and_goes_on)
{
    struct history back = {0};
    json_t *a, *b;

    begin();
    ck_assert_uint_gt(h.n_groups, 1);
    a = history_save(&h);
    ck_assert_int_eq(history_load(a, &back), 0);
    b = history_save(&back);
    ck_assert(json_equal(a, b));
    ck_assert_uint_eq(back.n_beats, h.n_beats);
    ck_assert_uint_eq(back.n_certificates, 1);
    ck_assert_int_eq(back.certificates[0].grade, CERTIFICATE_CGROUP);
    ck_assert_str_eq(back.certificates[0].text, "one was killed");
    ck_assert_uint_eq(back.certificates[0].unread, 3);
    ck_assert(back.certificates[0].threads_known && !back.certificates[0].threads_joined);
    history_finish(&h);
    h = back;
    look(4, 104, 4);
    ck_assert_uint_eq(h.looks, 4);
    json_decref(a);
    json_decref(b);
}
END_TEST

START_TEST(what_an_old_certificate_did_not_know_is_not_denied)
{
    json_t *old = json_loads("{\"generation\":7,\"grade\":\"pids\",\"pids_gone\":true,"
                             "\"cgroup_empty\":false,\"fds_returned\":true,\"processes\":1}",
                             0, NULL),
           *again;
    struct certificate c;

    ck_assert_int_eq(certificate_load(old, &c), 0);
    ck_assert(c.pids_gone && !c.cgroup_empty && c.fds_returned && !c.threads_known);
    ck_assert_str_eq(c.how[0], ""); /* it was so, and how that was known was not said */
    ck_assert_str_eq(c.how[1], "none");
    ck_assert_str_eq(c.how[3], "none");
    again = certificate_save(&c);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(again, "how"), "cgroup")),
                     "none");
    json_decref(again);
    json_decref(old);
}
END_TEST

START_TEST(what_is_not_a_book_is_refused)
{
    static const char *const wrong[] = {"[]", "{}", "{\"schema\":7}", "null",
                                        "{\"schema\":\"stint.history/2\"}"};
    struct history back;
    struct sight s;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        json_t *o = json_loads(wrong[i], JSON_DECODE_ANY, NULL);

        ck_assert_ptr_nonnull(o);
        ck_assert_int_eq(history_load(o, &back), -EINVAL);
        ck_assert_int_eq(sight_read(o, 1, 1, 1, &s), -EINVAL);
        json_decref(o);
    }
    ck_assert_int_eq(history_load(NULL, &back), -EINVAL);
}
END_TEST

/* Values of every kind in the place of every member, somewhere in the tree. */
static json_t *
anything(unsigned *seed)
{
    *seed = *seed * 1103515245U + 12345U;
    switch (*seed >> 16 & 7) {
    case 0:
        return json_null();
    case 1:
        return json_integer(INT64_MIN);
    case 2:
        return json_integer(INT64_MAX);
    case 3:
        return json_string("\xc3\xa9\n\x01 leaked killed stint");
    case 4:
        return json_array();
    case 5:
        return json_real(1e300);
    case 6:
        return json_true();
    default:
        return json_object();
    }
}

static void
spoil(json_t *o, unsigned *seed)
{
    const char *key;
    void *next;
    json_t *value;
    size_t i;

    if (json_is_object(o)) {
        json_object_foreach_safe(o, next, key, value)
        {
            *seed = *seed * 1103515245U + 12345U;
            if ((*seed >> 16 & 15) == 0 && strcmp(key, "schema") != 0)
                ck_assert_int_eq(json_object_set_new(o, key, anything(seed)), 0);
            else
                spoil(value, seed);
        }
    } else if (json_is_array(o)) {
        json_array_foreach(o, i, value)
        {
            *seed = *seed * 1103515245U + 12345U;
            if ((*seed >> 16 & 15) == 0)
                ck_assert_int_eq(json_array_set_new(o, i, anything(seed)), 0);
            else
                spoil(value, seed);
        }
        for (unsigned n = *seed % 7 == 0 ? 300 : 0; json_array_size(o) > 0 && n > 0; n--)
            ck_assert_int_eq(json_array_append(o, json_array_get(o, 0)), 0);
    }
}

START_TEST(a_spoilt_book_and_a_spoilt_report_do_no_harm)
{
    json_t *book, *report;

    begin();
    book = history_save(&h);
    report = probe_report(&w, &js, false);
    for (unsigned round = 1; round < 100; round++) {
        json_t *b = json_deep_copy(book), *r = json_deep_copy(report);
        unsigned seed = round;
        struct history back;
        struct sight s;

        spoil(b, &seed);
        spoil(r, &seed);
        ck_assert_int_eq(history_load(b, &back), 0);
        ck_assert_uint_le(back.n_groups, HISTORY_GROUPS);
        ck_assert_uint_le(back.n_beats, HISTORY_BEATS);
        ck_assert_uint_le(back.n_certificates, HISTORY_CERTIFICATES);
        if (sight_read(r, round, 104, 5, &s) == 0) {
            ck_assert_uint_le(s.n_groups, SIGHT_GROUPS);
            ck_assert_int_eq(history_look(&back, &s, NULL, NULL), 0);
            sight_finish(&s);
        }
        history_gone(&back, 104, true, 1, NULL, NULL);
        history_remind(&back, &w);
        json_decref(history_save(&back));
        history_finish(&back);
        json_decref(b);
        json_decref(r);
    }
    json_decref(book);
    json_decref(report);
}
END_TEST

int
main(void)
{
    const TTest *tests[] = {
        a_report_read_is_the_look_that_was_made, the_book_comes_back_as_it_was_and_goes_on,
        what_an_old_certificate_did_not_know_is_not_denied, what_is_not_a_book_is_refused,
        a_spoilt_book_and_a_spoilt_report_do_no_harm};

    return unit_main(w_suite("probe: the book as JSON", tests, ARRAY_LEN(tests)));
}
