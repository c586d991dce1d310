/* SPDX-License-Identifier: GPL-2.0-or-later */
/* {slot}: what a worker gets instead, and that the service's identity does not depend on it. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "tests/unit/config/findings.h"

static const struct {
    const char *text, *in_slot_12;
    bool there;
} texts[] = {
    {"",                         "",                         false},
    {"{slot}",                   "12",                       true },
    {"--port=910{slot}",         "--port=91012",             true },
    {"{slot}{slot}/{slot}",      "1212/12",                  true },
    {"{{slot}}",                 "{slot}",                   false},
    {"{{{slot}}}",               "{{slot}}",                 false},
    {"{{slot}} is {slot}",       "{slot} is 12",             true },
    {"{\"slot\": {slot}}",       "{\"slot\": 12}",           true },
    {"{{slot}",                  "{12",                      true },
    {"{slot}}",                  "12}",                      true },
    {"{slots} {SLOT} {slot {x}", "{slots} {SLOT} {slot {x}", false},
    {"{",                        "{",                        false},
};

START_TEST(only_the_word_itself_is_replaced_and_one_pair_of_braces_protects_it)
{
    auto_free char *got = slot_text(texts[_i].text, 12);

    ck_assert_str_eq(got, texts[_i].in_slot_12);
    ck_assert(slot_in_text(texts[_i].text) == texts[_i].there);
}
END_TEST

START_TEST(a_command_is_replaced_word_by_word)
{
    struct strv argv = {0}, got = {0};

    ck_assert_int_eq(strv_add(&argv, "web"), 0);
    ck_assert_int_eq(strv_add(&argv, "{slot}"), 0);
    ck_assert_int_eq(strv_add(&argv, ""), 0);
    ck_assert_int_eq(slot_argv(&argv, 0, &got), 0);
    ck_assert_uint_eq(got.n, 3);
    ck_assert_str_eq(got.items[1], "0");
    ck_assert_str_eq(got.items[2], "");
    ck_assert_ptr_null(got.items[3]);
    strv_finish(&got);
    strv_finish(&argv);
}
END_TEST

/* Another number of workers is no other program: the text is kept as it was written. */
START_TEST(the_canonical_text_holds_the_word_and_not_a_number)
{
    auto_text struct text t = TEXT_INIT;
    struct diagnostics d = {0};
    struct spec *s =
        parse_right("version: 1\nservices:\n  web:\n    command: [x, '{slot}', '{{slot}}']\n"
                    "    environment: {N: '{slot}'}\n    ready: {file: '{slot}.pid'}\n");
    struct service_spec *again = NULL;

    service_spec_canonical(s->services[0], &t);
    ck_assert_ptr_nonnull(strstr(text_str(&t), "[x, \"{slot}\", \"{{slot}}\"]"));
    ck_assert_ptr_nonnull(strstr(text_str(&t), "\"/{slot}.pid\""));
    ck_assert_int_eq(spec_parse_canonical(text_str(&t), t.bytes, &again, &d), 0);
    ck_assert(service_spec_equal(again, s->services[0]));
    service_spec_unref(again);
    spec_destroy(s);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("slot");
    TCase *c = tcase_create("slot");

    tcase_add_loop_test(c, only_the_word_itself_is_replaced_and_one_pair_of_braces_protects_it, 0,
                        (int)ARRAY_LEN(texts));
    tcase_add_test(c, a_command_is_replaced_word_by_word);
    tcase_add_test(c, the_canonical_text_holds_the_word_and_not_a_number);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
