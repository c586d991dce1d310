/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/export/severity.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "tests/unit/unit.h"

static const struct {
    const char *line;
    enum severity is;
    size_t skip;
} lines[] = {
    {"<0>x",                                           SEVERITY_FATAL,    3},
    {"<3>x",                                           SEVERITY_ERROR,    3},
    {"<7>",                                            SEVERITY_DEBUG,    3},
    {"<8>x",                                           SEVERITY_UNKNOWN,  0},
    {"<3x",                                            SEVERITY_UNKNOWN,  0},
    {"{\"level\":\"warn\",\"msg\":\"error\"}",         SEVERITY_WARN,     0},
    {"{\"msg\":\"level=error\"}",                      SEVERITY_UNKNOWN,  0},
    {"{\"severity\":\"CRITICAL\"}",                    SEVERITY_CRITICAL, 0},
    {"{\"level\":30,\"msg\":\"x\"}",                   SEVERITY_INFO,     0},
    {"{\"level\":35}",                                 SEVERITY_UNKNOWN,  0},
    {"{\"level\":-9223372036854775808}",               SEVERITY_UNKNOWN,  0},
    {"{\"level\":\"error\"",                           SEVERITY_UNKNOWN,  0},
    {"ts=1 level=error msg=\"x\"",                     SEVERITY_ERROR,    0},
    {"level=\"fatal\" x=1",                            SEVERITY_FATAL,    0},
    {"msg=\"level=error \\\" level=error\" lvl=debug", SEVERITY_DEBUG,    0},
    {"msg=\"level=error",                              SEVERITY_UNKNOWN,  0},
    {"xlevel=error",                                   SEVERITY_UNKNOWN,  0},
    {"level=",                                         SEVERITY_UNKNOWN,  0},
    {"2026/01/01 00:00:00 [error] 12#0: x",            SEVERITY_ERROR,    0},
    {"2026-01-01 00:00:00,1 WARNING root: x",          SEVERITY_WARN,     0},
    {"FATAL: no",                                      SEVERITY_FATAL,    0},
    {"ERROR.",                                         SEVERITY_ERROR,    0},
    {"no error here",                                  SEVERITY_UNKNOWN,  0},
    {"GET /ERROR/x",                                   SEVERITY_UNKNOWN,  0},
    {"NO_ERROR ERRORS",                                SEVERITY_UNKNOWN,  0},
    {"",                                               SEVERITY_UNKNOWN,  0},
    {"[",                                              SEVERITY_UNKNOWN,  0},
};

START_TEST(a_line_says_how_bad_it_is)
{
    size_t skip = 99;
    enum severity is = severity_of_line(lines[_i].line, strlen(lines[_i].line), &skip);

    ck_assert_msg(is == lines[_i].is, "'%s' is %d, not %d", lines[_i].line, (int)lines[_i].is,
                  (int)is);
    ck_assert_uint_eq(skip, lines[_i].skip);
}
END_TEST

/* None is read behind its end, wherever it ends: a sanitizer would see it. */
START_TEST(a_line_may_end_anywhere)
{
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        for (size_t n = 0; n <= strlen(lines[i].line); n++) {
            auto_free char *copy = malloc(n ? n : 1);
            size_t skip;

            ck_assert_ptr_nonnull(copy);
            memcpy(copy, lines[i].line, n);
            (void)severity_of_line(copy, n, &skip);
            ck_assert_uint_le(skip, n);
        }
}
END_TEST

START_TEST(what_is_far_behind_the_beginning_of_a_text_is_not_its_level)
{
    auto_text struct text far = TEXT_INIT, near = TEXT_INIT;
    size_t skip;

    text_addf(&far, "%0100d ERROR x", 0);
    text_addf(&near, "%040d ERROR x", 0);
    ck_assert_int_eq(severity_of_line(far.data, far.bytes, &skip), SEVERITY_UNKNOWN);
    ck_assert_int_eq(severity_of_line(near.data, near.bytes, &skip), SEVERITY_ERROR);
}
END_TEST

START_TEST(each_word_has_the_name_of_its_number)
{
    ck_assert_str_eq(severity_name(severity_of_word("Err", 3)), "ERROR");
    ck_assert_str_eq(severity_name(severity_of_word("panic", 5)), "FATAL");
    ck_assert_str_eq(severity_name(severity_of_word("information", 11)), "");
    ck_assert_int_eq(severity_of_word("info", 3), SEVERITY_UNKNOWN);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("severity");
    TCase *t = tcase_create("severity");

    tcase_add_loop_test(t, a_line_says_how_bad_it_is, 0, (int)ARRAY_LEN(lines));
    tcase_add_test(t, a_line_may_end_anywhere);
    tcase_add_test(t, what_is_far_behind_the_beginning_of_a_text_is_not_its_level);
    tcase_add_test(t, each_word_has_the_name_of_its_number);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
