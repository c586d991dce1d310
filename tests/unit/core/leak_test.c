/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads that leak in a worker that goes on: who is looked at, when, and what is said of it. */
#include "base/mem.h"
#include "tests/unit/core/rim.h"

#define LOOK_US (10 * US_PER_S)

static struct rim rim;
static struct rim *const r = &rim;

static void
setup(void)
{
    rim_init(r);
}

static void
teardown(void)
{
    rim_finish(r);
}

static void
serves(int64_t look_us)
{
    struct service_spec *web = service_new("web");

    web->leak_look_us = look_us;
    rim_config(r, web);
    ck_state(r, "web", "running");
    rim_forget(r);
}

static void
asks(uint64_t worker, int64_t at_us)
{
    rim_step(r,
             (struct event){.type = EVENT_INSPECT, .worker = worker, .inspect = {.at_us = at_us}});
}

static void
seen(uint64_t worker, unsigned leaked, const char *text)
{
    struct event ev = {.type = EVENT_INSPECTED, .worker = worker};

    ev.inspected.seen = true;
    ev.inspected.leaked = leaked;
    ev.inspected.text = text;
    rim_step(r, ev);
}

/* A look before that says nothing of what it asked for. */
START_TEST(each_look_that_is_asked_for_is_made_at_its_time)
{
    static const unsigned asked_s[] = {40, 30, 40, 60, 50}, looks_s[] = {30, 40, 50, 60};
    int64_t begin_us;

    serves(0);
    begin_us = r->now_us;
    for (size_t i = 0; i < ARRAY_LEN(asked_s); i++)
        asks(1, begin_us + asked_s[i] * US_PER_S);
    for (size_t i = 0; i < ARRAY_LEN(looks_s); i++) {
        rim_wait(r, begin_us + looks_s[i] * US_PER_S - r->now_us - 1);
        ck_did(r, "");
        rim_wait(r, 1);
        ck_did(r, "inspect w1");
        seen(1, 0, "all is well");
        rim_forget(r);
    }
    ck_assert_int_eq(core_next_deadline_us(r->core), TIME_NEVER);
    /* Of more than there is room for it is the last that moves. */
    begin_us = r->now_us;
    for (int64_t i = 2; i <= 9; i++)
        asks(1, begin_us + 10 * i * US_PER_S);
    for (int64_t i = 2; i <= 9; i = i < 4 ? i + 1 : i + 5) {
        rim_wait(r, begin_us + 10 * i * US_PER_S - r->now_us);
        ck_did(r, "inspect w1");
        seen(1, 0, "all is well");
        rim_forget(r);
    }
    ck_assert_int_eq(core_next_deadline_us(r->core), TIME_NEVER);
}
END_TEST

START_TEST(who_asks_for_it_is_looked_at_then_and_costs_nothing_after_it)
{
    serves(0);
    ck_assert_int_eq(core_next_deadline_us(r->core), TIME_NEVER);
    asks(1, r->now_us + 3 * US_PER_S);
    rim_wait(r, 3 * US_PER_S - 1);
    ck_did(r, "");
    rim_wait(r, 1);
    ck_did(r, "inspect w1");
    seen(1, 0, "all is well");
    ck_not_said(r, "thread_leak");
    ck_assert_int_eq(core_next_deadline_us(r->core), TIME_NEVER);
}
END_TEST

START_TEST(a_leak_is_said_once_looked_at_again_ever_more_rarely_and_its_end_is_said)
{
    static const int after_s[] = {1, 5, 30, 300, 300};

    serves(0);
    asks(1, 0);
    rim_wait(r, 0);
    seen(1, 2, "2 threads `flush`");
    ck_said(r, "thread_leak: web/1 pid 1001 | 2 threads `flush`");
    for (size_t i = 0; i < ARRAY_LEN(after_s); i++) {
        rim_forget(r);
        rim_wait(r, after_s[i] * US_PER_S - 1);
        ck_did(r, "");
        rim_wait(r, 1);
        ck_did(r, "inspect w1");
        seen(1, 2, "2 threads `flush`");
        ck_not_said(r, "thread_leak");
    }
    rim_wait(r, 300 * US_PER_S);
    rim_forget(r);
    seen(1, 3, "3 threads `flush`");
    ck_said(r, "thread_leak: web/1 pid 1001 | 3 threads `flush`");
    rim_wait(r, US_PER_S);
    seen(1, 0, "all is well");
    ck_said(r, "leak_recovered: web/1 pid 1001 | 3 threads `flush`");
    ck_assert_int_eq(core_next_deadline_us(r->core), TIME_NEVER);
    ck_assert_uint_eq(core_worker(r->core, 1)->generation->thread_leaks, 3);
}
END_TEST

START_TEST(nobody_is_looked_at_more_than_once_a_second_however_often_it_asks)
{
    serves(0);
    for (int i = 0; i < 100; i++)
        asks(1, INT64_MIN + i);
    rim_wait(r, 0);
    ck_did(r, "inspect w1");
    asks(1, 0);
    seen(1, 0, "");
    asks(1, 0);
    rim_wait(r, US_PER_S - 1);
    ck_did(r, "inspect w1");
    rim_wait(r, 1);
    ck_did(r, "inspect w1; inspect w1");
}
END_TEST

START_TEST(an_answer_that_was_lost_is_asked_for_again)
{
    serves(0);
    asks(1, 0);
    rim_wait(r, 0);
    rim_wait(r, 31 * US_PER_S);
    ck_did(r, "inspect w1; inspect w1");
    seen(1, 1, "late");
    ck_said(r, "thread_leak: web/1");
}
END_TEST

START_TEST(who_could_not_be_seen_is_not_cleared_of_anything)
{
    serves(0);
    asks(1, 0);
    rim_wait(r, 0);
    seen(1, 1, "one");
    rim_wait(r, US_PER_S);
    rim_forget(r);
    rim_step(r, (struct event){.type = EVENT_INSPECTED, .worker = 1});
    ck_not_said(r, "leak_recovered");
    rim_wait(r, US_PER_S);
    ck_did(r, "inspect w1");
}
END_TEST

START_TEST(each_generation_is_looked_at_once_to_be_compared_with_the_next)
{
    struct event ev = {.type = EVENT_INSPECTED, .worker = 2};

    serves(LOOK_US);
    rim_wait(r, LOOK_US - 1);
    ck_did(r, "");
    rim_wait(r, 1);
    ck_did(r, "inspect w1");
    seen(1, 0, "");
    rim_wait(r, 1000 * US_PER_S);
    r->exit = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_wait(r, LOOK_US);
    ck_did(r, "inspect w1; look web; spawn web/2.0 w2; signal w1 15; inspect w2");
    ev.inspected.seen = true;
    ev.inspected.compare = "12 threads, 11 before";
    rim_step(r, ev);
    ck_said(r, "threads: web/2 pid 1002 | 12 threads, 11 before");
}
END_TEST

/* @n services; from the 60th on they want to be looked at. */
static void
configure(unsigned n)
{
    struct service_spec *all[67] = {NULL};
    char name[16];

    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(name, sizeof(name), "s%u", i);
        all[i] = service_new(name);
        all[i]->leak_look_us = i < 60 ? 0 : LOOK_US;
    }
    rim_config_list(r, all);
}

START_TEST(a_start_of_many_is_followed_by_a_look_at_a_time_and_a_handoff_by_its_own)
{
    char look[32];

    configure(30); /* in steps: the rim answers so many at once */
    configure(60);
    configure(66);
    rim_forget(r);
    rim_wait(r, LOOK_US - 1);
    ck_did(r, "");
    rim_wait(r, 1);
    ck_did(r, "inspect w66"); /* 66 of 66 has the first turn, 1 the second … 61 the 62nd */
    seen(66, 0, "all is well");
    rim_forget(r);
    rim_wait(r, 61 * (250 * US_PER_MS) - 1);
    ck_did(r, "");
    for (unsigned i = 61; i < 66; i++) {
        rim_wait(r, i == 61 ? 1 : 250 * US_PER_MS);
        (void)snprintf(look, sizeof(look), "inspect w%u", i);
        ck_did(r, look);
        seen(i, 0, "all is well");
        rim_forget(r);
    }
    rim_ask(r, EVENT_RELOAD, "s62", true);
    rim_wait(r, LOOK_US);
    ck_assert_msg(strstr(text_str(&r->did), "inspect") != NULL, "%s", text_str(&r->did));
}
END_TEST

START_TEST(who_can_never_be_seen_is_left_alone)
{
    static const int after_s[] = {1, 5, 30, 300};

    serves(0);
    asks(1, 0);
    rim_wait(r, 0);
    for (size_t i = 0; i < ARRAY_LEN(after_s); i++) {
        rim_step(r, (struct event){.type = EVENT_INSPECTED, .worker = 1});
        rim_forget(r);
        rim_wait(r, after_s[i] * US_PER_S);
        ck_did(r, "inspect w1");
    }
    rim_step(r, (struct event){.type = EVENT_INSPECTED, .worker = 1});
    ck_assert_int_eq(core_next_deadline_us(r->core), TIME_NEVER);
}
END_TEST

START_TEST(who_is_on_its_way_out_is_not_looked_at_beside_its_evidence)
{
    serves(0);
    r->exit = false;
    asks(1, r->now_us + US_PER_S);
    rim_ask(r, EVENT_STOP, "web", false);
    rim_wait(r, 20 * US_PER_S);
    ck_did(r, "signal w1 15");
    seen(1, 4, "an answer from before");
    ck_not_said(r, "thread_leak");
}
END_TEST

START_TEST(a_budget_is_looked_after_and_told_when_it_is_broken_and_when_it_is_kept_again)
{
    struct service_spec *web = service_new("web");
    struct event ev = {.type = EVENT_INSPECTED, .worker = 1};

    web->leak_every_us = 60 * US_PER_S;
    web->leak_budget = must(calloc(1, sizeof(*web->leak_budget)));
    web->leak_budget[0] = (struct leak_budget){.thread = must(strdup("flush-*")), .max = 4};
    web->n_leak_budget = 1;
    rim_config(r, web);
    rim_forget(r);
    rim_wait(r, 60 * US_PER_S);
    ck_did(r, "inspect w1");
    ev.inspected.seen = true;
    ev.inspected.over = 1;
    ev.inspected.budget = "9 threads flush-*, 4 are allowed";
    rim_step(r, ev);
    ck_said(r, "leak_budget: web/1 pid 1001 | 9 threads flush-*, 4 are allowed");
    rim_forget(r);
    rim_wait(r, 60 * US_PER_S);
    rim_step(r, ev);
    ck_not_said(r, "leak_budget");
    rim_wait(r, 60 * US_PER_S);
    seen(1, 0, "");
    ck_said(r, "leak_budget: web/1 pid 1001 | the leak_budget is kept again");
    ck_did(r, "inspect w1; inspect w1");
}
END_TEST

START_TEST(a_trend_that_is_seen_in_the_soak_rejects_the_candidate)
{
    struct service_spec *web = service_new("web");
    struct event ev = {.type = EVENT_INSPECTED, .worker = 2};

    web->leak_look_us = LOOK_US;
    web->soak_us = 60 * US_PER_S;
    rim_config(r, web);
    rim_wait(r, 61 * US_PER_S);
    ck_state(r, "web", "running");
    r->exit = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_forget(r);
    rim_wait(r, LOOK_US);
    ck_did(r, "inspect w2");
    ev.inspected.seen = true;
    ev.inspected.trend = "`flush`: 1, 2, 3";
    rim_step(r, ev);
    ck_said(r, "leak_trend: web/2 pid 1002 | `flush`: 1, 2, 3");
    ck_said(r, "its threads are more with each generation: `flush`: 1, 2, 3");
    ck_said(r, "verdict: web/1 rejected");
    ck_did(r, "inspect w2; signal w2 15");
}
END_TEST

RIM_SUITE_MAIN("leak", each_look_that_is_asked_for_is_made_at_its_time,
               who_asks_for_it_is_looked_at_then_and_costs_nothing_after_it,
               a_leak_is_said_once_looked_at_again_ever_more_rarely_and_its_end_is_said,
               nobody_is_looked_at_more_than_once_a_second_however_often_it_asks,
               an_answer_that_was_lost_is_asked_for_again,
               who_could_not_be_seen_is_not_cleared_of_anything,
               each_generation_is_looked_at_once_to_be_compared_with_the_next,
               a_start_of_many_is_followed_by_a_look_at_a_time_and_a_handoff_by_its_own,
               who_can_never_be_seen_is_left_alone,
               who_is_on_its_way_out_is_not_looked_at_beside_its_evidence,
               a_budget_is_looked_after_and_told_when_it_is_broken_and_when_it_is_kept_again,
               a_trend_that_is_seen_in_the_soak_rejects_the_candidate)
