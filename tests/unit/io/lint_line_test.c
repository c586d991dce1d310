/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "supervisor/io/lint_line.h"
#include "tests/unit/unit.h"

#define T "0af7651916cd43dd8448eb211c80319c"
#define S "b7ad6b7169203331"
#define Z "00000000000000000000000000000000"

#define G LINT_GOOD
#define N LINT_NONE
#define B LINT_BAD
#define O LINT_ZERO

static const struct lint_keys usual = {TRACE_AUTO, NULL, NULL};

struct row {
    const char *line;
    enum lint_id trace, span;
};

/* clang-format off */
static const struct row rows[] = {
    {"", N, N},
    {"a line like any other", N, N},
    {"level=info msg=\"a = b\" path=/", N, N},
    /* logfmt */
    {"trace_id=" T " span_id=" S, G, G},
    {"level=info trace_id=\"" T "\" span_id=\"" S "\" msg=x", G, G},
    {"level=info traceId=" T " spanId=" S, G, G},
    {"trace.id=" T ", span.id=" S ";", G, G},
    {"2026-11-26 10:00:00 [trace_id=" T " span_id=" S " resource.service.name=x] - hello", G, G},
    {"otelTraceID=" T " otelSpanID=" S, G, G},
    {"otelTraceID=0 otelSpanID=0 hello", O, O},
    {"trace_id=" T, G, N},
    {"span_id=" S, N, G},
    {"trace_id= span_id=" S, N, G},
    {"trace_id=None span_id=null", N, N},
    {"trace_id=" Z " span_id=" S, O, G},
    {"trace_id=" T " span_id=0000000000000000", G, O},
    {"trace_id=0AF7651916CD43DD8448EB211C80319C span_id=" S, B, G},
    {"trace_id=" T "0 span_id=" S, B, G},
    {"trace_id=" T " span_id=b7ad", G, B},
    {"trace_id=xyz", B, N},
    {"trace=" T " span_id=" S, G, G},
    {"trace=none reason=startup", N, N},
    {"trace=on span=3", N, N},
    {"parent_span_id=" S " trace_id=" T, G, N},
    {"trace_id=" T " trace_id=" Z " span_id=" S, G, G}, /* the first counts */
    {"traceparent=00-" T "-" S "-01 hello", G, G},
    {"traceparent=00-" T "-" S, B, N},
    /* text within quotes is data, and so is what is a part of something else */
    {"msg=\"trace_id=" T " span_id=" S "\"", N, N},
    {"msg=\"say \\\"trace_id=" T "\\\"\" span_id=" S, N, G},
    {"GET /?trace_id=" T "&span_id=" S " 200", N, N},
    {"url=/x?trace_id=" T " span_id=" S, N, G},
    {"msg=\"never closed trace_id=" T, N, N},
    /* JSON */
    {"{\"trace_id\":\"" T "\",\"span_id\":\"" S "\"}", G, G},
    {" {\"msg\":\"a \\\"b\\\"\", \"traceId\" : \"" T "\" , \"spanId\":\"" S "\"}", G, G},
    {"{\"otel\":{\"trace_id\":\"" T "\",\"span_id\":\"" S "\"}}", G, G},
    {"{\"a\":{\"b\":{\"trace_id\":\"" T "\"}}}", N, N},
    {"{\"list\":[\"trace_id\",\"" T "\",{\"trace_id\":\"" T "\"}]}", N, N},
    {"{\"list\":[1,[2]],\"trace_id\":\"" T "\"}", G, N},
    {"{\"trace_id\":null,\"span_id\":\"" S "\"}", N, G},
    {"{\"trace_id\":\"\",\"span_id\":\"\"}", N, N},
    {"{\"trace_id\":0}", O, N},
    {"{\"trace_id\":true}", B, N},
    {"{\"msg\":\"{\\\"trace_id\\\":\\\"" T "\\\"}\"}", N, N},
    {"{\"msg\":\"\\\\\",\"trace_id\":\"" T "\"}", G, N},
    {"{\"trace_id\":\"" T, N, N}, /* cut */
    {"{\"trace_id\"", N, N},
    {"{\"trace_id\":", N, N},
    {"{\"traceparent\":\"00-" T "-" S "-01\"}", G, G},
    {"{\"msg\":\"00-" T "-" S "-01\"}", N, N},
    {"{}}}}]]]{\"trace_id\":\"" T "\"}", G, N},
    /* a traceparent in a text */
    {"served 00-" T "-" S "-01", G, G},
    {"(00-" T "-" S "-01)", G, G},
    {"00-" T "-" S "-01", G, G},
    {"x00-" T "-" S "-01", N, N},
    {"00-" T "-" S "-012", N, N},
    {"00-" T "-" S, N, N},
    {"00-00-" T "-" S "-01", G, G},
    {"00-" Z "-" S "-01", O, G},
    {"------------------------------------------------------------", N, N},
};
/* clang-format on */

/* Whoever looks for the ids only finds the same ones, and all the rest where it is asked for. */
static void
assert_ids_are_the_same(const struct lint_keys *keys, const char *line, size_t n,
                        const struct lint_found *whole)
{
    struct lint_found ids;
    bool all = lint_find_ids(keys, line, n, &ids);

    ck_assert_msg(ids.trace == whole->trace && ids.span == whole->span, "%.*s", (int)n, line);
    ck_assert(ids.trace_id == whole->trace_id && ids.span_id == whole->span_id);
    ck_assert(all || (ids.trace == LINT_GOOD && ids.span == LINT_GOOD));
    if (all)
        ck_assert(ids.explained == whole->explained && ids.tid == whole->tid &&
                  ids.thread.at == whole->thread.at && ids.thread.n == whole->thread.n);
}

START_TEST(what_lines_say)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = strlen(rows[i].line);
        char *line = malloc(n ? n : 1); /* whose end a sanitizer sees */
        struct lint_found found;

        memcpy(line, rows[i].line, n);
        lint_find(&usual, line, n, &found);
        ck_assert_msg(found.trace == rows[i].trace && found.span == rows[i].span,
                      "%s: trace %d, span %d", rows[i].line, (int)found.trace, (int)found.span);
        ck_assert_int_eq(found.trace_id != NULL, found.trace == LINT_GOOD);
        ck_assert_int_eq(found.span_id != NULL, found.span == LINT_GOOD);
        ck_assert(!found.trace_id || memcmp(found.trace_id, T, 32) == 0);
        ck_assert(!found.span_id || memcmp(found.span_id, S, 16) == 0);
        assert_ids_are_the_same(&usual, line, n, &found);
        free(line);
    }
}
END_TEST

static struct lint_found
find_by(const struct lint_keys *keys, const char *line)
{
    struct lint_found found;

    lint_find(keys, line, strlen(line), &found);
    return found;
}

START_TEST(keys_and_the_format_can_be_named)
{
    const struct lint_keys named = {TRACE_LOGFMT, "dd.trace", "my-span"};
    const struct lint_keys json = {TRACE_JSON, NULL, NULL}, text = {TRACE_TEXT, NULL, NULL};
    struct lint_found found;

    found = find_by(&named, "dd.trace=" T " my-span=" S);
    ck_assert(found.trace == LINT_GOOD && found.span == LINT_GOOD);
    found = find_by(&named, "trace_id=" T " span_id=" S); /* those are something else here */
    ck_assert(found.trace == LINT_NONE && found.span == LINT_NONE);
    found = find_by(&named, "{\"dd.trace\":\"" T "\"}");
    ck_assert(found.trace == LINT_NONE);
    found = find_by(&json, "trace_id=" T);
    ck_assert(found.trace == LINT_NONE);
    found = find_by(&json, "INFO {\"trace_id\":\"" T "\"}");
    ck_assert(found.trace == LINT_GOOD);
    found = find_by(&text, "trace_id=" T);
    ck_assert(found.trace == LINT_NONE);
    found = find_by(&text, "{00-" T "-" S "-01}");
    ck_assert(found.trace == LINT_GOOD);
}
END_TEST

START_TEST(a_line_says_whose_it_is_and_why_it_has_no_trace)
{
    struct lint_found found =
        find_by(&usual, "trace=none reason=unregistered thread=\"a b\" tid=4711 msg=\"tid=1\"");

    ck_assert(found.explained && found.trace == LINT_NONE);
    ck_assert_uint_eq(found.tid, 4711);
    ck_assert_uint_eq(found.thread.n, 3);
    ck_assert_int_eq(memcmp(found.thread.at, "a b", 3), 0);
    ck_assert(!find_by(&usual, "trace=none").explained);
    ck_assert(!find_by(&usual, "reason=startup").explained);
    ck_assert(!find_by(&usual, "trace=none reason=x span_id=" S).explained);
    found = find_by(&usual,
                    "{\"thread_name\":\"w\",\"threadId\":12,\"trace\":\"none\",\"reason\":\"x\"}");
    ck_assert(found.explained);
    ck_assert_uint_eq(found.tid, 12);
    ck_assert_uint_eq(found.thread.n, 1);
    ck_assert_uint_eq(find_by(&usual, "tid=abc").tid, 0);
    ck_assert_uint_eq(find_by(&usual, "tid=99999999999").tid, 0);
}
END_TEST

/* Lines made to be slow: each byte of them is looked at a few times, and no more than LINT_BYTES of them. */
START_TEST(hostile_lines_cost_little)
{
    static const char *const patterns[] = {"=",    "\"",  "\\\"", "{",  "{\"a\":",   "-",     "00-",
                                           "a=\"", "[\"", "\\",   "a=", "trace_id=", "==\"\\"};
    const size_t bytes = 1 << 20;
    char *line = malloc(bytes);
    struct timespec from, to;
    struct lint_found found;
    double ns;

    for (size_t p = 0; p < ARRAY_LEN(patterns); p++) {
        size_t n = strlen(patterns[p]);

        for (size_t i = 0; i < bytes; i++)
            line[i] = patterns[p][i % n];
        if (p % 2)
            line[0] = '{';
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        for (int i = 0; i < 200; i++)
            lint_find(&usual, line, bytes, &found);
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
        ck_assert_msg(ns / 200 < 2e6, "'%s': %.0f ns", patterns[p], ns / 200); /* some µs, mostly */
    }
    free(line);
}
END_TEST

START_TEST(any_bytes_are_harmless)
{
    static const char alphabet[] = "{}[]\",:= \\-0af_tracesidp.\n\xff";
    unsigned seed = 1;

    for (int round = 0; round < 200000; round++) {
        size_t n = (size_t)(round % 90);
        char *line = malloc(n ? n : 1);
        struct lint_found found;

        for (size_t i = 0; i < n; i++)
            line[i] =
                alphabet[(size_t)(seed = seed * 1103515245 + 12345) / 65536 % sizeof(alphabet)];
        lint_find(&usual, line, n, &found);
        ck_assert(found.thread.n <= n);
        assert_ids_are_the_same(&usual, line, n, &found);
        free(line);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("lint_line");
    TCase *t = tcase_create("lint_line");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_lines_say);
    tcase_add_test(t, keys_and_the_format_can_be_named);
    tcase_add_test(t, a_line_says_whose_it_is_and_why_it_has_no_trace);
    tcase_add_test(t, hostile_lines_cost_little);
    tcase_add_test(t, any_bytes_are_harmless);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
