/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CORE_RIM_SUITE_H
#define STINT_TESTS_CORE_RIM_SUITE_H

/* What a test says of a struct rim, and the suite that it belongs to; part of rim.h. */
#include <check.h>
#include <string.h>

#define ck_did(r, words) ck_assert_str_eq(text_str(&(r)->did), words)
#define ck_said(r, words)                                                                         \
    ck_assert_msg(strstr(text_str(&(r)->said), words) != NULL, "nobody said '%s' in:\n%s", words, \
                  text_str(&(r)->said))
#define ck_not_said(r, words)                                                                \
    ck_assert_msg(strstr(text_str(&(r)->said), words) == NULL, "somebody said '%s' in:\n%s", \
                  words, text_str(&(r)->said))
#define ck_state(r, name, state) \
    ck_assert_str_eq(service_state_name(service_state(rim_service(r, name))), state)

/* The rules of one file: one setup, one line for each test in main(). */
#define RIM_SUITE_MAIN(name, ...)                                     \
    int main(void)                                                    \
    {                                                                 \
        const TTest *const tests[] = {__VA_ARGS__};                   \
        Suite *suite = suite_create(name);                            \
        TCase *tcase = tcase_create(name);                            \
                                                                      \
        tcase_add_checked_fixture(tcase, setup, teardown);            \
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) \
            tcase_add_test(tcase, tests[i]);                          \
        suite_add_tcase(suite, tcase);                                \
        return unit_main(suite);                                      \
    }

#endif
