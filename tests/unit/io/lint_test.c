/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/io/lint.h"
#include "supervisor/probe/registry.h"
#include "tests/unit/unit.h"
#include "worker-api/stint.h"

#define T  "0af7651916cd43dd8448eb211c80319c"
#define T2 "1af7651916cd43dd8448eb211c80319c"
#define S  "b7ad6b7169203331"

static struct lint *l;
static int told;
static struct lint_finding last;
static char trace[33];

static void
on_found(void *env, const struct lint_finding *f)
{
    ck_assert_ptr_eq(env, &told);
    told++;
    last = *f;
}

static void
up(void)
{
    const struct lint_keys keys = {TRACE_AUTO, NULL, NULL};

    l = lint_create(on_found, &told);
    ck_assert_ptr_nonnull(l);
    lint_configure(l, &keys);
    told = 0;
}

static void
down(void)
{
    lint_destroy(l);
}

static bool
say_from(int registry, const char *line)
{
    const struct lint_origin from = {7, getpid(), registry};

    memset(trace, 0, sizeof(trace));
    const char *own = lint_line(l, &from, line, strlen(line));

    if (own)
        memcpy(trace, own, 32);
    return own != NULL;
}

static bool
say(const char *line)
{
    return say_from(-1, line);
}

START_TEST(each_line_is_counted_as_one_thing)
{
    const struct lint_counts *c = lint_counts(l);

    ck_assert(say("trace_id=" T " span_id=" S));
    ck_assert_str_eq(trace, T);
    ck_assert(say("trace_id=" T));
    ck_assert(!say("hello"));
    ck_assert(!say("trace=none reason=startup"));
    ck_assert(!say("span_id=" S));
    ck_assert(!say("trace_id=00 span_id=" S));
    ck_assert(!say("trace_id=x"));
    ck_assert(say("trace_id=" T " span_id=x")); /* it is of that trace, whatever its span */
    ck_assert_uint_eq(c->lines, 8);
    ck_assert_uint_eq(c->stamped, 3);
    ck_assert_uint_eq(c->without_trace, 1);
    ck_assert_uint_eq(c->explained, 1);
    ck_assert_uint_eq(c->faults[LINT_SPAN_ALONE], 1);
    ck_assert_uint_eq(c->faults[LINT_ALL_ZERO], 1);
    ck_assert_uint_eq(c->faults[LINT_MALFORMED], 2);
    ck_assert_uint_eq(c->faults[LINT_TRACE_CHANGED], 0);
    ck_assert_uint_eq(c->faults[LINT_LOST], 0);
}
END_TEST

START_TEST(a_span_that_is_of_another_trace_all_at_once_is_found)
{
    ck_assert(say("trace_id=" T " span_id=" S));
    ck_assert(say("trace_id=" T " span_id=" S));
    ck_assert_int_eq(told, 0);
    ck_assert(say("trace_id=" T2 " span_id=" S));
    ck_assert_int_eq(told, 1);
    ck_assert_int_eq(last.fault, LINT_TRACE_CHANGED);
    ck_assert(say("trace_id=" T2 " span_id=" S)); /* that is what it is now */
    ck_assert_uint_eq(lint_counts(l)->faults[LINT_TRACE_CHANGED], 1);
}
END_TEST

START_TEST(a_fault_is_told_once_for_each_thread_and_counted_always)
{
    size_t n;

    for (int i = 0; i < 5; i++) {
        (void)say("thread=a span_id=" S " msg=\"\x1b[31m\"");
        (void)say("thread=b span_id=" S);
        (void)say("span_id=" S);
    }
    ck_assert_int_eq(told, 3);
    ck_assert_ptr_nonnull(lint_findings(l, &n));
    ck_assert_uint_eq(n, 3);
    ck_assert_str_eq(lint_findings(l, &n)[0].thread, "a");
    ck_assert_str_eq(lint_findings(l, &n)[0].creator, "");
    ck_assert_str_eq(lint_findings(l, &n)[0].line, "thread=a span_id=" S " msg=\"?[31m\"");
    ck_assert_uint_eq(lint_findings(l, &n)[0].count, 5);
    ck_assert_uint_eq(lint_findings(l, &n)[0].generation, 7);
    ck_assert_str_eq(lint_findings(l, &n)[2].thread, "");
    for (int i = 0; i < 1000; i++) { /* names without end */
        char line[128];

        (void)snprintf(line, sizeof(line), "thread=t%d span_id=" S, i);
        (void)say(line);
    }
    ck_assert_ptr_nonnull(lint_findings(l, &n));
    ck_assert_uint_eq(n, LINT_THREADS);
    ck_assert_uint_eq(lint_counts(l)->faults[LINT_SPAN_ALONE], 1015);
    ck_assert_uint_eq(lint_counts(l)->untold, 1000 - (LINT_THREADS - 3));
}
END_TEST

struct lines {
    char with[256], without[256], by_name[256];
};

static void
write_lines(void *arg)
{
    struct lines *lines = arg;
    char id[33], span[17];

    (void)stint_trace_ids(NULL, id, span);
    (void)snprintf(lines->with, sizeof(lines->with), "tid=%d trace_id=%s span_id=%s", gettid(), id,
                   span);
    (void)snprintf(lines->without, sizeof(lines->without), "tid=%d msg=hello", gettid());
    (void)snprintf(lines->by_name, sizeof(lines->by_name), "{\"thread\":\"forgetful\"}");
}

static int registry;

static void
lose(void *arg)
{
    struct lines *lines = arg;

    write_lines(lines);
    ck_assert(say_from(registry, lines->with));
    for (int i = 0; i < 3; i++)
        (void)say_from(registry, lines->without);
    (void)say_from(registry, lines->by_name);
    (void)say_from(registry, "msg=hello"); /* whose it is nobody says */
}

START_TEST(a_thread_that_has_a_trace_and_prints_without_it_is_named_with_who_started_it)
{
    struct error err = {0};
    struct stint_thread *thread;
    struct lines lines;
    char number[16];

    ck_assert_int_eq(registry_create(&registry, &err), 0);
    (void)snprintf(number, sizeof(number), "%d", dup(registry));
    ck_assert_int_eq(setenv("STINT_REGISTRY", number, 1), 0);
    ck_assert_int_eq(setenv("TRACEPARENT", "00-" T "-" S "-01", 1), 0);
    ck_assert_int_eq(
        stint_init(&(struct stint_options){sizeof(struct stint_options), STINT_OPT_KEEP_SIGTERM}),
        0);
    ck_assert_int_eq(stint_thread_spawn(&thread, stint_root(), "forgetful", lose, &lines), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, STINT_NEVER), 0);
    ck_assert_int_eq(told, 1); /* by its number and by its name it is the same */
    ck_assert_int_eq(last.fault, LINT_LOST);
    ck_assert_str_eq(last.thread, "forgetful");
    ck_assert_ptr_nonnull(strstr(last.creator, "lint_test.c:"));
    ck_assert_int_eq(strncmp(last.creator, "a_thread_that_has_a_trace", 25), 0);
    ck_assert_uint_eq(lint_counts(l)->faults[LINT_LOST], 4);
    ck_assert_uint_eq(lint_counts(l)->without_trace, 5);
    ck_assert_uint_eq(lint_counts(l)->stamped, 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("lint");
    TCase *t = tcase_create("lint");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, up, down);
    tcase_add_test(t, each_line_is_counted_as_one_thing);
    tcase_add_test(t, a_span_that_is_of_another_trace_all_at_once_is_found);
    tcase_add_test(t, a_fault_is_told_once_for_each_thread_and_counted_always);
    tcase_add_test(t, a_thread_that_has_a_trace_and_prints_without_it_is_named_with_who_started_it);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
