/* SPDX-License-Identifier: MIT */
#ifndef STINT_TESTS_UNIT_W3C_CASES_H
#define STINT_TESTS_UNIT_W3C_CASES_H

/*
 * What the W3C's own tests of trace context ask of a service, https://github.com/w3c/trace-context, level 2,
 * strict: headers come in, and calls go out. Each test there has its rows here, by its name; tests/w3c/run says which is
 * missing. Those with NULL for a name are ours.
 */
#include <stdbool.h>
#include <stddef.h>

#define W3C_LINES 6

struct w3c_line {
    const char *name, *value;
};

struct w3c_case {
    const char *test; /* the name of it there */
    const char *what;
    struct w3c_line in[W3C_LINES];
    bool goes_on;      /* the trace of the caller does */
    const char *state; /* what goes out; NULL = nothing */
};

#define W3C_ID     "12345678901234567890123456789012"
#define W3C_PARENT "1234567890123456"
#define W3C_GOOD   "00-" W3C_ID "-" W3C_PARENT "-01"
#define W3C_FUTURE "-what-the-future-will-be-like"

#define TP(value)            \
    {                        \
        "traceparent", value \
    }
#define TS(value)           \
    {                       \
        "tracestate", value \
    }
#define NEW(test, what, ...)               \
    {                                      \
        test, what, {__VA_ARGS__}, 0, NULL \
    }
#define ON(test, what, out, ...)          \
    {                                     \
        test, what, {__VA_ARGS__}, 1, out \
    }
#define BAD(test, what, value)     NEW(test, what, TP(value))
#define SAME(test, what, value)    ON(test, what, value, TP(W3C_GOOD), TS(value))
#define DROPPED(test, what, value) ON(test, what, NULL, TP(W3C_GOOD), TS(value))

#define TEN(d)                                                                                   \
    "bar" d "0=" d "0,bar" d "1=" d "1,bar" d "2=" d "2,bar" d "3=" d "3,bar" d "4=" d "4,bar" d \
    "5=" d "5,bar" d "6=" d "6,bar" d "7=" d "7,bar" d "8=" d "8,bar" d "9=" d "9"
#define THIRTY TP(W3C_GOOD), TS(TEN("0")), TS(TEN("1")), TS(TEN("2"))
#define T10(x) x x x x x x x x x x
#define T16(x) x x x x x x x x x x x x x x x x
#define Z256   T16(T16("z"))
#define V_14   T10("v") "vvvv"
#define T_241  T16(T10("t")) T10("tttttttt") "t"
#define KEY    "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
#define VALUE          \
    " !\"#$%&'()*+-./" \
    "0123456789:;<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

static const struct w3c_case w3c_cases[] = {
    NEW("test_both_traceparent_and_tracestate_missing", "nothing", {NULL, NULL}),
    ON("test_traceparent_included_tracestate_missing", "a traceparent", NULL, TP(W3C_GOOD)),
    NEW("test_traceparent_duplicated", "two",
        TP("00-12345678901234567890123456789011-" W3C_PARENT "-01"), TP(W3C_GOOD)),
    NEW(NULL, "the same twice", TP(W3C_GOOD), TP(W3C_GOOD)),
    NEW("test_traceparent_header_name", "a hyphen", {"trace-parent", W3C_GOOD}),
    NEW("test_traceparent_header_name", "a dot", {"trace.parent", W3C_GOOD}),
    NEW(NULL, "a name that goes on", {"traceparents", W3C_GOOD}),
    NEW(NULL, "a name that ends early", {"traceparen", W3C_GOOD}),
    ON("test_traceparent_header_name_valid_casing", "two capitals", NULL,
       {"TraceParent", W3C_GOOD}),
    ON("test_traceparent_header_name_valid_casing", "many", NULL, {"TrAcEpArEnT", W3C_GOOD}),
    ON("test_traceparent_header_name_valid_casing", "all", NULL, {"TRACEPARENT", W3C_GOOD}),

    BAD("test_traceparent_version_0x00", "a dot behind", W3C_GOOD "."),
    BAD("test_traceparent_version_0x00", "fields behind", W3C_GOOD W3C_FUTURE),
    ON("test_traceparent_version_0xcc", "as it is", NULL, TP("cc-" W3C_ID "-" W3C_PARENT "-01")),
    ON("test_traceparent_version_0xcc", "fields behind", NULL,
       TP("cc-" W3C_ID "-" W3C_PARENT "-01" W3C_FUTURE)),
    BAD("test_traceparent_version_0xcc", "a dot behind",
        "cc-" W3C_ID "-" W3C_PARENT "-01.what-the-future-will-be-like"),
    BAD("test_traceparent_version_0xff", "as it is", "ff-" W3C_ID "-" W3C_PARENT "-01"),
    BAD(NULL, "version ff with fields behind", "ff-" W3C_ID "-" W3C_PARENT "-01" W3C_FUTURE),
    BAD(NULL, "a version in capitals", "CC-" W3C_ID "-" W3C_PARENT "-01"),
    BAD("test_traceparent_version_illegal_characters", "first", ".0-" W3C_ID "-" W3C_PARENT "-01"),
    BAD("test_traceparent_version_illegal_characters", "last", "0.-" W3C_ID "-" W3C_PARENT "-01"),
    BAD("test_traceparent_version_too_long", "three", "000-" W3C_ID "-" W3C_PARENT "-01"),
    BAD("test_traceparent_version_too_long", "four", "0000-" W3C_ID "-" W3C_PARENT "-01"),
    BAD("test_traceparent_version_too_short", "one", "0-" W3C_ID "-" W3C_PARENT "-01"),
    BAD("test_traceparent_trace_id_all_zero", "zeroes",
        "00-00000000000000000000000000000000-" W3C_PARENT "-01"),
    BAD("test_traceparent_trace_id_illegal_characters", "first",
        "00-.2345678901234567890123456789012-" W3C_PARENT "-01"),
    BAD("test_traceparent_trace_id_illegal_characters", "last",
        "00-1234567890123456789012345678901.-" W3C_PARENT "-01"),
    BAD(NULL, "a capital in the trace id", "00-1234567890123456789012345678901A-" W3C_PARENT "-01"),
    BAD("test_traceparent_trace_id_too_long", "33",
        "00-123456789012345678901234567890123-" W3C_PARENT "-01"),
    BAD("test_traceparent_trace_id_too_short", "31",
        "00-1234567890123456789012345678901-" W3C_PARENT "-01"),
    BAD("test_traceparent_parent_id_all_zero", "zeroes", "00-" W3C_ID "-0000000000000000-01"),
    BAD("test_traceparent_parent_id_illegal_characters", "first",
        "00-" W3C_ID "-.234567890123456-01"),
    BAD("test_traceparent_parent_id_illegal_characters", "last",
        "00-" W3C_ID "-123456789012345.-01"),
    BAD("test_traceparent_parent_id_too_long", "17", "00-" W3C_ID "-12345678901234567-01"),
    BAD("test_traceparent_parent_id_too_short", "15", "00-" W3C_ID "-123456789012345-01"),
    BAD("test_traceparent_trace_flags_illegal_characters", "first",
        "00-" W3C_ID "-" W3C_PARENT "-.0"),
    BAD("test_traceparent_trace_flags_illegal_characters", "last",
        "00-" W3C_ID "-" W3C_PARENT "-0."),
    BAD("test_traceparent_trace_flags_too_long", "three", "00-" W3C_ID "-" W3C_PARENT "-001"),
    BAD("test_traceparent_trace_flags_too_short", "one", "00-" W3C_ID "-" W3C_PARENT "-1"),
    BAD(NULL, "an empty traceparent", ""),
    BAD(NULL, "blanks as a traceparent", " \t "),
    ON("test_traceparent_ows_handling", "a blank before", NULL, TP(" " W3C_GOOD)),
    ON("test_traceparent_ows_handling", "a tab before", NULL, TP("\t" W3C_GOOD)),
    ON("test_traceparent_ows_handling", "a blank behind", NULL, TP(W3C_GOOD " ")),
    ON("test_traceparent_ows_handling", "a tab behind", NULL, TP(W3C_GOOD "\t")),
    ON("test_traceparent_ows_handling", "all around", NULL, TP("\t " W3C_GOOD " \t")),

    NEW("test_tracestate_included_traceparent_missing", "one member", TS("foo=1")),
    NEW("test_tracestate_included_traceparent_missing", "two", TS("foo=1,bar=2")),
    NEW(NULL, "a tracestate with a bad traceparent", TP("00-" W3C_ID "-" W3C_PARENT "-1"),
        TS("foo=1")),
    ON(NULL, "a tracestate before its traceparent", "foo=1", TS("foo=1"), TP(W3C_GOOD)),
    ON(NULL, "a tracestate of the future", "foo=1",
       TP("cc-" W3C_ID "-" W3C_PARENT "-01" W3C_FUTURE), TS("foo=1")),
    SAME("test_tracestate_included_traceparent_included", "both", "foo=1,bar=2"),
    ON("test_tracestate_header_name", "a hyphen", NULL, TP(W3C_GOOD), {"trace-state", "foo=1"}),
    ON("test_tracestate_header_name", "a dot", NULL, TP(W3C_GOOD), {"trace.state", "foo=1"}),
    ON("test_tracestate_header_name_valid_casing", "two", "foo=1", TP(W3C_GOOD),
       {"TraceState", "foo=1"}),
    ON("test_tracestate_header_name_valid_casing", "many", "foo=1", TP(W3C_GOOD),
       {"TrAcEsTaTe", "foo=1"}),
    ON("test_tracestate_header_name_valid_casing", "all", "foo=1", TP(W3C_GOOD),
       {"TRACESTATE", "foo=1"}),
    DROPPED("test_tracestate_empty_header", "alone", ""),
    ON("test_tracestate_empty_header", "behind", "foo=1", TP(W3C_GOOD), TS("foo=1"), TS("")),
    ON("test_tracestate_empty_header", "before", "foo=1", TP(W3C_GOOD), TS(""), TS("foo=1")),
    ON(NULL, "empty members", "foo=1,bar=2", TP(W3C_GOOD), TS(",foo=1,, \t,bar=2,")),
    ON("test_tracestate_multiple_headers_different_keys", "in their order",
       "foo=1,bar=2,rojo=1,congo=2,baz=3", TP(W3C_GOOD), TS("foo=1,bar=2"), TS("rojo=1,congo=2"),
       TS("baz=3")),
    ON(NULL, "with others between them", "foo=1,bar=2", TS("foo=1"), TP(W3C_GOOD),
       {"baggage", "b=1"}, TS("bar=2")),
    SAME("test_tracestate_duplicated_keys", "the same", "foo=1,foo=1"),
    SAME("test_tracestate_duplicated_keys", "another", "foo=1,foo=2"),
    ON("test_tracestate_duplicated_keys", "in two", "foo=1,foo=1", TP(W3C_GOOD), TS("foo=1"),
       TS("foo=1")),
    ON("test_tracestate_duplicated_keys", "another in two", "foo=1,foo=2", TP(W3C_GOOD),
       TS("foo=1"), TS("foo=2")),
    SAME("test_tracestate_all_allowed_characters", "a key", KEY "=" VALUE),
    SAME("test_tracestate_all_allowed_characters", "and a vendor", KEY "@a-z0-9_-*/=" VALUE),
    ON("test_tracestate_ows_handling", "blanks", "foo=1,bar=2,baz=3", TP(W3C_GOOD),
       TS("foo=1 \t , \t bar=2, \t baz=3")),
    ON("test_tracestate_ows_handling", "tabs", "foo=1,bar=2,baz=3", TP(W3C_GOOD),
       TS("foo=1\t \t,\t \tbar=2,\t \tbaz=3")),
    ON("test_tracestate_ows_handling", "a blank before", "foo=1", TP(W3C_GOOD), TS(" foo=1")),
    ON("test_tracestate_ows_handling", "a tab before", "foo=1", TP(W3C_GOOD), TS("\tfoo=1")),
    ON("test_tracestate_ows_handling", "a blank behind", "foo=1", TP(W3C_GOOD), TS("foo=1 ")),
    ON("test_tracestate_ows_handling", "a tab behind", "foo=1", TP(W3C_GOOD), TS("foo=1\t")),
    ON("test_tracestate_ows_handling", "all around", "foo=1", TP(W3C_GOOD), TS("\t foo=1 \t")),
    DROPPED("test_tracestate_key_illegal_characters", "a blank", "foo =1"),
    DROPPED("test_tracestate_key_illegal_characters", "capitals", "FOO=1"),
    DROPPED("test_tracestate_key_illegal_characters", "a dot", "foo.bar=1"),
    SAME("test_tracestate_key_illegal_vendor_format", "last", "foo@=1,bar=2"),
    DROPPED("test_tracestate_key_illegal_vendor_format", "first", "@foo=1,bar=2"),
    SAME("test_tracestate_key_illegal_vendor_format", "two", "foo@@bar=1,bar=2"),
    SAME("test_tracestate_key_illegal_vendor_format", "two apart", "foo@bar@baz=1,bar=2"),
    SAME(NULL, "a key that begins with a digit", "1foo=1"),
    ON("test_tracestate_member_count_limit", "32",
       TEN("0") "," TEN("1") "," TEN("2") ",bar30=30,bar31=31", THIRTY, TS("bar30=30,bar31=31")),
    ON("test_tracestate_member_count_limit", "33", NULL, THIRTY, TS("bar30=30,bar31=31,bar32=32")),
    ON(NULL, "32 members and an empty one", TEN("0") "," TEN("1") "," TEN("2") ",bar30=30,bar31=31",
       THIRTY, TS("bar30=30,bar31=31,")),
    ON("test_tracestate_key_length_limit", "256", "foo=1," Z256 "=1", TP(W3C_GOOD), TS("foo=1"),
       TS(Z256 "=1")),
    ON("test_tracestate_key_length_limit", "257", NULL, TP(W3C_GOOD), TS("foo=1"), TS(Z256 "z=1")),
    ON("test_tracestate_key_length_limit", "241 and 14", "foo=1," T_241 "@" V_14 "=1", TP(W3C_GOOD),
       TS("foo=1"), TS(T_241 "@" V_14 "=1")),
    ON("test_tracestate_key_length_limit", "242 and 1", "foo=1," T_241 "t@v=1", TP(W3C_GOOD),
       TS("foo=1"), TS(T_241 "t@v=1")),
    ON("test_tracestate_key_length_limit", "1 and 15", "foo=1,t@v" V_14 "=1", TP(W3C_GOOD),
       TS("foo=1"), TS("t@v" V_14 "=1")),
    DROPPED("test_tracestate_value_illegal_characters", "an equals sign", "foo=bar=baz"),
    DROPPED("test_tracestate_value_illegal_characters", "nothing", "foo=,bar=3"),
    DROPPED(NULL, "a key of nothing", "=1,bar=3"),
    DROPPED(NULL, "no equals sign", "foo,bar=3"),
    DROPPED(NULL, "a tab in a value", "foo=a\tb"),
    DROPPED(NULL, "a byte beyond ASCII", "foo=\xc3\xa9"),

    ON("test_multiple_requests_with_valid_traceparent", "three calls", NULL, TP(W3C_GOOD)),
    NEW("test_multiple_requests_without_traceparent", "three calls", {NULL, NULL}),
    BAD("test_multiple_requests_with_illegal_traceparent", "three calls",
        "00-00000000000000000000000000000000-" W3C_PARENT "-01"),
    ON("test_propagates_random_flag", "02", NULL, TP("00-" W3C_ID "-" W3C_PARENT "-02")),
};

#define W3C_CASES (sizeof(w3c_cases) / sizeof(w3c_cases[0]))

#undef TP
#undef TS
#undef NEW
#undef ON
#undef BAD
#undef SAME
#undef DROPPED

#endif
