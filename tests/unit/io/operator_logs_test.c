/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The output of all services, read in order, and looked through for a trace: all of it, a little in each turn. */
#include <time.h>

#include "base/clock.h"
#include "tests/unit/io/operator_world.h"

#define T       "0af7651916cd43dd8448eb211c80319c"
#define OTHER   "1af7651916cd43dd8448eb211c80319c"
#define MANY    1000 /* services */
#define STALL   (50 * US_PER_MS)
#define FOREVER ((size_t)1 << 40)

static void
print(const char *service, const char *trace, const char *line)
{
    const struct journal_origin from = {
        .service = service, .generation = 1, .pid = 10, .stream = "stderr", .trace = trace};

    journal_output(journal, &from, line, strlen(line), JOURNAL_OUTPUT_KEPT);
}

static void
print_to(unsigned service, const char *trace, const char *line)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "s%u", service);
    print(name, trace, line);
}

/* Numbers of the lines that are found, in order, with @budget in each turn. */
static size_t
search(const char *trace, size_t budget, uint64_t *ret, size_t room, unsigned *ret_turns)
{
    struct journal_reader r = {0};
    enum journal_found found;
    struct journal_entry e;
    uint64_t cursor = 0;
    size_t left = budget, n = 0;
    const struct journal_search s = {trace, &cursor, &left};

    *ret_turns = 1;
    while ((found = journal_reader_next(journal, &r, &s, &e)) != JOURNAL_NOTHING) {
        if (found == JOURNAL_LATER) {
            left = budget;
            (*ret_turns)++;
            continue;
        }
        ck_assert_uint_eq(e.seq, cursor);
        ck_assert(n == 0 || e.seq > ret[n - 1]);
        ck_assert_uint_lt(n, room);
        ret[n++] = e.seq;
    }
    journal_reader_finish(&r);
    return n;
}

START_TEST(all_services_are_one_row_as_they_printed)
{
    static uint64_t got[4096];
    struct journal_entry e;
    unsigned turns;
    size_t n, i = 0;

    for (unsigned k = 0; k < 3000; k++)
        print_to(k * 7919 % 97 % 13, NULL, k % 2 ? "odd" : "even");
    n = search(NULL, 4096, got, ARRAY_LEN(got), &turns);
    ck_assert_uint_gt(turns, 10);
    for (uint64_t after = 0; journal_output_next(journal, NULL, after, &e); after = e.seq)
        ck_assert_uint_eq(got[i++], e.seq);
    ck_assert_uint_eq(n, i);
    ck_assert_uint_eq(n, 3000);
}
END_TEST

START_TEST(a_trace_is_found_where_only_its_service_keeps_it_and_where_only_the_last_lines_of_all_do)
{
    uint64_t got[8];
    unsigned turns;

    print("quiet", T, "of the service alone"); /* 1 */
    print("quiet", NULL, "in its text: " T);   /* 2 */
    print("quiet", OTHER, "another");          /* 3 */
    for (int i = 0; i < 3000; i++)             /* … 3003: the first two are in no ring of all */
        print("chatty", NULL, "blah");
    print("chatty", T, "not in its own ring any more"); /* 3004 */
    for (int i = 0; i < JOURNAL_OUTPUT_LINES; i++)
        print("chatty", NULL, "blah");
    print("web", T, "in both"); /* 3505 */
    ck_assert_uint_eq(search(T, FOREVER, got, 8, &turns), 4);
    ck_assert_uint_eq(turns, 1);
    ck_assert_uint_eq(got[0], 1);
    ck_assert_uint_eq(got[1], 2);
    ck_assert_uint_eq(got[2], 3004);
    ck_assert_uint_eq(got[3], 3505);
    ck_assert_uint_eq(search(T, 1, got, 8, &turns), 4); /* a line in each turn */
    ck_assert_uint_gt(turns, 1000);
    ck_assert_uint_eq(search("00000000000000000000000000000001", FOREVER, got, 8, &turns), 0);
}
END_TEST

START_TEST(what_comes_and_goes_between_two_turns_is_neither_lost_nor_twice)
{
    struct journal_reader r = {0};
    struct journal_entry e;
    uint64_t cursor = 0, last = 0;
    size_t left = 1;
    const struct journal_search s = {T, &cursor, &left};
    enum journal_found found;
    unsigned n = 0, came = 0;

    for (unsigned i = 0; i < 400; i++)
        print_to(i % 20, i % 4 ? NULL : T, "line"); /* those of services 0, 4, 8, 12, 16 */
    while ((found = journal_reader_next(journal, &r, &s, &e)) != JOURNAL_NOTHING) {
        if (found == JOURNAL_FOUND) {
            ck_assert_uint_gt(e.seq, last);
            last = e.seq;
            n++;
        }
        left = 1;
        if (n == 10 && came == 0)
            journal_forget(journal, "s3"); /* of which none is wanted */
        if (n == 20 && came == 0)
            print("new", T, "came meanwhile"), came++;
    }
    ck_assert_uint_eq(n, 101);
    ck_assert_uint_eq(last, 401);
    left = FOREVER;
    print_to(0, NULL, "not this");
    print_to(3, T, "and then this"); /* who follows asks again */
    ck_assert_int_eq(journal_reader_next(journal, &r, &s, &e), JOURNAL_FOUND);
    ck_assert_uint_eq(e.seq, 403);
    ck_assert_int_eq(journal_reader_next(journal, &r, &s, &e), JOURNAL_NOTHING);
    journal_reader_finish(&r);
}
END_TEST

/* ---- over the socket ------------------------------------------------------------------------------- */

static struct ev_check woke;
static struct ev_prepare sleeps;
static int64_t woke_us, longest_us; /* in computing: the machine may be busy */

static int64_t
computed_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static void
on_woke(EV_P_ ev_check *w, int revents)
{
    (void)loop;
    (void)w;
    (void)revents;
    woke_us = computed_us();
}

static void
on_sleeps(EV_P_ ev_prepare *w, int revents)
{
    (void)loop;
    (void)w;
    (void)revents;
    if (woke_us && computed_us() - woke_us > longest_us)
        longest_us = computed_us() - woke_us;
}

static void
measure(bool on)
{
    woke_us = longest_us = 0;
    ev_check_init(&woke, on_woke);
    ev_prepare_init(&sleeps, on_sleeps);
    if (on) {
        ev_check_start(loop, &woke);
        ev_prepare_start(loop, &sleeps);
    }
}

/* As many lines as each service has room for: 500 of some 200 bytes. */
static void
fill_all(void)
{
    char line[160];

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    for (unsigned k = 0; k < JOURNAL_OUTPUT_LINES; k++)
        for (unsigned i = 0; i < MANY; i++)
            print_to(i,
                     (i == 0 && k == 0) || (i == 500 && k == 250) || (i == MANY - 1 && k == 499)
                         ? T
                         : OTHER,
                     line);
}

START_TEST(a_thousand_full_services_are_looked_through_and_nobody_waits_for_that)
{
    struct client c;
    unsigned turns = 0, n = 0;
    char *at;

    fill_all();
    measure(true);
    client_open(&c, dir);
    client_request(&c, "GET", "/v1/logs?trace=" T, NULL);
    for (int64_t end_us = mono_now_us() + PATIENCE_US; !client_ended(&c); turns++) {
        ck_assert_int_lt(mono_now_us(), end_us);
        turn(loop);
    }
    ev_check_stop(loop, &woke);
    ev_prepare_stop(loop, &sleeps);
    ck_assert_int_eq(client_status(&c), 200);
    at = (char *)(uintptr_t)text_str(&c.got);
    for (const char *service = "\"service\":\"s0\""; (at = strstr(at, "\"trace\":\"" T)) != NULL;
         n++) {
        char *from = at;

        while (from > text_str(&c.got) && *from != '\n')
            from--;
        ck_assert_msg(memmem(from, (size_t)(at - from), service, strlen(service)), "%.200s", from);
        service = n == 0 ? "\"service\":\"s500\"" : "\"service\":\"s999\"";
        at++;
    }
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_gt(turns, 50); /* it was not done at once … */
    (void)fprintf(stderr, "%u turns, the longest took %lld us\n", turns, (long long)longest_us);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert_int_lt(longest_us, STALL); /* … and no turn was a stall */
#endif
    client_close(&c);
}
END_TEST

START_TEST(who_follows_a_trace_gets_what_was_and_what_comes)
{
    struct client c;

    print("quiet", T, "the first");
    for (int i = 0; i < 9000; i++) /* more than is looked at in a turn */
        print_to((unsigned)i % 30, OTHER, "blah");
    client_open(&c, dir);
    client_request(&c, "GET", "/v1/logs?follow=1&trace=" T, NULL);
    UNTIL(loop, client_has(&c, "the first"));
    for (int i = 0; i < 50; i++)
        turn(loop);
    print_to(3, OTHER, "not this");
    print_to(3, T, "the second");
    UNTIL(loop, client_has(&c, "the second"));
    ck_assert(!client_has(&c, "not this"));
    ck_assert(!client_has(&c, "blah"));
    client_close(&c);
}
END_TEST

START_TEST(the_last_lines_of_a_thousand_services_are_found_without_counting_them_all)
{
    struct client c;
    int64_t since_us;
    uint64_t tail;

    fill_all();
    since_us = computed_us();
    for (int i = 0; i < 100; i++)
        tail = journal_output_tail(journal, NULL, 10);
    since_us = computed_us() - since_us;
    (void)fprintf(stderr, "a tail takes %lld us\n", (long long)since_us / 100);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert_int_lt(since_us / 100, STALL);
#endif
    ck_assert_uint_eq(tail, (uint64_t)MANY * JOURNAL_OUTPUT_LINES - 10);
    client_open(&c, dir);
    client_request(&c, "GET", "/v1/logs?lines=10", NULL);
    UNTIL(loop, client_ended(&c));
    ck_assert(client_has(&c, "\"service\":\"s990\""));
    ck_assert(!client_has(&c, "\"service\":\"s989\""));
    client_close(&c);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("operator_logs");
    TCase *c = tcase_create("operator_logs");

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, all_services_are_one_row_as_they_printed);
    tcase_add_test(
        c,
        a_trace_is_found_where_only_its_service_keeps_it_and_where_only_the_last_lines_of_all_do);
    tcase_add_test(c, what_comes_and_goes_between_two_turns_is_neither_lost_nor_twice);
    tcase_add_test(c, a_thousand_full_services_are_looked_through_and_nobody_waits_for_that);
    tcase_add_test(c, who_follows_a_trace_gets_what_was_and_what_comes);
    tcase_add_test(c, the_last_lines_of_a_thousand_services_are_found_without_counting_them_all);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
