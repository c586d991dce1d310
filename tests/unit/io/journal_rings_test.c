/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/io/journal_world.h"
#include "tests/unit/unit.h"

START_TEST(the_last_events_are_kept_and_numbered)
{
    struct journal_entry e;
    uint64_t after = 0, n = 0;

    open_journal(&(struct journal_options){.fd = -1});
    for (int i = 1; i <= JOURNAL_EVENTS_MAX + 100; i++)
        journal_say(journal, LOG_LEVEL_INFO, "e", "%d", i);
    ck_assert(journal_events_next(journal, 0, &e));
    ck_assert_uint_eq(e.seq, 101);
    ck_assert_uint_eq(e.lost, 100);
    for (; journal_events_next(journal, after, &e); after = e.seq)
        n++;
    ck_assert_uint_eq(n, JOURNAL_EVENTS_MAX);
    ck_assert_uint_eq(after, journal_events_tail(journal, NULL, 0));
}
END_TEST

START_TEST(large_events_take_the_place_of_many_small_ones)
{
    struct record r = death();
    struct journal_entry e;
    uint64_t last = 0, after;

    open_journal(&(struct journal_options){.fd = -1});
    memset(r.text, 'x', sizeof(r.text) - 1);
    for (int i = 0; i < 3000; i++) { /* about 4 MB through a ring of one */
        journal_record(journal, &r);
        journal_say(journal, LOG_LEVEL_INFO, "small", "%d", i);
    }
    ck_assert(journal_events_next(journal, 0, &e));
    ck_assert_uint_gt(e.seq, 3000);
    for (after = e.seq - 1; journal_events_next(journal, after, &e); after = e.seq) {
        json_t *json = json_loadb(e.json, e.bytes, 0, NULL);

        ck_assert(json != NULL);
        ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(json, "seq")), e.seq);
        ck_assert_uint_eq(e.lost, 0);
        last = e.seq;
        json_decref(json);
    }
    ck_assert_uint_eq(last, 6000);
}
END_TEST

static void
print(const char *service, uint64_t generation, pid_t pid, const char *line)
{
    struct journal_origin from = {
        .service = service, .generation = generation, .pid = pid, .stream = "stderr"};

    journal_output(journal, &from, line, strlen(line), 0);
}

START_TEST(output_is_kept_for_each_service)
{
    struct journal_entry e;
    uint64_t after = 0;
    int n = 0;

    open_journal(&(struct journal_options){.fd = -1});
    print("web", 1, 10, "from web");
    for (int i = 0; i < 2 * JOURNAL_OUTPUT_LINES; i++)
        print("chatty", 1, 20, "blah");
    ck_assert(journal_output_next(journal, "web", 0, &e)); /* a chatty one displaces nobody */
    ck_assert_ptr_nonnull(strstr(e.json, "from web"));
    for (; journal_output_next(journal, "chatty", after, &e); after = e.seq)
        n++;
    ck_assert_int_eq(n, JOURNAL_OUTPUT_LINES);
    ck_assert(journal_output_next(journal, NULL, 0, &e)); /* of all: in order of time */
    ck_assert_str_eq(e.service, "web");
    journal_forget(journal, "chatty");
    ck_assert(!journal_output_next(journal, "chatty", 0, &e));
}
END_TEST

START_TEST(the_last_lines_are_those_of_the_one_asked_for)
{
    auto_text struct text t = TEXT_INIT;

    open_journal(&(struct journal_options){.fd = -1});
    print("web", 7, 10, "old one");
    print("web", 8, 11, "first");
    print("web", 8, 11, "second");
    print("web", 7, 10, "old again");
    print("web", 8, 12, "third");
    journal_last_lines(journal,
                       &(struct journal_query){.service = "web", .generation = 8, .max = 2}, &t);
    ck_assert_str_eq(text_str(&t), "second\nthird");
    text_clear(&t);
    journal_last_lines(journal, &(struct journal_query){.service = "web", .pid = 10, .max = 9}, &t);
    ck_assert_str_eq(text_str(&t), "old one\nold again");
}
END_TEST

START_TEST(output_of_any_bytes_is_one_valid_line)
{
    char noise[JOURNAL_LINE_BYTES + 100];
    struct journal_origin from = {.service = "web", .stream = "stdout"};
    struct journal_entry e;
    json_t *json;

    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)(i * 7);
    open_journal(&(struct journal_options){.fd = ends[1]});
    journal_output(journal, &from, noise, sizeof(noise), 0);
    ck_assert(journal_output_next(journal, "web", 0, &e));
    json = json_loadb(e.json, e.bytes, JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(json);
    ck_assert(json_is_true(json_object_get(json, "cut")));
    json_decref(json);
    take_all();
    ck_assert_ptr_eq(strchr(text_str(&got), '\n') + 1, got.data + got.bytes);
}
END_TEST

static unsigned woken;

static void
on_woken(struct journal_watch *w)
{
    (void)w;
    woken++;
}

START_TEST(who_follows_is_woken_until_it_leaves)
{
    struct journal_watch w = {.woken = on_woken};

    open_journal(&(struct journal_options){.fd = -1});
    woken = 0;
    journal_watch_add(journal, &w);
    journal_say(journal, LOG_LEVEL_INFO, "e", "1");
    print("web", 1, 1, "x");
    ck_assert_uint_eq(woken, 2);
    journal_watch_remove(&w);
    journal_watch_remove(&w);
    journal_say(journal, LOG_LEVEL_INFO, "e", "2");
    ck_assert_uint_eq(woken, 2);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("journal_rings");
    TCase *tc = tcase_create("rings");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_last_events_are_kept_and_numbered);
    tcase_add_test(tc, large_events_take_the_place_of_many_small_ones);
    tcase_add_test(tc, output_is_kept_for_each_service);
    tcase_add_test(tc, the_last_lines_are_those_of_the_one_asked_for);
    tcase_add_test(tc, output_of_any_bytes_is_one_valid_line);
    tcase_add_test(tc, who_follows_is_woken_until_it_leaves);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
