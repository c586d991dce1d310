/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/w3c_cases.h"
#include "worker-api/stint.h"

#define ID     W3C_ID
#define PARENT W3C_PARENT
#define GOOD   W3C_GOOD

/* The flags of the traceparent that came in, of which there is one; as a number. */
static unsigned
flags_in(const struct w3c_case *row)
{
    const char *value = NULL;

    for (size_t i = 0; i < W3C_LINES && row->in[i].name; i++)
        if (strcasecmp(row->in[i].name, "traceparent") == 0)
            value = row->in[i].value;
    ck_assert_ptr_nonnull(value);
    return (unsigned)strtoul(strstr(value, "-" PARENT "-") + 18, NULL, 16);
}

static void
play(const struct w3c_case *row)
{
    struct stint_header headers[W3C_LINES];
    struct stint_token *token = stint_token_new(NULL, "request");
    char parent[3][STINT_TRACEPARENT_MAX], state[2048];
    size_t n = 0;

    for (; n < W3C_LINES && row->in[n].name; n++)
        headers[n] = stint_header_of(row->in[n].name, row->in[n].value);
    ck_assert_msg(stint_trace_extract(token, headers, n) == (int)row->goes_on, "%s: %s", row->test,
                  row->what);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(stint_trace_inject(token, parent[i], state, sizeof(state)), 1);
        ck_assert_uint_eq(strlen(parent[i]), 55);
        ck_assert_uint_eq(strspn(parent[i], "0123456789abcdef-"), 55);
        ck_assert_msg((strncmp(parent[i], "00-" ID "-", 36) == 0) == row->goes_on, "%s: %s",
                      row->what, parent[i]);
        ck_assert_msg(strncmp(parent[i] + 36, PARENT, 16) != 0, "%s", row->what);
        ck_assert_str_ne(parent[i], "00-00000000000000000000000000000000");
        ck_assert(strncmp(parent[i], parent[0], 36) == 0); /* one trace … */
        for (int j = 0; j < i; j++)
            ck_assert(strncmp(parent[i] + 36, parent[j] + 36, 16) != 0); /* … a span each */
    }
    if (row->goes_on)
        ck_assert_uint_eq(strtoul(parent[0] + 53, NULL, 16), flags_in(row) & 3);
    ck_assert_msg(strcmp(state, row->state ? row->state : "") == 0, "%s: %s: '%s'", row->test,
                  row->what, state);
    stint_token_unref(token);
}

START_TEST(the_published_cases)
{
    for (size_t i = 0; i < W3C_CASES; i++)
        play(&w3c_cases[i]);
}
END_TEST

/* Keys and values of a length: K of 'k', then '=', then V of 'v'. */
static char *
member(size_t key, size_t value)
{
    char *text = malloc(key + value + 2);

    ck_assert_ptr_nonnull(text);
    memset(text, 'k', key);
    text[key] = '=';
    memset(text + key + 1, 'v', value);
    text[key + 1 + value] = '\0';
    return text;
}

static void
play_length(size_t key, size_t value, bool good)
{
    char *text = member(key, value), out[1024];
    const struct w3c_case row = {
        NULL,
        "lengths",
        {{"traceparent", GOOD}, {"tracestate", "foo=1"}, {"tracestate", text}},
        true,
        good ? out : NULL
    };

    (void)snprintf(out, sizeof(out), "foo=1,%s", text);
    play(&row);
    free(text);
}

START_TEST(keys_and_values_have_at_most_256_characters)
{
    play_length(256, 1, true);
    play_length(257, 1, false);
    play_length(1, 256, true);
    play_length(1, 257, false);
    play_length(256, 256, true);
}
END_TEST

static unsigned
flags_of(const char *flags)
{
    struct stint_token *token = stint_token_new(NULL, "request");
    char in[64], out[STINT_TRACEPARENT_MAX];
    struct stint_header header;

    (void)snprintf(in, sizeof(in), "00-%s-%s-%s", ID, PARENT, flags);
    header = stint_header_of("traceparent", in);
    ck_assert_int_eq(stint_trace_extract(token, &header, 1), 1);
    ck_assert_int_eq(stint_trace_inject(token, out, NULL, 0), 1);
    stint_token_unref(token);
    return (unsigned)strtoul(out + 53, NULL, 16);
}

START_TEST(flags_are_bits_and_those_without_a_meaning_are_zeroed)
{
    struct stint_token *token = stint_token_new(NULL, "request");
    char out[STINT_TRACEPARENT_MAX];

    ck_assert_uint_eq(flags_of("00"), 0);
    ck_assert_uint_eq(flags_of("01"), 1);
    ck_assert_uint_eq(flags_of("02"), 2);
    ck_assert_uint_eq(flags_of("03"), 3);
    ck_assert_uint_eq(flags_of("ff"), 3);
    ck_assert_uint_eq(flags_of("fc"), 0);
    ck_assert_uint_eq(flags_of("fe"), 2);
    ck_assert_int_eq(stint_trace_extract(token, NULL, 0), 0);
    ck_assert_int_eq(stint_trace_inject(token, out, NULL, 0), 1);
    ck_assert_uint_eq(strtoul(out + 53, NULL, 16) & 2, 2); /* ours are random, and say so */
    stint_token_unref(token);
}
END_TEST

START_TEST(a_tracestate_is_cut_at_members_and_the_long_ones_go_first)
{
    struct stint_token *token = stint_token_new(NULL, "request");
    char *big = member(100, 100), parent[STINT_TRACEPARENT_MAX], out[300];
    struct stint_header headers[] = {
        stint_header_of("traceparent", GOOD),
        stint_header_of("tracestate", "a=1"),
        stint_header_of("tracestate", big),
        stint_header_of("tracestate", "b=2,c=3"),
    };

    ck_assert_int_eq(stint_trace_extract(token, headers, 4), 1);
    (void)stint_trace_inject(token, parent, out, 3 + 1 + 201 + 1 + 7 + 1);
    ck_assert_uint_eq(strlen(out), 3 + 1 + 201 + 1 + 7);
    (void)stint_trace_inject(token, parent, out, 3 + 1 + 201 + 1 + 7);
    ck_assert_str_eq(out, "a=1,b=2,c=3");
    (void)stint_trace_inject(token, parent, out, 11);
    ck_assert_str_eq(out, "a=1,b=2");
    (void)stint_trace_inject(token, parent, out, 3);
    ck_assert_str_eq(out, "");
    (void)stint_trace_inject(token, parent, out, 1);
    ck_assert_str_eq(out, "");
    stint_token_unref(token);
    free(big);
}
END_TEST

START_TEST(no_more_is_cut_from_a_tracestate_than_has_to)
{
    struct stint_token *token = stint_token_new(NULL, "request");
    char *one = member(60, 69), *other = member(100, 100), *edge = member(63, 64);
    char parent[STINT_TRACEPARENT_MAX], out[512], kept[512];
    struct stint_header headers[] = {
        stint_header_of("traceparent", GOOD), stint_header_of("tracestate", one),
        stint_header_of("tracestate", edge),  stint_header_of("tracestate", other),
        stint_header_of("tracestate", "b=2"),
    };

    ck_assert_int_eq(stint_trace_extract(token, headers, 5), 1);
    (void)snprintf(kept, sizeof(kept), "%s,%s,b=2", one,
                   edge); /* the right one of the long ones goes */
    (void)stint_trace_inject(token, parent, out, 130 + 1 + 128 + 1 + 3 + 1);
    ck_assert_str_eq(out, kept);
    (void)snprintf(kept, sizeof(kept), "%s,b=2", edge); /* 128 characters are not long */
    (void)stint_trace_inject(token, parent, out, 130 + 1 + 128 + 1 + 3);
    ck_assert_str_eq(out, kept);
    (void)stint_trace_inject(token, parent, out, 128 + 1 + 3);
    ck_assert_str_eq(out, edge);
    stint_token_unref(token);
    free(one);
    free(other);
    free(edge);
}
END_TEST

START_TEST(values_need_no_nul)
{
    static const char bytes[] = "XtraceparentX" GOOD "XtracestateXfoo=1X";
    struct stint_token *token = stint_token_new(NULL, "request");
    char parent[STINT_TRACEPARENT_MAX], state[32];
    struct stint_header headers[] = {
        {bytes + 1,  bytes + 13, 11, 55},
        {bytes + 69, bytes + 80, 10, 5 },
    };

    ck_assert_int_eq(stint_trace_extract(token, headers, 2), 1);
    ck_assert_int_eq(stint_trace_inject(token, parent, state, sizeof(state)), 1);
    ck_assert_str_eq(state, "foo=1");
    stint_token_unref(token);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("trace_w3c");
    TCase *t = tcase_create("w3c");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_published_cases);
    tcase_add_test(t, keys_and_values_have_at_most_256_characters);
    tcase_add_test(t, flags_are_bits_and_those_without_a_meaning_are_zeroed);
    tcase_add_test(t, a_tracestate_is_cut_at_members_and_the_long_ones_go_first);
    tcase_add_test(t, no_more_is_cut_from_a_tracestate_than_has_to);
    tcase_add_test(t, values_need_no_nul);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
