/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/deadlines.h"

#include <string.h>

#include "base/text.h"
#include "config/config.h"
#include "config/spec.h"
#include "tests/unit/unit.h"

/* Callers and those they call, as far as the configuration knows them. */
static struct spec *
spec_of(const char *services)
{
    struct diagnostics found = {NULL, 0, 0};
    auto_text struct text text = TEXT_INIT, said = TEXT_INIT;
    struct spec *spec = NULL;

    text_addf(&text, "version: 1\nservices:\n%s", services);
    if (config_parse("t", text_str(&text), text.bytes, &spec, &found) < 0)
        diagnostics_render(&found, &said);
    diagnostics_finish(&found);
    ck_assert_msg(spec != NULL, "%s", text_str(&said));
    return spec;
}

/* The warnings about them, with newlines between them. */
static void
assert_warned(const char *services, const char *expected)
{
    struct spec *spec = spec_of(services);
    struct strv warnings = {NULL, 0};
    auto_text struct text all = TEXT_INIT;

    deadline_warnings(spec, &warnings);
    for (size_t i = 0; i < warnings.n; i++)
        text_addf(&all, "%s\n", warnings.items[i]);
    ck_assert_str_eq(text_str(&all), expected);
    strv_finish(&warnings);
    spec_destroy(spec);
}

#define FRONT   "  front: {command: [x], deadlines: "
#define USERS   "  users: {command: [x], deadlines: "
#define NOTHING "  users: {command: [x]}\n"

START_TEST(a_server_that_works_longer_than_its_caller_waits_is_told)
{
    assert_warned(
        FRONT "{calls: {users: 2s}}}\n" USERS "{default: 5s}}\n",
        "t:3:45: deadlines: 'front' waits no longer than 2s for 'users', which works up to 5s for "
        "a "
        "call that says nothing of a timeout: lower 'default' of its 'deadlines' to 2s\n");
    assert_warned(
        FRONT "{calls: {users: 2s}}}\n" USERS "{max: 5s}}\n",
        "t:3:45: deadlines: 'front' waits no longer than 2s for 'users', which works up to 5s for "
        "a "
        "call that says nothing of a timeout: lower 'default' of its 'deadlines' to 2s\n");
}
END_TEST

START_TEST(a_budget_within_the_callers_patience_is_fine)
{
    assert_warned(FRONT "{calls: {users: 2s}}}\n" USERS "{default: 2s, max: 5s}}\n", "");
    assert_warned(FRONT "{calls: {elsewhere: 2s}}}\n", "");
    assert_warned(NOTHING, "");
}
END_TEST

START_TEST(a_server_without_any_limit_is_told)
{
    assert_warned(FRONT "{calls: {users: 2s}}}\n" NOTHING,
                  "t:3:45: deadlines: 'front' waits no longer than 2s for 'users', which has no "
                  "limit at all: give "
                  "its 'deadlines' a 'default'\n");
}
END_TEST

START_TEST(a_server_without_a_limit_on_purpose_is_told_with_its_reason)
{
    struct spec *spec = spec_of(USERS "{none: \"it streams\"}}\n");

    ck_assert_str_eq(spec->services[0]->deadlines.none, "it streams");
    ck_assert(!deadlines_configured(spec->services[0]));
    spec_destroy(spec);
    assert_warned(FRONT "{default: 2s}}\n" USERS "{none: it streams}}\n", "");
    assert_warned(FRONT "{calls: {users: 2s}}}\n" USERS "{none: it streams}}\n",
                  "t:3:45: deadlines: 'front' waits no longer than 2s for 'users', which has no "
                  "deadline on purpose (it streams): give its 'deadlines' a 'default', or the "
                  "caller more patience\n");
    /* To begin with a reason, or to change it, is no news for the program. */
    spec = spec_of(USERS "{none: it streams}}\n");
    struct spec *without = spec_of(NOTHING);

    ck_assert(digest_equal(service_spec_launch_digest(spec->services[0]),
                           service_spec_launch_digest(without->services[0])));
    ck_assert_int_eq(service_spec_diff(spec->services[0], without->services[0], NULL),
                     RELOAD_IN_PLACE);
    spec_destroy(spec);
    spec_destroy(without);
}
END_TEST

START_TEST(callers_that_are_no_services_are_known_by_the_one_who_is_called)
{
    assert_warned(USERS "{default: 5s, client_timeout: {gateway: 10s, cron: 3s}}}\n",
                  "t:3:81: deadlines: 'cron' waits no longer than 3s for 'users', which works up "
                  "to 5s for a call "
                  "that says nothing of a timeout: lower 'default' of its 'deadlines' to 3s\n");
    assert_warned(
        USERS "{default: 5s, client_timeout: 1s}}\n",
        "t:3:66: deadlines: a caller waits no longer than 1s for 'users', which works up to 5s "
        "for a call "
        "that says nothing of a timeout: lower 'default' of its 'deadlines' to 1s\n");
}
END_TEST

START_TEST(a_caller_that_waits_longer_than_it_may_take_itself_is_told)
{
    assert_warned(
        FRONT "{default: 1s, calls: {users: 2s}}}\n" USERS "{default: 2s}}\n",
        "t:3:58: deadlines: 'front' waits up to 2s for 'users', and may take no more than 1s "
        "itself: lower "
        "'users' in its 'calls'\n");
    assert_warned(FRONT "{default: 1s, calls: {elsewhere: 2s}}}\n",
                  "t:3:58: deadlines: 'front' waits up to 2s for 'elsewhere', and may take no more "
                  "than 1s itself: "
                  "lower 'elsewhere' in its 'calls'\n");
}
END_TEST

START_TEST(two_who_say_different_things_of_one_edge_are_told_once)
{
    assert_warned(
        FRONT "{calls: {users: 3s}}}\n" USERS "{default: 2s, client_timeout: {front: 4s}}}\n",
        "t:3:45: deadlines: 'front' calls 'users' with a timeout of 3s, where 'client_timeout' "
        "of 'users' says "
        "4s: one of them is wrong\n");
    assert_warned(
        FRONT "{calls: {users: 3s}}}\n" USERS "{default: 2s, client_timeout: {front: 3s}}}\n", "");
}
END_TEST

START_TEST(what_is_said_of_a_caller_is_found_by_its_name_or_for_all)
{
    struct spec *spec =
        spec_of(USERS "{client_timeout: {a: 1s, \"*\": 3s}}}\n" FRONT "{max: 9s}}\n");

    ck_assert_int_eq(deadline_client_us(spec->services[0], "a"), 1000000);
    ck_assert_int_eq(deadline_client_us(spec->services[0], "b"), 3000000);
    ck_assert_int_eq(deadline_client_us(spec->services[1], "b"), 0);
    ck_assert_int_eq(deadline_budget_us(spec->services[0]), 0);
    ck_assert_int_eq(deadline_budget_us(spec->services[1]), 9000000);
    spec_destroy(spec);
}
END_TEST

START_TEST(callers_are_policy_and_what_the_program_is_told_is_a_new_generation)
{
    struct spec *a = spec_of(USERS "{default: 5s, client_timeout: 9s}}\n");
    struct spec *b = spec_of(USERS "{default: 5s, client_timeout: 8s, calls: {x: 1s}}}\n");
    struct spec *c = spec_of(USERS "{default: 4s, client_timeout: 9s}}\n");
    struct spec *none = spec_of(NOTHING);
    auto_text struct text plain = TEXT_INIT;

    ck_assert(digest_equal(service_spec_launch_digest(a->services[0]),
                           service_spec_launch_digest(b->services[0])));
    ck_assert(!digest_equal(service_spec_launch_digest(a->services[0]),
                            service_spec_launch_digest(c->services[0])));
    ck_assert_int_eq(service_spec_diff(a->services[0], b->services[0], NULL), RELOAD_IN_PLACE);
    ck_assert_int_eq(service_spec_diff(a->services[0], c->services[0], NULL),
                     RELOAD_NEW_GENERATION);
    /* Who never heard of the key runs what ran before there was one. */
    service_spec_canonical(none->services[0], &plain);
    ck_assert_ptr_null(strstr(text_str(&plain), "deadlines"));
    spec_destroy(a);
    spec_destroy(b);
    spec_destroy(c);
    spec_destroy(none);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("deadlines");
    TCase *t = tcase_create("deadlines");

    tcase_add_test(t, a_server_that_works_longer_than_its_caller_waits_is_told);
    tcase_add_test(t, a_budget_within_the_callers_patience_is_fine);
    tcase_add_test(t, a_server_without_any_limit_is_told);
    tcase_add_test(t, a_server_without_a_limit_on_purpose_is_told_with_its_reason);
    tcase_add_test(t, callers_that_are_no_services_are_known_by_the_one_who_is_called);
    tcase_add_test(t, a_caller_that_waits_longer_than_it_may_take_itself_is_told);
    tcase_add_test(t, two_who_say_different_things_of_one_edge_are_told_once);
    tcase_add_test(t, what_is_said_of_a_caller_is_found_by_its_name_or_for_all);
    tcase_add_test(t, callers_are_policy_and_what_the_program_is_told_is_a_new_generation);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
