/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

/* Who worked on past a deadline, and who calls with which timeout, as the master reads it. */
#define MS    INT64_C(1000)
#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct master m;

static void
up(const char *policy)
{
    ck_assert_int_eq(setenv("STINT_DEADLINES", policy, 1), 0);
    m = master_start();
    ck_assert_int_eq(stint_init(NULL), 0);
}

static struct stint_registry_header
header(void)
{
    struct stint_registry_header h;

    ck_assert_int_eq(pread(m.registry, &h, sizeof(h), 0), sizeof(h));
    return h;
}

static struct stint_registry_overrun
row_at(uint32_t i)
{
    struct stint_registry_header h = header();
    struct stint_registry_overrun row;

    ck_assert_uint_lt(i, h.overruns.used);
    ck_assert_int_eq(
        pread(m.registry, &row, sizeof(row), (off_t)(h.overruns.offset + i * h.overruns.stride)),
        sizeof(row));
    ck_assert_uint_eq(row.seq % 2, 0);
    return row;
}

static struct stint_registry_caller
caller_named(const char *name)
{
    struct stint_registry_header h = header();
    struct stint_registry_caller row = {.calls = 0};

    for (uint32_t i = 0; i < h.callers.used; i++) {
        ck_assert_int_eq(
            pread(m.registry, &row, sizeof(row), (off_t)(h.callers.offset + i * h.callers.stride)),
            sizeof(row));
        if (strcmp(row.name, name) == 0)
            return row;
    }
    ck_abort_msg("no caller '%s'", name);
    return row;
}

static struct stint_token *
opened(const char *name, const char *caller, int64_t timeout_us)
{
    struct stint_deadline_call call = STINT_DEADLINE_CALL(name, caller);
    struct stint_token *token = NULL;

    call.timeout_us = timeout_us;
    ck_assert_msg(stint_deadline_open(&token, stint_root(), &call) == 0, "%s", call.refused);
    return token;
}

static void
outlive(const struct stint_token *token, int64_t by_us)
{
    while (stint_now_us() < stint_token_deadline(token) + by_us)
        ck_assert_int_eq(stint_token_sleep(NULL, MS), 0);
}

START_TEST(a_task_that_ends_past_its_deadline_is_counted_with_thread_creator_and_trace)
{
    struct stint_registry_overrun row;
    struct stint_token *request;

    up("tolerance=1000");
    request = opened("GetUser", "gateway", 5 * MS);
    ck_assert_int_eq(stint_token_trace(request, TRACE), 0);
    ck_assert_int_eq(stint_task_begin(request, NULL), 0);
    outlive(request, 3 * MS);
    stint_task_end();
    stint_deadline_close(request); /* the same work: counted once */
    ck_assert_uint_eq(header().overrun, 1);
    ck_assert_uint_eq(header().overruns.used, 1);
    row = row_at(0);
    ck_assert_uint_eq(row.count, 1);
    ck_assert_str_eq(row.thread, "main");
    ck_assert_str_eq(row.task, "GetUser");
    ck_assert_str_eq(row.scope, "root");
    ck_assert_uint_eq(row.tid, (uint32_t)getpid());
    ck_assert_int_ge(row.over_us, 3 * MS);
    ck_assert_int_eq(row.most_us, row.over_us);
    ck_assert_uint_gt(row.last_us, 0);
    ck_assert_uint_eq(row.trace_id[0], 0x0a);
    ck_assert_uint_eq(caller_named("gateway").overruns, 1);
}
END_TEST

START_TEST(what_ends_in_time_or_within_the_tolerance_or_has_no_deadline_is_not_counted)
{
    struct stint_token *soon, *late, *none;

    up("tolerance=10000000");
    soon = opened("soon", NULL, 1000000 * MS);
    late = opened("late", NULL, MS);
    none = opened("none", NULL, STINT_NEVER);
    for (int i = 0; i < 3; i++) {
        struct stint_token *token = i == 0 ? soon : i == 1 ? late : none;

        ck_assert_int_eq(stint_task_begin(token, NULL), 0);
        if (token == late)
            outlive(token, MS);
        stint_task_end();
        stint_deadline_close(token);
    }
    ck_assert_uint_eq(header().overrun, 0);
    ck_assert_uint_eq(header().overruns.used, 0);
    ck_assert_uint_eq(caller_named("").calls, 3);
    ck_assert_uint_eq(caller_named("").without, 1);
}
END_TEST

START_TEST(tasks_within_a_task_are_counted_once_with_the_outermost)
{
    struct stint_token *request, *inner;

    up("tolerance=0");
    request = opened("outer", NULL, 2 * MS);
    inner = stint_token_new(request, "inner");
    ck_assert_int_eq(stint_task_begin(request, NULL), 0);
    ck_assert_int_eq(stint_task_begin(inner, NULL), 0);
    outlive(request, MS);
    stint_task_end();
    ck_assert_uint_eq(header().overrun, 0);
    stint_task_end();
    ck_assert_uint_eq(header().overrun, 1);
    ck_assert_str_eq(row_at(0).task, "outer");
    stint_token_unref(inner);
    stint_deadline_close(request);
}
END_TEST

START_TEST(a_request_without_a_task_is_counted_when_it_is_closed)
{
    struct stint_token *request;

    up("tolerance=0");
    request = opened("evented", "cron", MS);
    outlive(request, MS);
    stint_deadline_close(request);
    ck_assert_uint_eq(header().overrun, 1);
    ck_assert_str_eq(row_at(0).task, "evented");
    ck_assert_uint_eq(caller_named("cron").overruns, 1);
}
END_TEST

static void
oversleep(void *arg)
{
    outlive(arg, 2 * MS);
}

START_TEST(a_thread_that_obeys_a_token_with_a_deadline_is_counted_at_its_end)
{
    struct stint_scope *scope;
    struct stint_token *request, *below;
    struct stint_thread *thread;
    struct stint_registry_overrun row;

    up("tolerance=0");
    scope = stint_scope_open(NULL, "requests");
    request = stint_token_with_deadline(stint_scope_token(scope), "slow", stint_now_us() + 2 * MS);
    below = stint_token_new(request, "below");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(stint_thread_spawn(&thread, below, "sleeper", oversleep, below), 0);
        ck_assert_int_eq(stint_thread_join(thread, NULL, STINT_NEVER), 0);
    }
    row = row_at(0);
    ck_assert_uint_eq(header().overruns.used, 1); /* the same name, place and scope */
    ck_assert_uint_eq(row.count, 3);
    ck_assert_str_eq(row.thread, "sleeper");
    ck_assert_str_eq(row.creator_name, "main");
    ck_assert_str_eq(row.scope, "requests");
    ck_assert_str_eq(row.task, "below");
    ck_assert_uint_gt(row.birth_site, 0);
    ck_assert_int_ge(row.most_us, row.over_us);
    stint_token_unref(below);
    stint_token_unref(request);
    ck_assert_int_eq(stint_scope_close(scope, 0, NULL, 0), 0);
}
END_TEST

START_TEST(a_scope_with_a_deadline_has_threads_that_are_counted_when_they_outlast_it)
{
    struct stint_scope *outer, *inner;
    struct stint_registry_overrun row;

    up("tolerance=0");
    outer = stint_scope_open_by(NULL, "batch", stint_now_us() + 2 * MS);
    inner = stint_scope_open_by(outer, "part", STINT_NEVER); /* no later than what it is in */
    ck_assert_int_eq(stint_token_deadline(stint_scope_token(inner)),
                     stint_token_deadline(stint_scope_token(outer)));
    ck_assert_int_eq(stint_scope_spawn(inner, "late", oversleep, stint_scope_token(outer)), 0);
    ck_assert_int_eq(stint_scope_close(inner, 10000 * MS, NULL, 0), 0);
    ck_assert_int_eq(stint_scope_close(outer, 0, NULL, 0), 0);
    row = row_at(0);
    ck_assert_str_eq(row.thread, "late");
    ck_assert_str_eq(row.scope, "part");
    ck_assert_uint_eq(header().overrun, 1);
}
END_TEST

START_TEST(callers_are_told_apart_by_what_they_ask_for)
{
    struct stint_deadline_call call = STINT_DEADLINE_CALL("op", "gateway");
    struct stint_token *token = NULL;
    struct stint_registry_caller row;

    up("max=2000000");
    stint_deadline_close(opened("op", "gateway", 500 * MS));
    stint_deadline_close(opened("op", "gateway", 9000 * MS));
    stint_deadline_close(opened("op", "gateway", STINT_NEVER));
    call.timeout_us = 0;
    ck_assert_int_eq(stint_deadline_open(&token, NULL, &call), -ETIMEDOUT);
    row = caller_named("gateway");
    ck_assert_uint_eq(row.calls, 4);
    ck_assert_uint_eq(row.without, 1);
    ck_assert_uint_eq(row.expired, 1);
    ck_assert_uint_eq(row.malformed, 0);
    ck_assert_uint_eq(row.cut, 1);
    ck_assert_int_eq(row.least_us, 500 * MS);
    ck_assert_int_eq(row.most_us, 9000 * MS);
    for (int i = 0; i < 40; i++) {
        char name[16];

        ck_assert_int_gt(snprintf(name, sizeof(name), "caller-%d", i), 0);
        stint_deadline_close(opened("op", name, MS));
    }
    ck_assert_uint_eq(header().callers.used, STINT_REGISTRY_CALLERS);
    ck_assert_uint_eq(header().overflow_callers, 40 + 1 - STINT_REGISTRY_CALLERS);
}
END_TEST

/* Names of threads without end, from one place: the last row takes those for whom there is none. */
START_TEST(more_threads_than_rows_are_counted_all_the_same)
{
    struct stint_token *over;
    struct stint_thread *thread;
    uint64_t counted = 0;

    up("tolerance=0");
    over = stint_token_with_deadline(NULL, "over", stint_now_us() - 1);
    for (int i = 0; i < STINT_REGISTRY_OVERRUNS + 20; i++) {
        char name[16];

        ck_assert_int_gt(snprintf(name, sizeof(name), "t-%d", i), 0);
        ck_assert_int_eq(stint_thread_spawn(&thread, over, name, oversleep, over), 0);
        ck_assert_int_eq(stint_thread_join(thread, NULL, STINT_NEVER), 0);
    }
    ck_assert_uint_eq(header().overrun, STINT_REGISTRY_OVERRUNS + 20);
    ck_assert_uint_eq(header().overruns.used, STINT_REGISTRY_OVERRUNS);
    for (uint32_t i = 0; i < STINT_REGISTRY_OVERRUNS; i++)
        counted += row_at(i).count;
    ck_assert_uint_eq(counted, STINT_REGISTRY_OVERRUNS + 20);
    stint_token_unref(over);
}
END_TEST

#define CALLERS_PER_THREAD 2000

static void
call_much(void *arg)
{
    (void)arg;
    for (int i = 0; i < CALLERS_PER_THREAD; i++)
        stint_deadline_close(opened("op", i % 2 ? "even" : "odd", (1 + i % 7) * (1000 * MS)));
}

START_TEST(threads_that_count_at_once_lose_nothing)
{
    struct stint_thread *threads[4];

    up("tolerance=0");
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(stint_thread_spawn(&threads[i], stint_root(), "caller", call_much, NULL),
                         0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(stint_thread_join(threads[i], NULL, STINT_NEVER), 0);
    ck_assert_uint_eq(caller_named("even").calls + caller_named("odd").calls,
                      (uint64_t)4 * CALLERS_PER_THREAD);
    ck_assert_int_eq(caller_named("even").least_us, 1000 * MS);
    ck_assert_int_eq(caller_named("even").most_us, 7000 * MS);
    ck_assert_uint_eq(header().callers.used, 2);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("overrun");
    TCase *t = tcase_create("overrun");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_task_that_ends_past_its_deadline_is_counted_with_thread_creator_and_trace);
    tcase_add_test(t, what_ends_in_time_or_within_the_tolerance_or_has_no_deadline_is_not_counted);
    tcase_add_test(t, tasks_within_a_task_are_counted_once_with_the_outermost);
    tcase_add_test(t, a_request_without_a_task_is_counted_when_it_is_closed);
    tcase_add_test(t, a_thread_that_obeys_a_token_with_a_deadline_is_counted_at_its_end);
    tcase_add_test(t, a_scope_with_a_deadline_has_threads_that_are_counted_when_they_outlast_it);
    tcase_add_test(t, callers_are_told_apart_by_what_they_ask_for);
    tcase_add_test(t, more_threads_than_rows_are_counted_all_the_same);
    tcase_add_test(t, threads_that_count_at_once_lose_nothing);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
