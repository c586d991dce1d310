/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is counted of a service: by what people are told, and only for as long as it is there. */
#include "tests/unit/core/rim.h"

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

static const struct service_tally *
of(const char *name)
{
    return &core_service_by_name(r->core, name)->tally;
}

START_TEST(a_handoff_is_counted_from_its_start_to_the_certificate)
{
    rim_config(r, service_new("web"));
    ck_assert_int_eq(of("web")->since_us, r->now_us);
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_wait(r, 60 * US_PER_S);

    ck_assert_uint_eq(of("web")->verdicts[OUTCOME_SERVING], 2);
    ck_assert_uint_eq(of("web")->verdicts[OUTCOME_REJECTED], 0);
    ck_assert_uint_eq(of("web")->spawns, 2);
    ck_assert_uint_eq(of("web")->exits, 1);
    ck_assert_uint_eq(of("web")->certificates[CERTIFIED_PIDS], 1);
    ck_assert_uint_eq(of("web")->unclean, 0);
    ck_assert_uint_eq(of("web")->overdue, 0);
}
END_TEST

START_TEST(who_will_not_leave_is_counted_as_overdue_and_killed_and_the_certificate_as_unclean)
{
    rim_config(r, service_new("web"));
    r->exit = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_wait(r, 600 * US_PER_S);
    ck_assert_uint_eq(of("web")->overdue, 1);
    ck_assert_uint_eq(of("web")->kills, 1);
    ck_assert_uint_eq(of("web")->exits, 0);

    rim_dies(r, 1, SIGKILL);
    rim_wait(r, 60 * US_PER_S);
    ck_assert_uint_eq(of("web")->exits, 1);
    ck_assert_uint_eq(of("web")->unclean, 1);
}
END_TEST

START_TEST(a_candidate_that_is_not_ready_in_time_is_counted_as_aborted_and_rejected)
{
    rim_config(r, service_new("web"));
    r->ready = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_wait(r, 600 * US_PER_S);

    ck_assert_uint_eq(of("web")->verdicts[OUTCOME_REJECTED], 1);
    ck_assert_uint_eq(of("web")->aborted, 1);
    ck_assert_int_gt(of("web")->reload_us, 0);
}
END_TEST

RIM_SUITE_MAIN("tally", a_handoff_is_counted_from_its_start_to_the_certificate,
               who_will_not_leave_is_counted_as_overdue_and_killed_and_the_certificate_as_unclean,
               a_candidate_that_is_not_ready_in_time_is_counted_as_aborted_and_rejected)
