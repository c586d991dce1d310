/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each key alone: unknown, of the wrong type, without its unit, out of its range. */
#include "tests/unit/config/findings.h"

#define SERVICE "version: 1\nservices:\n  web:\n    command: [x]\n"

/* One line under a service; it stands on line 5, its value usually behind "    key: ". */
static const struct wrong wrongs[] = {
#include "tests/unit/config/keys_wrong.def"
};

START_TEST(a_wrong_key_or_value_is_said_with_its_place_and_what_was_meant)
{
    assert_findings(&wrongs[_i]);
}
END_TEST

START_TEST(everything_wrong_is_said_in_one_run_in_the_order_of_the_file)
{
    assert_findings(&(struct wrong){
        "version: 1\nlog: {level: loud}\ndefaults: {soak: 1}\nservices:\n"
        "  b: {command: [x], workers: 0, depends_on: [zz]}\n  a: {comand: [x]}\n",
        "2:14: 'level' wants one of debug, info, warning, error, not 'loud' near 'loud}'\n"
        "3:18: 'soak' wants a unit behind '1': us, ms, s, m, h or d near '1}', did you mean '1s'?\n"
        "5:30: 'workers' is out of range: 1 to 1024 near '0, depends_on: [zz]}'\n"
        "5:46: service 'b' depends on 'zz', which there is not near 'zz]}'\n"
        "6:3: service 'a' has no 'command' near 'a: {comand: [x]}'\n"
        "6:7: unknown key 'comand' near 'comand: [x]}', did you mean 'command'?"});
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("keys");
    TCase *c = tcase_create("keys");

    tcase_add_loop_test(c, a_wrong_key_or_value_is_said_with_its_place_and_what_was_meant, 0,
                        (int)ARRAY_LEN(wrongs));
    tcase_add_test(c, everything_wrong_is_said_in_one_run_in_the_order_of_the_file);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
