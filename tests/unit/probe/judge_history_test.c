/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/judge_history.h"

#include <limits.h>

#include "tests/unit/probe/judge_world.h"

static struct history h;
static unsigned news[3];
static char last_text[HISTORY_TEXT];
static int64_t wall_us;
static bool asked;    /* the next process that is looked at */
static bool one_kind; /* who is in order is of the kind that leaks */

static void
on_news(void *env, enum history_news what, const struct history_group *g,
        const struct history_sighting *seen)
{
    (void)env;
    ck_assert_ptr_nonnull(seen);
    news[what]++;
    (void)snprintf(last_text, sizeof(last_text), "%s", g->text ? g->text : "");
}

static void
begin(void)
{
    history_finish(&h);
    memset(news, 0, sizeof(news));
    wall_us = INT64_C(1700000000) * US_PER_S;
}

/* A process of that generation with so many leaked workers, and so many that are in order. */
static void
look(uint64_t generation, pid_t pid, int leaked, int clean)
{
    struct sight s;

    w_begin();
    w.pid = pid;
    if (asked)
        w_asked(GRACE / 2);
    w_main(WAIT_SIGNAL, true);
    for (int i = 0; i < leaked; i++)
        (void)cancelled(w_thread("watch"), LONG_AGO);
    for (int i = 0; i < clean; i++)
        (void)registered(w_thread(one_kind ? "watch" : "pool"));
    w_judge();
    wall_us += US_PER_S;
    ck_assert_int_eq(sight_make(&w, &js, generation, wall_us, &s), 0);
    ck_assert_int_eq(history_look(&h, &s, on_news, NULL), 0);
    sight_finish(&s);
}

static const struct history_group *
group(const char *name)
{
    for (size_t i = 0; i < h.n_groups; i++)
        if (strcmp(h.groups[i].name, name) == 0)
            return &h.groups[i];
    ck_abort_msg("no group of %s", name);
    return NULL;
}

START_TEST(a_leak_that_ends_is_recovered_with_both_times)
{
    const struct history_group *g;

    begin();
    look(7, 100, 1, 0);
    g = group("watch");
    ck_assert_int_eq(history_state_of(g), HISTORY_LEAKED);
    ck_assert_uint_eq(news[NEWS_LEAKED], 1);
    ck_assert_ptr_nonnull(strstr(last_text, "leaked:blocked: thread `watch`"));
    look(7, 100, 1, 0);
    ck_assert_uint_eq(news[NEWS_LEAKED], 1);
    look(7, 100, 0, 0);
    ck_assert_int_eq(history_state_of(g), HISTORY_RECOVERED);
    ck_assert_uint_eq(news[NEWS_RECOVERED], 1);
    ck_assert_int_eq(g->seen[0].over_wall_us - g->seen[0].leaked_wall_us, 2 * US_PER_S);
    ck_assert_int_eq(g->seen[0].verdict, VERDICT_LEAKED_BLOCKED);
    ck_assert_uint_eq(g->first_generation, 7);
    look(7, 100, 1, 0);
    ck_assert_int_eq(history_state_of(g), HISTORY_LEAKED);
    ck_assert_uint_eq(news[NEWS_LEAKED], 2);
}
END_TEST

START_TEST(a_process_that_left_by_itself_has_recovered_and_one_that_was_killed_has_not)
{
    begin();
    look(7, 100, 1, 0);
    history_gone(&h, 100, false, ++wall_us, on_news, NULL);
    ck_assert_int_eq(history_state_of(group("watch")), HISTORY_RECOVERED);
    look(8, 101, 1, 0);
    history_gone(&h, 101, true, ++wall_us, on_news, NULL);
    ck_assert_int_eq(history_state_of(group("watch")), HISTORY_KILLED);
    ck_assert_uint_eq(news[NEWS_RECOVERED], 1);
    ck_assert_uint_eq(group("watch")->n_seen, 2);
}
END_TEST

START_TEST(the_same_number_of_a_process_is_another_one)
{
    begin();
    look(7, 100, 1, 0);
    history_gone(&h, 100, true, ++wall_us, on_news, NULL);
    look(7, 100, 1, 0);
    ck_assert_uint_eq(group("watch")->n_seen, 2);
    ck_assert_uint_eq(news[NEWS_LEAKED], 2);
}
END_TEST

START_TEST(one_more_with_each_retired_configuration_rises)
{
    begin();
    look(7, 100, 1, 4);
    look(7, 100, 2, 4);
    ck_assert_uint_eq(news[NEWS_RISING], 0);
    look(7, 100, 2, 4); /* somebody looked once more */
    ck_assert_uint_eq(news[NEWS_RISING], 0);
    look(7, 100, 3, 4);
    ck_assert_uint_eq(news[NEWS_RISING], 1);
    ck_assert(group("watch")->rising);
    ck_assert_int_eq(group("watch")->growth_milli, 1000);
    ck_assert(!group("pool")->rising);
    look(7, 100, 4, 4);
    ck_assert_uint_eq(news[NEWS_RISING], 1);
}
END_TEST

/* A process that takes new configurations has threads of the old ones, which leak, and of the newest. */
START_TEST(those_that_leak_are_counted_beside_their_like_that_do_not)
{
    const struct history_group *g;

    begin();
    one_kind = true;
    look(1, 100, 0, 4);
    g = group("watch");
    ck_assert_uint_eq(g->seen[0].all.recent[0], 4);
    ck_assert_uint_eq(g->seen[0].leaked.n, 0);
    look(1, 100, 2, 4); /* 4, 2 would be a fall */
    ck_assert_uint_eq(history_last(&g->seen[0].all), 6);
    ck_assert_uint_eq(history_last(&g->seen[0].leaked), 2);
    look(1, 100, 3, 4);
    ck_assert(!g->rising);
    look(1, 100, 4, 4);
    ck_assert(g->rising);
    ck_assert_int_eq(g->growth_milli, 1000);
    ck_assert_uint_eq(g->seen[0].leaked.most, 4);
    look(1, 100, 0, 8); /* as many as before, and all in order */
    ck_assert_int_eq(history_state_of(g), HISTORY_RECOVERED);
    ck_assert_uint_eq(history_last(&g->seen[0].all), 8);
    ck_assert_uint_eq(history_last(&g->seen[0].leaked), 0);
    one_kind = false;
}
END_TEST

START_TEST(a_process_that_goes_on_as_another_generation_can_recover)
{
    const struct history_group *g;

    begin();
    one_kind = true;
    look(1, 100, 2, 4);
    look(2, 100, 2, 4);
    g = group("watch");
    ck_assert_uint_eq(g->n_seen, 2);
    ck_assert_int_eq(history_state_of(g), HISTORY_LEAKED);
    look(2, 100, 0, 4);
    ck_assert_int_eq(history_state_of(g), HISTORY_RECOVERED);
    ck_assert_int_eq(g->seen[0].state, HISTORY_RECOVERED);
    one_kind = false;
}
END_TEST

START_TEST(a_pool_that_warms_up_does_not_rise)
{
    begin();
    look(7, 100, 0, 2);
    look(7, 100, 0, 6);
    look(7, 100, 0, 8);
    look(7, 100, 0, 8);
    look(7, 100, 0, 7);
    look(7, 100, 0, 8);
    ck_assert_uint_eq(news[NEWS_RISING], 0);
}
END_TEST

START_TEST(what_is_more_in_each_generation_rises_before_anything_leaks)
{
    begin();
    for (unsigned generation = 5; generation < 8; generation++) {
        look(generation, 100 + (pid_t)generation, 0, 2 * (int)generation);
        ck_assert_uint_eq(news[NEWS_RISING], generation == 7);
    }
    ck_assert_int_eq(group("pool")->growth_milli, 2000);
    ck_assert_uint_eq(news[NEWS_LEAKED], 0);
    look(8, 200, 0, 1); /* mended */
    ck_assert(!group("pool")->rising);
}
END_TEST

START_TEST(a_generation_without_it_ends_the_rise)
{
    begin();
    look(1, 101, 0, 1);
    look(2, 102, 0, 2);
    look(3, 103, 0, 0);
    look(4, 104, 0, 3);
    ck_assert_uint_eq(news[NEWS_RISING], 0);
}
END_TEST

START_TEST(one_that_leaves_is_not_compared_with_those_that_serve)
{
    begin();
    look(1, 101, 0, 1);
    look(2, 102, 0, 2);
    asked = true;
    look(3, 103, 0, 3);
    asked = false;
    ck_assert_uint_eq(news[NEWS_RISING], 0);
    look(3, 103, 0, 3);
    ck_assert_uint_eq(news[NEWS_RISING], 1);
}
END_TEST

START_TEST(old_and_new_are_compared_by_kind)
{
    struct history_difference d[4];
    size_t n;

    begin();
    look(1, 101, 3, 4);
    look(2, 102, 0, 6);
    n = history_diff(&h, 1, 2, d, ARRAY_LEN(d));
    ck_assert_uint_eq(n, 2);
    for (size_t i = 0; i < n; i++) {
        bool watch = strcmp(d[i].group->name, "watch") == 0;

        ck_assert_int_eq(d[i].change, watch ? CHANGE_GONE : CHANGE_MORE);
        ck_assert_uint_eq(d[i].before, watch ? 3 : 4);
        ck_assert_uint_eq(d[i].after, watch ? 0 : 6);
    }
    ck_assert_uint_eq(history_diff(&h, 2, 1, d, 1), 1);
    ck_assert_uint_eq(history_diff(&h, 1, 1, d, ARRAY_LEN(d)), 0);
}
END_TEST

START_TEST(the_book_is_bounded_and_keeps_what_leaks)
{
    begin();
    look(1, 100, 1, 0);
    for (int i = 0; i < 3 * HISTORY_GROUPS; i++) {
        char name[16];
        struct sight s;

        w_begin();
        w.pid = 200 + i;
        w_main(WAIT_SIGNAL, true);
        (void)snprintf(name, sizeof(name), "%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i % 7);
        (void)registered(w_thread(name));
        w_judge();
        ck_assert_int_eq(sight_make(&w, &js, 2, ++wall_us, &s), 0);
        ck_assert_int_eq(history_look(&h, &s, NULL, NULL), 0);
        sight_finish(&s);
    }
    ck_assert_uint_eq(h.n_groups, HISTORY_GROUPS);
    ck_assert_uint_gt(h.dropped, 0);
    (void)group(w_threads[1].comm); /* the newest found a place */
    ck_assert_int_eq(history_state_of(group("watch")), HISTORY_LEAKED);
    for (pid_t pid = 300; pid < 340; pid++)
        look(3, pid, 1, 0);
    ck_assert_uint_eq(group("watch")->n_seen, HISTORY_SIGHTINGS);
}
END_TEST

/* A vital thread that beat 12 times by now; the book may know of it. */
static void
vital(uint64_t beats, int64_t at_us)
{
    struct thread_facts *t;

    w_begin();
    w.at_us = at_us;
    w_main(WAIT_SIGNAL, true);
    t = registered(w_thread("watch"));
    t->claim.vital_every_us = 5 * US_PER_S;
    t->claim.beats = beats;
    history_remind(&h, &w);
    w_judge();
}

static void
vital_into_the_book(void)
{
    struct sight s;

    ck_assert_int_eq(sight_make(&w, &js, 1, ++wall_us, &s), 0);
    ck_assert_int_eq(history_look(&h, &s, on_news, NULL), 0);
    sight_finish(&s);
}

START_TEST(silence_between_looks_is_noticed)
{
    begin();
    vital(12, NOW_US);
    is_verdict(&w_threads[1], VERDICT_CLEAN);
    vital_into_the_book();
    vital(12, NOW_US + 3 * US_PER_S);
    is_verdict(&w_threads[1], VERDICT_CLEAN);
    vital_into_the_book();
    vital(12, NOW_US + 8 * US_PER_S);
    is_verdict(&w_threads[1], VERDICT_DEAD_WATCHER);
    is_said("no beat for 8.00 s");
    vital_into_the_book();
    ck_assert_uint_eq(news[NEWS_LEAKED], 1);
    vital(13, NOW_US + 9 * US_PER_S);
    is_verdict(&w_threads[1], VERDICT_CLEAN);
    vital_into_the_book();
    ck_assert_uint_eq(news[NEWS_RECOVERED], 1);
    vital(13, NOW_US + 13 * US_PER_S);
    is_verdict(&w_threads[1], VERDICT_CLEAN);
    w_threads[1].start_time++; /* another thread with that number */
    w_threads[1].claim.beats_before_us = 0;
    w.at_us += 60 * US_PER_S;
    history_remind(&h, &w);
    w_judge();
    is_verdict(&w_threads[1], VERDICT_CLEAN);
}
END_TEST

START_TEST(what_a_service_may_have_is_counted)
{
    const struct budget_rule rules[] = {
        {.thread = "pool*",       .max_count = 3,        .max_age_us = INT64_MAX    },
        {.thread = "start_wat?h", .max_count = UINT_MAX, .max_age_us = 80 * US_PER_S},
        {.thread = "pool_run",    .max_count = 5,        .max_age_us = INT64_MAX    },
        {.thread = "nobody",      .max_count = 0,        .max_age_us = 0            },
    };
    struct budget_breach b[4];

    begin();
    look(1, 100, 2, 5);
    ck_assert_uint_eq(budget_check(&w, &js, rules, ARRAY_LEN(rules), b, ARRAY_LEN(b)), 2);
    ck_assert_uint_eq(b[0].rule, 0);
    ck_assert_uint_eq(b[0].count, 2);
    ck_assert(!b[0].too_old);
    ck_assert_uint_eq(b[1].rule, 1);
    ck_assert(b[1].too_old);
    ck_assert_uint_eq(b[1].count, 2);
    ck_assert_uint_eq(b[1].first, 1);
    ck_assert_uint_eq(budget_check(&w, &js, rules, ARRAY_LEN(rules), b, 1), 2);
}
END_TEST

int
main(void)
{
    const TTest *tests[] = {
        a_leak_that_ends_is_recovered_with_both_times,
        a_process_that_left_by_itself_has_recovered_and_one_that_was_killed_has_not,
        the_same_number_of_a_process_is_another_one,
        one_more_with_each_retired_configuration_rises,
        those_that_leak_are_counted_beside_their_like_that_do_not,
        a_process_that_goes_on_as_another_generation_can_recover,
        a_pool_that_warms_up_does_not_rise,
        what_is_more_in_each_generation_rises_before_anything_leaks,
        one_that_leaves_is_not_compared_with_those_that_serve,
        a_generation_without_it_ends_the_rise,
        old_and_new_are_compared_by_kind,
        the_book_is_bounded_and_keeps_what_leaks,
        silence_between_looks_is_noticed,
        what_a_service_may_have_is_counted,
    };
    int r = unit_main(w_suite("probe: leaks over generations", tests, ARRAY_LEN(tests)));

    history_finish(&h);
    return r;
}
