/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"

#include <string.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

static struct text t;

static void
setup(void)
{
    t = (struct text)TEXT_INIT;
}

static void
teardown(void)
{
    text_finish(&t);
}

static const char *
json(const char *s, size_t bytes)
{
    text_clear(&t);
    text_add_json(&t, s, bytes);
    return text_str(&t);
}

static const char *
value(const char *s)
{
    text_clear(&t);
    text_add_value(&t, s, strlen(s));
    return text_str(&t);
}

START_TEST(an_empty_text_is_an_empty_string)
{
    ck_assert_str_eq(text_str(&t), "");
    ck_assert_uint_eq(t.bytes, 0);
}
END_TEST

START_TEST(a_text_grows_and_stays_terminated)
{
    for (int i = 0; i < 1000; i++)
        text_addf(&t, "%03d,", i);
    text_addn(&t, "xyz", 2);
    ck_assert(!t.failed);
    ck_assert_uint_eq(t.bytes, 4002);
    ck_assert_uint_eq(strlen(text_str(&t)), 4002);
    ck_assert_int_eq(memcmp(text_str(&t) + 3996, "999,xy", 6), 0);
}
END_TEST

START_TEST(a_cleared_text_is_empty_and_usable)
{
    text_add(&t, "before");
    text_clear(&t);
    ck_assert_str_eq(text_str(&t), "");
    text_add(&t, "after");
    ck_assert_str_eq(text_str(&t), "after");
}
END_TEST

START_TEST(a_stolen_text_belongs_to_the_caller)
{
    text_add(&t, "mine");
    auto_free char *mine = text_steal(&t);
    auto_free char *empty = text_steal(&t);

    ck_assert_str_eq(mine, "mine");
    ck_assert_str_eq(empty, "");
    ck_assert_uint_eq(t.bytes, 0);
}
END_TEST

START_TEST(a_text_that_failed_steals_as_null)
{
    text_add(&t, "half");
    t.failed = true;
    ck_assert_ptr_null(text_steal(&t));
    ck_assert(!t.failed);
}
END_TEST

START_TEST(json_escapes_what_must_be_escaped)
{
    ck_assert_str_eq(json("a\"b\\c\n\t\r\x01\x7f", 10),
                     "\"a\\\"b\\\\c\\n\\t\\u000d\\u0001\\u007f\"");
    ck_assert_str_eq(json("", 0), "\"\"");
    ck_assert_str_eq(json("a\0b", 3), "\"a\\u0000b\"");
    ck_assert_str_eq(json("grüß € 𝄞", strlen("grüß € 𝄞")), "\"grüß € 𝄞\"");
}
END_TEST

/* What is no UTF-8, and how many replacement characters it becomes. */
static const struct {
    const char *bytes;
    unsigned replaced;
} broken[] = {
    {"\xff",             1},
    {"\x80",             1},
    {"\xc3",             1}, /* cut */
    {"\xc0\xaf",         2}, /* overlong '/' */
    {"\xe0\x80\xaf",     3}, /* overlong */
    {"\xed\xa0\x80",     3}, /* a surrogate */
    {"\xf4\x90\x80\x80", 4}, /* above U+10FFFF */
    {"\xf0\x9d\x84",     3}, /* cut */
};

START_TEST(json_never_contains_broken_utf8)
{
    auto_text struct text wanted = TEXT_INIT;

    text_add(&wanted, "\"");
    for (unsigned i = 0; i < broken[_i].replaced; i++)
        text_add(&wanted, "\xef\xbf\xbd");
    text_add(&wanted, "\"");
    ck_assert_str_eq(json(broken[_i].bytes, strlen(broken[_i].bytes)), text_str(&wanted));
}
END_TEST

START_TEST(a_plain_logfmt_value_is_bare_and_others_are_quoted)
{
    ck_assert_str_eq(value("web/7.0:tcp://[::1]:80"), "web/7.0:tcp://[::1]:80");
    ck_assert_str_eq(value(""), "\"\"");
    ck_assert_str_eq(value("two words"), "\"two words\"");
    ck_assert_str_eq(value("a=b"), "\"a=b\"");
    ck_assert_str_eq(value("say \"hi\"\n"), "\"say \\\"hi\\\"\\n\"");
    ck_assert_str_eq(value("grün"), "\"grün\"");
}
END_TEST

START_TEST(a_line_is_clean_utf8_of_whole_characters)
{
    static const struct {
        const char *in;
        size_t most;
        const char *out;
    } lines[] = {
        {"two\nlines\there\x7f", 99, "two lines here "   },
        {"d\xc3\xa9j\xc3\xa0",   99, "d\xc3\xa9j\xc3\xa0"},
        {"d\xc3\xa9j\xc3\xa0",   6,  "d\xc3\xa9j\xc3\xa0"},
        {"d\xc3\xa9j\xc3\xa0",   5,  "d\xc3\xa9j"        },
        {"cut \xc3",             99, "cut ?"             },
        {"\xff\xfe.",            99, "??."               },
        {"",                     0,  ""                  },
        {"a",                    0,  ""                  },
    };

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        text_clear(&t);
        text_add_line(&t, lines[i].in, lines[i].most);
        ck_assert_str_eq(text_str(&t), lines[i].out);
    }
}
END_TEST

START_TEST(a_list_of_strings_is_null_terminated_and_compares)
{
    struct strv a = {NULL, 0}, b = {NULL, 0};

    ck_assert(strv_equal(&a, &b));
    ck_assert_int_eq(strv_add(&a, "one"), 0);
    ck_assert_int_eq(strv_addf(&a, "%s-%d", "two", 2), 0);
    ck_assert_ptr_null(a.items[2]);
    ck_assert_int_eq(strv_copy(&b, &a), 0);
    ck_assert(strv_equal(&a, &b));
    ck_assert_ptr_ne(a.items[0], b.items[0]);
    b.items[1][0] = 'T';
    ck_assert(!strv_equal(&a, &b));
    ck_assert_int_eq(strv_add(&a, "three"), 0);
    ck_assert(!strv_equal(&a, &b));
    strv_finish(&a);
    strv_finish(&b);
    ck_assert_ptr_null(a.items);
}
END_TEST

/* Eight bytes are looked at at once: each byte there is, at each place of them, as by itself. */
START_TEST(a_byte_is_escaped_alike_wherever_it_stands)
{
    for (int byte = 1; byte < 0x80; byte++) {
        auto_text struct text alone = TEXT_INIT;

        text_add_json(&alone, (const char[]){(char)byte}, 1);
        for (size_t at = 0; at < 24; at++) {
            auto_text struct text whole = TEXT_INIT, want = TEXT_INIT;
            char line[25] = "abcdefghijklmnopqrstuvwx";

            line[at] = (char)byte;
            text_add_json(&whole, line, 24);
            text_addf(&want, "\"%.*s%.*s%s\"", (int)at, line, (int)alone.bytes - 2,
                      text_str(&alone) + 1, line + at + 1);
            ck_assert_str_eq(text_str(&whole), text_str(&want));
        }
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("text");
    TCase *c = tcase_create("text");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_byte_is_escaped_alike_wherever_it_stands);
    tcase_add_test(c, an_empty_text_is_an_empty_string);
    tcase_add_test(c, a_text_grows_and_stays_terminated);
    tcase_add_test(c, a_cleared_text_is_empty_and_usable);
    tcase_add_test(c, a_stolen_text_belongs_to_the_caller);
    tcase_add_test(c, a_text_that_failed_steals_as_null);
    tcase_add_test(c, json_escapes_what_must_be_escaped);
    tcase_add_loop_test(c, json_never_contains_broken_utf8, 0, (int)ARRAY_LEN(broken));
    tcase_add_test(c, a_plain_logfmt_value_is_bare_and_others_are_quoted);
    tcase_add_test(c, a_line_is_clean_utf8_of_whole_characters);
    tcase_add_test(c, a_list_of_strings_is_null_terminated_and_compares);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
