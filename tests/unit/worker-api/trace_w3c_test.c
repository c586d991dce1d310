/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "worker-api/stint.h"

/*
 * What the W3C's own tests of trace context ask of a service: headers come in, and a call goes out.
 * https://github.com/w3c/trace-context, level 2, strict.
 */
#define ID     "12345678901234567890123456789012"
#define PARENT "1234567890123456"
#define GOOD   "00-" ID "-" PARENT "-01"

struct line {
    const char *name, *value;
};

struct row {
    const char *what;
    struct line in[6];
    bool goes_on;      /* the trace of the caller does */
    const char *state; /* what goes out; NULL = nothing */
};

#define TP(value)            \
    {                        \
        "traceparent", value \
    }
#define TS(value)           \
    {                       \
        "tracestate", value \
    }
#define BAD_PARENT(what, value)    \
    {                              \
        what, {TP(value)}, 0, NULL \
    }
#define WITH_STATE(what, value, out)        \
    {                                       \
        what, {TP(GOOD), TS(value)}, 1, out \
    }

#define TEN(d)                                                                                   \
    "bar" d "0=" d "0,bar" d "1=" d "1,bar" d "2=" d "2,bar" d "3=" d "3,bar" d "4=" d "4,bar" d \
    "5=" d "5,bar" d "6=" d "6,bar" d "7=" d "7,bar" d "8=" d "8,bar" d "9=" d "9"

static const struct row rows[] = {
    {"nothing comes in",                    {{NULL, NULL}},                                               0, NULL                                                   },
    {"a traceparent alone",                 {TP(GOOD)},                                                   1, NULL                                                   },
    {"two traceparents",
     {TP(GOOD), TP("00-12345678901234567890123456789011-" PARENT "-01")},
     0,                                                                                                      NULL                                                   },
    {"the same traceparent twice",          {TP(GOOD), TP(GOOD)},                                         0, NULL                                                   },
    {"a name with a hyphen",                {{"trace-parent", GOOD}},                                     0, NULL                                                   },
    {"a name with a dot",                   {{"trace.parent", GOOD}},                                     0, NULL                                                   },
    {"a name that goes on",                 {{"traceparents", GOOD}},                                     0, NULL                                                   },
    {"a name that ends early",              {{"traceparen", GOOD}},                                       0, NULL                                                   },
    {"a name in two cases",                 {{"TraceParent", GOOD}},                                      1, NULL                                                   },
    {"a name in many cases",                {{"TrAcEpArEnT", GOOD}},                                      1, NULL                                                   },
    {"a name in capitals",                  {{"TRACEPARENT", GOOD}},                                      1, NULL                                                   },

    BAD_PARENT("version 00 with a dot behind", GOOD "."),
    BAD_PARENT("version 00 with more behind", GOOD "-what-the-future-will-be-like"),
    {"a version of the future",             {TP("cc-" ID "-" PARENT "-01")},                              1, NULL                                                   },
    {"… with more behind",                {TP("cc-" ID "-" PARENT "-01-what-the-future-will-be-like")}, 1, NULL                                                   },
    BAD_PARENT("… with a dot behind", "cc-" ID "-" PARENT "-01.what-the-future-will-be-like"),
    BAD_PARENT("version ff", "ff-" ID "-" PARENT "-01"),
    BAD_PARENT("a version that begins with a dot", ".0-" ID "-" PARENT "-01"),
    BAD_PARENT("a version that ends with a dot", "0.-" ID "-" PARENT "-01"),
    BAD_PARENT("a version of three digits", "000-" ID "-" PARENT "-01"),
    BAD_PARENT("a version of four digits", "0000-" ID "-" PARENT "-01"),
    BAD_PARENT("a version of one digit", "0-" ID "-" PARENT "-01"),
    BAD_PARENT("a trace id of zeroes", "00-00000000000000000000000000000000-" PARENT "-01"),
    BAD_PARENT("a dot before the trace id", "00-.2345678901234567890123456789012-" PARENT "-01"),
    BAD_PARENT("a dot at its end", "00-1234567890123456789012345678901.-" PARENT "-01"),
    BAD_PARENT("capitals in it", "00-1234567890123456789012345678901A-" PARENT "-01"),
    BAD_PARENT("a digit too many in it", "00-123456789012345678901234567890123-" PARENT "-01"),
    BAD_PARENT("a digit too few", "00-1234567890123456789012345678901-" PARENT "-01"),
    BAD_PARENT("a parent id of zeroes", "00-" ID "-0000000000000000-01"),
    BAD_PARENT("a dot before the parent id", "00-" ID "-.234567890123456-01"),
    BAD_PARENT("a dot at its end", "00-" ID "-123456789012345.-01"),
    BAD_PARENT("a digit too many in it", "00-" ID "-12345678901234567-01"),
    BAD_PARENT("a digit too few", "00-" ID "-123456789012345-01"),
    BAD_PARENT("a dot before the flags", "00-" ID "-" PARENT "-.0"),
    BAD_PARENT("a dot at their end", "00-" ID "-" PARENT "-0."),
    BAD_PARENT("three digits of flags", "00-" ID "-" PARENT "-001"),
    BAD_PARENT("one digit of flags", "00-" ID "-" PARENT "-1"),
    BAD_PARENT("nothing in it", ""),
    BAD_PARENT("blanks in it", " \t "),
    {"a blank before it",                   {TP(" " GOOD)},                                               1, NULL                                                   },
    {"a tab before it",                     {TP("\t" GOOD)},                                              1, NULL                                                   },
    {"a blank behind it",                   {TP(GOOD " ")},                                               1, NULL                                                   },
    {"a tab behind it",                     {TP(GOOD "\t")},                                              1, NULL                                                   },
    {"blanks and tabs around it",           {TP("\t " GOOD " \t")},                                       1, NULL                                                   },

    {"a tracestate alone",                  {TS("foo=1")},                                                0, NULL                                                   },
    {"a tracestate with a bad traceparent", {TP("00-" ID "-" PARENT "-1"), TS("foo=1")},                  0, NULL                                                   },
    {"a tracestate before its traceparent", {TS("foo=1"), TP(GOOD)},                                      1, "foo=1"                                                },
    WITH_STATE("both", "foo=1,bar=2", "foo=1,bar=2"),
    {"a name with a hyphen",                {TP(GOOD), {"trace-state", "foo=1"}},                         1, NULL                                                   },
    {"a name with a dot",                   {TP(GOOD), {"trace.state", "foo=1"}},                         1, NULL                                                   },
    {"a name in two cases",                 {TP(GOOD), {"TraceState", "foo=1"}},                          1, "foo=1"                                                },
    {"a name in many cases",                {TP(GOOD), {"TrAcEsTaTe", "foo=1"}},                          1, "foo=1"                                                },
    {"a name in capitals",                  {TP(GOOD), {"TRACESTATE", "foo=1"}},                          1, "foo=1"                                                },
    WITH_STATE("an empty tracestate", "", NULL),
    {"an empty one behind another",         {TP(GOOD), TS("foo=1"), TS("")},                              1, "foo=1"                                                },
    {"an empty one before another",         {TP(GOOD), TS(""), TS("foo=1")},                              1, "foo=1"                                                },
    WITH_STATE("empty members", ",foo=1,, \t,bar=2,", "foo=1,bar=2"),
    {"three of them",
     {TP(GOOD), TS("foo=1,bar=2"), TS("rojo=1,congo=2"), TS("baz=3")},
     1,                                                                                                      "foo=1,bar=2,rojo=1,congo=2,baz=3"                     },
    WITH_STATE("a key twice", "foo=1,foo=2", "foo=1,foo=2"),
    WITH_STATE("all that a key may have", "abcdefghijklmnopqrstuvwxyz0123456789_-*/@a-z0-9_-*/=1",
               "abcdefghijklmnopqrstuvwxyz0123456789_-*/@a-z0-9_-*/=1"),
    WITH_STATE(
        "all that a value may have",
        "a= !\"#$%&'()*+-./0123456789:;<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijk{|}~",
        "a= !\"#$%&'()*+-./0123456789:;<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijk{|}~"),
    WITH_STATE("blanks around commas", "foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3"),
    WITH_STATE("tabs around commas", "foo=1\t \t,\t \tbar=2,\t \tbaz=3", "foo=1,bar=2,baz=3"),
    WITH_STATE("a blank before it", " foo=1", "foo=1"),
    WITH_STATE("a tab before it", "\tfoo=1", "foo=1"),
    WITH_STATE("a blank behind it", "foo=1 ", "foo=1"),
    WITH_STATE("a tab behind it", "foo=1\t", "foo=1"),
    WITH_STATE("both around it", "\t foo=1 \t", "foo=1"),
    WITH_STATE("a blank in a key", "foo =1", NULL),
    WITH_STATE("a key in capitals", "FOO=1", NULL),
    WITH_STATE("a dot in a key", "foo.bar=1", NULL),
    WITH_STATE("an at sign at the end of a key", "foo@=1,bar=2", "foo@=1,bar=2"),
    WITH_STATE("an at sign before one", "@foo=1,bar=2", NULL),
    WITH_STATE("two at signs in one", "foo@@bar=1,bar=2", "foo@@bar=1,bar=2"),
    WITH_STATE("two at signs apart", "foo@bar@baz=1,bar=2", "foo@bar@baz=1,bar=2"),
    WITH_STATE("a key that begins with a digit", "1foo=1", "1foo=1"),
    WITH_STATE("an equals sign in a value", "foo=bar=baz", NULL),
    WITH_STATE("a value of nothing", "foo=,bar=3", NULL),
    WITH_STATE("a key of nothing", "=1,bar=3", NULL),
    WITH_STATE("no equals sign", "foo,bar=3", NULL),
    WITH_STATE("a tab in a value", "foo=a\tb", NULL),
    WITH_STATE("a byte beyond ASCII", "foo=\xc3\xa9", NULL),
    {"32 members",
     {TP(GOOD), TS(TEN("0")), TS(TEN("1")), TS(TEN("2")), TS("bar30=30,bar31=31,")},
     1,                                                                                                      TEN("0") "," TEN("1") "," TEN("2") ",bar30=30,bar31=31"},
    {"33 members",
     {TP(GOOD), TS(TEN("0")), TS(TEN("1")), TS(TEN("2")), TS("bar30=30,bar31=31,bar32=32")},
     1,                                                                                                      NULL                                                   },
};

static void
play(const struct row *row)
{
    struct stint_header headers[6];
    struct stint_token *token = stint_token_new(NULL, "request");
    char parent[3][STINT_TRACEPARENT_MAX], state[2048];
    size_t n = 0;

    for (; n < 6 && row->in[n].name; n++)
        headers[n] = stint_header_of(row->in[n].name, row->in[n].value);
    ck_assert_msg(stint_trace_extract(token, headers, n) == (int)row->goes_on, "%s", row->what);
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
    ck_assert_msg(strcmp(state, row->state ? row->state : "") == 0, "%s: '%s'", row->what, state);
    stint_token_unref(token);
}

START_TEST(the_published_cases)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        play(&rows[i]);
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
    const struct row row = {
        "lengths", {TP(GOOD), TS("foo=1"), {"tracestate", text}},
         true, good ? out : NULL
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
    tcase_add_test(t, values_need_no_nul);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
