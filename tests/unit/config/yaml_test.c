/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text as such: syntax, duplicate keys, aliases, and the caps of size, depth and number. */
#include "tests/unit/config/findings.h"

static const struct wrong wrongs[] = {
#include "tests/unit/config/yaml_wrong.def"
};

START_TEST(what_is_wrong_with_the_text_is_said_with_its_place)
{
    assert_findings(&wrongs[_i]);
}
END_TEST

START_TEST(an_anchor_and_its_alias_are_the_same_value)
{
    struct spec *s = parse_right("version: 1\nservices:\n"
                                 "  a: {command: &c [run, --fast], environment: &e {A: x}}\n"
                                 "  b: {command: *c, environment: *e}\n");

    ck_assert_uint_eq(s->n_services, 2);
    ck_assert(strv_equal(&s->services[0]->command, &s->services[1]->command));
    ck_assert_str_eq(s->services[1]->environment[0].value, "x");
    spec_destroy(s);
}
END_TEST

START_TEST(an_alias_bomb_dies_at_the_cap)
{
    auto_text struct text t = TEXT_INIT;
    struct diagnostics d = {NULL, 0, 0};
    struct spec *spec = NULL;

    text_add(&t, "version: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 12; i++) {
        text_addf(&t, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            text_addf(&t, "%s*a%d", j ? ", " : "", i - 1);
        text_add(&t, "]\n");
    }
    ck_assert_int_eq(config_parse("bomb", t.data, t.bytes, &spec, &d), -EINVAL);
    ck_assert_uint_eq(d.n, 1);
    ck_assert_uint_eq(d.items[0].line, 6);
    ck_assert_str_eq(d.items[0].text, "too much: with this alias written out there are more than "
                                      "100000 values");
    diagnostics_finish(&d);
}
END_TEST

START_TEST(an_alias_cannot_nest_deeper_than_text_can)
{
    auto_text struct text t = TEXT_INIT;
    struct diagnostics d = {NULL, 0, 0};
    struct spec *spec = NULL;

    text_add(&t, "version: 1\na0: &a0 x\n");
    for (int i = 1; i < 40; i++)
        text_addf(&t, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    ck_assert_int_eq(config_parse("deep", t.data, t.bytes, &spec, &d), -EINVAL);
    ck_assert_uint_eq(d.n, 1);
    ck_assert_str_eq(d.items[0].text, "too deep: with this alias it nests more than 32 levels");
    diagnostics_finish(&d);
}
END_TEST

/* What @t gives when it is @deep brackets deep; the file is a map, so that counts as one level. */
static void
assert_depth(unsigned deep, const char *wanted)
{
    auto_text struct text t = TEXT_INIT;
    struct diagnostics d = {NULL, 0, 0};
    struct spec *spec = NULL;

    text_add(&t, "version: 1\nx: ");
    for (unsigned i = 0; i < deep; i++)
        text_add(&t, "[");
    for (unsigned i = 0; i < deep; i++)
        text_add(&t, "]");
    ck_assert_int_eq(config_parse("deep", t.data, t.bytes, &spec, &d), -EINVAL);
    ck_assert_uint_eq(d.n, 1);
    ck_assert_ptr_eq(strstr(d.items[0].text, wanted), d.items[0].text);
    diagnostics_finish(&d);
}

START_TEST(thirty_two_levels_are_deep_enough)
{
    assert_depth(31, "unknown key 'x'");
    assert_depth(32, "too deep: more than 32 levels");
    assert_depth(100000, "too deep: more than 32 levels");
}
END_TEST

START_TEST(a_hundred_thousand_values_are_enough)
{
    auto_text struct text t = TEXT_INIT;
    struct diagnostics d = {NULL, 0, 0};
    struct spec *spec = NULL;

    text_add(&t, "version: 1\nx: [");
    for (int i = 0; i < 100001; i++)
        text_add(&t, "a,");
    text_add(&t, "]\n");
    ck_assert_int_eq(config_parse("many", t.data, t.bytes, &spec, &d), -EINVAL);
    ck_assert_uint_eq(d.n, 1);
    ck_assert_str_eq(d.items[0].text, "too much: there are more than 100000 values");
    diagnostics_finish(&d);
}
END_TEST

START_TEST(defaults_count_in_every_service)
{
    auto_text struct text t = TEXT_INIT;
    struct diagnostics d = {NULL, 0, 0};
    struct spec *spec = NULL;

    text_add(&t, "version: 1\ndefaults:\n  environment:\n");
    for (int i = 0; i < 1000; i++)
        text_addf(&t, "    V%d: x\n", i);
    text_add(&t, "services:\n");
    for (int i = 0; i < 200; i++)
        text_addf(&t, "  s%d: {command: [x]}\n", i);
    ck_assert_int_eq(config_parse("many", t.data, t.bytes, &spec, &d), -EINVAL);
    ck_assert_ptr_eq(strstr(d.items[0].text, "too much: with 'defaults' in each service there are "
                                             "more than 100000 values"),
                     d.items[0].text);
    diagnostics_finish(&d);
}
END_TEST

START_TEST(a_text_over_one_mebibyte_is_refused_unread)
{
    size_t n = ((size_t)1 << 20) + 1;
    auto_free char *big = malloc(n);
    struct diagnostics d = {NULL, 0, 0};
    struct spec *spec = NULL;

    memset(big, '\n', n);
    ck_assert_int_eq(config_parse("big", big, n, &spec, &d), -EINVAL);
    ck_assert_uint_eq(d.n, 1);
    ck_assert_uint_eq(d.items[0].line, 0);
    ck_assert_str_eq(d.items[0].text, "it is larger than 1 MiB");
    diagnostics_finish(&d);
}
END_TEST

START_TEST(a_hundred_findings_are_kept_and_the_rest_is_counted)
{
    auto_text struct text t = TEXT_INIT, shown = TEXT_INIT;
    struct diagnostics d = {NULL, 0, 0};
    struct spec *spec = NULL;

    text_add(&t, "version: 1\n");
    for (int i = 0; i < 250; i++)
        text_addf(&t, "x%d: 1\n", i);
    ck_assert_int_eq(config_parse("t", t.data, t.bytes, &spec, &d), -EINVAL);
    ck_assert_uint_eq(d.n, DIAGNOSTICS_MAX);
    ck_assert_uint_eq(d.left_out, 150);
    diagnostics_render(&d, &shown);
    ck_assert_ptr_nonnull(strstr(text_str(&shown), "\n… and 150 more\n"));
    diagnostics_finish(&d);
}
END_TEST

START_TEST(a_finding_in_a_shared_value_is_said_once)
{
    assert_findings(&(struct wrong){
        "version: 1\nservices:\n  a: &a {command: [x], wrong: 1}\n  b: *a\n  c: *a\n",
        "3:24: unknown key 'wrong' near 'wrong: 1}'"});
}
END_TEST

START_TEST(a_finding_is_shown_with_its_line_and_a_caret)
{
    static const char yaml[] =
        "version: 1\nservices:\n  grün: {command: [x]}\n"
        "  web:\n    command: [x]\n\n    environment: {Ü: é, wörkers: \"\\x\"}\n";
    static const char workers[] = "version: 1\nservices:\n  web: {command: [ä,\tö], workers: 0}\n";
    struct diagnostics d = {NULL, 0, 0};
    auto_text struct text shown = TEXT_INIT;
    struct spec *spec = NULL;

    ck_assert_int_eq(config_parse("a.yaml", yaml, strlen(yaml), &spec, &d), -EINVAL);
    ck_assert_int_eq(config_parse("b.yaml", workers, strlen(workers), &spec, &d), -EINVAL);
    ck_assert_uint_eq(d.n, 2); /* findings of two runs, one after the other */
    diagnostics_render(&d, &shown);
    ck_assert_str_eq(text_str(&shown),
                     "a.yaml:7:37: this is not YAML: did not find expected hexdecimal number while "
                     "parsing a quoted scalar\n"
                     "        environment: {Ü: é, wörkers: \"\\x\"}\n"
                     "                                        ^\n"
                     "b.yaml:3:35: 'workers' is out of range: 1 to 1024 near '0}'\n"
                     "      web: {command: [ä, ö], workers: 0}\n"
                     "                                      ^\n");
    diagnostics_finish(&d);
}
END_TEST

START_TEST(a_byte_order_mark_at_the_beginning_is_no_part_of_the_text)
{
    spec_destroy(parse_right("\xef\xbb\xbfversion: 1\nservices: {web: {command: [x]}}\n"));
    assert_findings(&(struct wrong){"\xef\xbb\xbfversion: 2\n",
                                    "1:10: version 2 is not known: this stint reads version 1 "
                                    "near '2'"});
    assert_findings(&(struct wrong){"\xef\xbb\xbf", "0:0: the file is empty"});
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("yaml");
    TCase *c = tcase_create("yaml");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, what_is_wrong_with_the_text_is_said_with_its_place, 0,
                        (int)ARRAY_LEN(wrongs));
    tcase_add_test(c, an_anchor_and_its_alias_are_the_same_value);
    tcase_add_test(c, an_alias_bomb_dies_at_the_cap);
    tcase_add_test(c, an_alias_cannot_nest_deeper_than_text_can);
    tcase_add_test(c, thirty_two_levels_are_deep_enough);
    tcase_add_test(c, a_hundred_thousand_values_are_enough);
    tcase_add_test(c, defaults_count_in_every_service);
    tcase_add_test(c, a_text_over_one_mebibyte_is_refused_unread);
    tcase_add_test(c, a_hundred_findings_are_kept_and_the_rest_is_counted);
    tcase_add_test(c, a_finding_in_a_shared_value_is_said_once);
    tcase_add_test(c, a_finding_is_shown_with_its_line_and_a_caret);
    tcase_add_test(c, a_byte_order_mark_at_the_beginning_is_no_part_of_the_text);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
