/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where what a service prints goes. */
#include "tests/unit/config/findings.h"

START_TEST(a_word_a_file_alone_and_a_map_all_say_where_lines_go)
{
    static const struct {
        const char *log;
        enum service_log_to to;
        const char *file;
    } cases[] = {
        {"stderr",                                     LOG_TO_STDERR,  NULL        },
        {"journal",                                    LOG_TO_JOURNAL, NULL        },
        {"{file: x.log}",                              LOG_TO_FILE,    "/x.log"    },
        {"{to: file, file: /l/./y}",                   LOG_TO_FILE,    "/l/y"      },
        {"{to: stderr, file: /l/y}",                   LOG_TO_STDERR,  "/l/y"      },
        {"{to: file, file: '/l/{service}-{service}'}", LOG_TO_FILE,    "/l/web-web"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_text struct text yaml = TEXT_INIT;
        struct spec *spec;

        text_addf(&yaml, "version: 1\nservices:\n  web: {command: [x], directory: /, log: %s}\n",
                  cases[i].log);
        spec = parse_right(text_str(&yaml));
        ck_assert_int_eq(spec->services[0]->log.to, cases[i].to);
        ck_assert_pstr_eq(spec->services[0]->log.file, cases[i].file);
        spec_destroy(spec);
    }
}
END_TEST

START_TEST(the_file_of_the_defaults_is_each_services_own)
{
    struct spec *spec =
        parse_right("version: 1\n"
                    "defaults: {log: {file: '/l/{service}.log', keep: 9, mode: 0600}}\n"
                    "services:\n"
                    "  a: {command: [x], log: {keep: 2}}\n"
                    "  b: {command: [x], log: journal}\n"
                    "  c: {command: [x]}\n");
    const struct service_log *a = &spec->services[0]->log, *b = &spec->services[1]->log,
                             *c = &spec->services[2]->log;

    ck_assert_int_eq(a->to, LOG_TO_FILE);
    ck_assert_str_eq(a->file, "/l/a.log");
    ck_assert_uint_eq(a->keep, 2);
    ck_assert_uint_eq(a->mode, 0600);
    ck_assert_int_eq(b->to, LOG_TO_JOURNAL);
    ck_assert_int_eq(c->to, LOG_TO_FILE);
    ck_assert_str_eq(c->file, "/l/c.log");
    ck_assert_uint_eq(c->keep, 9);
    spec_destroy(spec);
}
END_TEST

START_TEST(a_change_of_the_log_is_made_in_place)
{
    struct spec *was = parse_right("version: 1\nservices:\n  a: {command: [x]}\n");
    struct spec *is = parse_right("version: 1\nservices:\n  a: {command: [x], log: {file: /l}}\n");
    auto_text struct text keys = TEXT_INIT;

    ck_assert_int_eq(service_spec_diff(was->services[0], is->services[0], &keys), RELOAD_IN_PLACE);
    ck_assert_str_eq(text_str(&keys), "log.to, log.file");
    ck_assert(digest_equal(service_spec_launch_digest(was->services[0]),
                           service_spec_launch_digest(is->services[0])));
    spec_destroy(was);
    spec_destroy(is);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("log");
    TCase *c = tcase_create("log");

    tcase_add_test(c, a_word_a_file_alone_and_a_map_all_say_where_lines_go);
    tcase_add_test(c, the_file_of_the_defaults_is_each_services_own);
    tcase_add_test(c, a_change_of_the_log_is_made_in_place);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
