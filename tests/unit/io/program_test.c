/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a reload by signal does not change, and what it must therefore not be asked to. */
#include <stdlib.h>

#include "base/mem.h"
#include "supervisor/io/master_reload.h"
#include "tests/unit/core/specs.h"
#include "tests/unit/io/look_fixture.h"

static char here[] = "/srv/web", elsewhere[] = "/srv/releases/2/web";
static struct snapshot snap;
static struct service_spec *spec;

static void
begin(void)
{
    setup();
    spec = service_new("web");
    free(spec->directory);
    spec->directory = must(strdup(own_dir));
    snap = (struct snapshot){.spec = spec, .exe_path = here};
    snap.identity = (struct identity)IDENTITY_KEEP;
}

static void
end(void)
{
    service_spec_unref(spec);
    strv_finish(&snap.env_file);
    teardown();
}

static struct digest
program(void)
{
    return snapshot_program(&snap, look_at(full("web"), NULL));
}

START_TEST(the_bytes_and_the_place_of_the_executable_count_and_its_age_does_not)
{
    struct digest first, second;

    put("web", "#!/bin/sh\n");
    first = program();
    ck_assert(!digest_none(first));
    put("web.new", "#!/bin/sh\n");
    ck_assert_int_eq(rename("web.new", "web"), 0);
    ck_assert(digest_equal(first, program()));
    put("web", "#!/bin/sh\n# another one\n");
    second = program();
    ck_assert(!digest_equal(first, second));
    snap.exe_path = elsewhere; /* a script is run by its path */
    ck_assert(!digest_equal(second, program()));
}
END_TEST

START_TEST(what_was_not_read_is_not_known)
{
    struct look_answer unwatched;

    put("web", "#!/bin/sh\n");
    unwatched = *look_at(full("web"), NULL);
    unwatched.exe_digest = (struct digest){0, 0};
    ck_assert(digest_none(snapshot_program(&snap, &unwatched)));
}
END_TEST

/* _i: 0: named by the script; 1, 2: found by env */
START_TEST(the_interpreter_of_a_script_counts)
{
    static const char *const lines[] = {"#!%s/sh\n", "#!/usr/bin/env sh\n",
                                        "#! /usr/bin/env -S MODE=x sh -e\n"};
    char script[128];
    struct digest first;

    spec->environment = must(calloc(1, sizeof(*spec->environment)));
    spec->environment[0].name = must(strdup("PATH"));
    spec->environment[0].value = must(strdup(own_dir));
    spec->n_environment = 1;
    put("sh", "\177ELF, nearly");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(script, sizeof(script), lines[_i], own_dir);
#pragma GCC diagnostic pop
    put("web", script);
    first = program();
    ck_assert(digest_equal(first, program()));
    put("sh.new", "\177ELF, nearly"); /* as a package is installed */
    ck_assert_int_eq(rename("sh.new", "sh"), 0);
    ck_assert(!digest_equal(first, program()));
}
END_TEST

START_TEST(the_env_file_and_who_it_runs_as_count)
{
    struct digest first = snapshot_setting(&snap), second;

    ck_assert(!digest_none(first));
    ck_assert(digest_equal(first, snapshot_setting(&snap)));
    must_add(&snap.env_file, "MODE=one");
    second = snapshot_setting(&snap);
    ck_assert(!digest_equal(first, second));
    snap.identity.gid = 7;
    ck_assert(!digest_equal(second, snapshot_setting(&snap)));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("program");
    TCase *tc = tcase_create("program");

    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, the_bytes_and_the_place_of_the_executable_count_and_its_age_does_not);
    tcase_add_test(tc, what_was_not_read_is_not_known);
    tcase_add_loop_test(tc, the_interpreter_of_a_script_counts, 0, 3);
    tcase_add_test(tc, the_env_file_and_who_it_runs_as_count);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
