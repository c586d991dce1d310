// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of the handoff benchmark: nobody is left out, and who is not measured is named. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "bench/table.h"
#include "tests/unit/unit.h"

static const struct arena nowhere = {.uid = (uid_t)-1, .gid = (gid_t)-1};

START_TEST(every_rival_is_complete_and_has_a_name_of_its_own)
{
    const struct rival *r = rivals[_i];

    ck_assert_ptr_nonnull(r->name);
    ck_assert_ptr_nonnull(r->serves);
    ck_assert_ptr_nonnull(r->how);
    ck_assert(r->configure && r->start && r->reload);
    ck_assert_msg(r->stop_signal > 0 || r->stop, "%s is never told to stop", r->name);
    ck_assert_int_ge(r->interval_us, 0);
    ck_assert_msg(strchr(r->name, ',') == NULL, "--only could not name '%s'", r->name);
    ck_assert_ptr_eq(rival_find(r->name), r);
}
END_TEST

START_TEST(those_who_serve_the_same_stand_together_and_stint_is_the_first)
{
    const char *serves = rivals[_i]->serves;
    bool begins = _i == 0 || strcmp(rivals[_i - 1]->serves, serves) != 0;

    for (int i = 0; begins && i < _i; i++)
        ck_assert_msg(strcmp(rivals[i]->serves, serves) != 0, "'%s' is in two places", serves);
    if (begins)
        ck_assert_msg(strncmp(rivals[_i]->name, "stint", 5) == 0, "'%s' without stint", serves);
}
END_TEST

static const char *const promised[] = {"stint",
                                       "limit-c",
                                       "nginx-hup",
                                       "haproxy",
                                       "gunicorn",
                                       "unicorn",
                                       "puma",
                                       "puma-phased",
                                       "uwsgi-hup",
                                       "uwsgi-chain",
                                       "pm2",
                                       "supervisord",
                                       "s6",
                                       "supervisord-fcgi",
                                       "runit",
                                       "systemd",
                                       "systemd-socket",
                                       "start_server",
                                       "daemontools",
                                       "stint+gunicorn",
                                       "stint+node",
                                       "stint+puma",
                                       "stint+unicorn",
                                       "stint+uwsgi",
                                       "stint+haproxy",
                                       "stint+nginx"};

START_TEST(those_who_were_promised_are_there)
{
    ck_assert_msg(rival_find(promised[_i]) != NULL, "no rival '%s'", promised[_i]);
}
END_TEST

START_TEST(names_that_nobody_has_are_not_found)
{
    ck_assert_ptr_null(rival_find("nobody"));
    ck_assert_ptr_null(rival_find("stint-watching")); /* a rival, but of another benchmark */
}
END_TEST

START_TEST(what_is_missing_here_is_named)
{
    struct arena as_somebody = nowhere;

    ck_assert_int_eq(setenv("PATH", "/nonexistent:", 1), 0);
    ck_assert_ptr_null(rival_lacks(&rival_stint, &nowhere));
    ck_assert_ptr_null(rival_lacks(&rival_limit, &nowhere));
    ck_assert_str_eq(rival_lacks(rival_find("gunicorn"), &nowhere), "gunicorn");
    ck_assert_str_eq(rival_lacks(rival_find("stint+node"), &nowhere), "node");
    for (size_t i = 0; i < n_rivals; i++)
        if (rivals[i] != &rival_stint && rivals[i] != &rival_limit)
            ck_assert_msg(rival_lacks(rivals[i], &nowhere) != NULL, "%s", rivals[i]->name);

    /* A machine with its own init cannot be had as another user, whatever is installed. */
    as_somebody.uid = 1;
    ck_assert_ptr_null(rival_lacks(&(struct rival){.name = "plain"}, &as_somebody));
    ck_assert_str_eq(rival_lacks(&(struct rival){.name = "rooted", .root = true}, &as_somebody),
                     "root");
}
END_TEST

static struct sample once[] = {
    {.requests = 10, .reloads = 2, .gap_ms = 9, .first_ms = 8}
};

static void
render(struct text *out, const struct entry *entries, unsigned n)
{
    static struct field f;

    memset(&f, 0, sizeof(f));
    f.load = &load_kinds[0];
    f.n_entries = n;
    memcpy(f.entries, entries, n * sizeof(*entries));
    table_add(out, &f);
    table_ratios_add(out, &f);
}

START_TEST(who_was_not_measured_has_a_row_that_says_why)
{
    auto_text struct text out = TEXT_INIT;
    const struct entry entries[] = {
        {.rival = &rival_stint,                 .samples = once, .n = 1                        },
        {                               .rival = rival_find("haproxy"), .why_not = "not installed (haproxy)"               },
        { .rival = rival_find("gunicorn"),                .samples = once,                               .n = 1, .why_not = "it broke"},
    };

    render(&out, entries, ARRAY_LEN(entries));
    ck_assert_ptr_nonnull(
        strstr(text_str(&out), "| haproxy | USR2 | not measured: not installed (haproxy) |"));
    ck_assert_ptr_nonnull(strstr(text_str(&out), "| gunicorn | HUP | 0 / 10 | 2 |"));
    ck_assert_ptr_nonnull(strstr(text_str(&out), "; then: it broke |"));
    ck_assert_ptr_nonnull(strstr(text_str(&out), "| **HAProxy** |"));
}
END_TEST

START_TEST(a_table_of_those_who_are_missing_is_still_a_table)
{
    auto_text struct text out = TEXT_INIT;
    const struct entry entries[] = {
        {.rival = &rival_stint,            .why_not = "it did not start"     },
        {.rival = &rival_limit,            .why_not = "nor did this"         },
        {.rival = rival_find("nginx-hup"), .why_not = "not installed (nginx)"},
    };

    render(&out, entries, ARRAY_LEN(entries));
    ck_assert_ptr_nonnull(strstr(text_str(&out), "not measured: it did not start"));
    ck_assert_ptr_null(strstr(text_str(&out), "nan"));
    ck_assert_ptr_null(strstr(text_str(&out), "**met**"));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bench.rivals");
    TCase *tc = tcase_create("the table of rivals");

    tcase_add_loop_test(tc, every_rival_is_complete_and_has_a_name_of_its_own, 0, (int)n_rivals);
    tcase_add_loop_test(tc, those_who_serve_the_same_stand_together_and_stint_is_the_first, 0,
                        (int)n_rivals);
    tcase_add_loop_test(tc, those_who_were_promised_are_there, 0, ARRAY_LEN(promised));
    tcase_add_test(tc, names_that_nobody_has_are_not_found);
    tcase_add_test(tc, what_is_missing_here_is_named);
    tcase_add_test(tc, who_was_not_measured_has_a_row_that_says_why);
    tcase_add_test(tc, a_table_of_those_who_are_missing_is_still_a_table);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
