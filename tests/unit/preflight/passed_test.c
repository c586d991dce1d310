/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The note that a candidate has passed, for the door. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/preflight/passed.h"
#include "tests/unit/unit.h"

static char dir[64];

static void
setup(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/stint-passed-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static struct passed
pass(uint64_t low)
{
    return (struct passed){
        .candidate = {7, low},
        .at_wall_us = 1795722780883439,
        .by_uid = geteuid(),
        .checks = 7,
        .skipped = 2
    };
}

static void
note(const char *service, uint64_t low)
{
    struct passed p = pass(low);
    struct error e = {0};

    ck_assert_msg(passed_write(dir, service, &p, &e) == 0, "%s", e.text);
}

static int
look(const char *service, uint64_t low)
{
    struct passed p = pass(low), got = {0};
    struct error e = {0};
    int r = passed_read(dir, service, p.candidate, &got, &e);

    if (r == 0) {
        ck_assert_int_eq(got.at_wall_us, p.at_wall_us);
        ck_assert_uint_eq(got.by_uid, p.by_uid);
        ck_assert_uint_eq(got.checks, p.checks);
        ck_assert_uint_eq(got.skipped, p.skipped);
    } else {
        ck_assert_str_ne(e.text, "");
    }
    return r;
}

static char *
path_of(const char *service, uint64_t low)
{
    struct passed p = pass(low);
    char digest[DIGEST_TEXT], *path = NULL;

    ck_assert_int_gt(
        asprintf(&path, "%s/preflight/%s.%s", dir, service, digest_format(p.candidate, digest)), 0);
    return path;
}

START_TEST(what_has_passed_has_and_nothing_else)
{
    ck_assert_int_eq(look("web", 1), -ENOENT);
    note("web", 1);
    ck_assert_int_eq(look("web", 1), 0);
    ck_assert_int_eq(look("web", 2), -ENOENT);
    ck_assert_int_eq(look("we", 1), -ENOENT);
    ck_assert_int_eq(look("web.x", 1), -ENOENT);
}
END_TEST

/* Each byte of it, changed: whatever comes out, it is no pass. */
START_TEST(a_damaged_note_is_none)
{
    auto_free char *path = NULL, *text = NULL;
    struct error e = {0};
    size_t n;

    note("web", 1);
    path = path_of("web", 1);
    ck_assert_int_eq(file_read(path, 4096, &text, &n, &e), 0);
    for (size_t i = 0; i < n; i++) {
        text[i] ^= 1;
        ck_assert_int_eq(file_swap(path, text, n, 0644, &e), 0);
        ck_assert_msg(look("web", 1) == -EPROTO, "byte %zu", i);
        text[i] ^= 1;
    }
    for (size_t cut = 0; cut < n; cut += 7) {
        ck_assert_int_eq(file_swap(path, text, cut, 0644, &e), 0);
        ck_assert_msg(look("web", 1) == -EPROTO, "cut at %zu", cut);
    }
}
END_TEST

/* The note of another candidate, or of another service, under this name. */
START_TEST(a_note_is_not_to_be_copied_to_another_name)
{
    auto_free char *from = NULL, *other = NULL, *foreign = NULL;

    note("web", 1);
    from = path_of("web", 1);
    other = path_of("web", 2);
    foreign = path_of("db", 1);
    ck_assert_int_eq(link(from, other), 0);
    ck_assert_int_eq(link(from, foreign), 0);
    ck_assert_int_eq(look("web", 2), -EPROTO);
    ck_assert_int_eq(look("db", 1), -EPROTO);
}
END_TEST

START_TEST(who_may_not_say_so_is_not_believed)
{
    auto_free char *path = NULL, *aside = NULL;

    note("web", 1);
    path = path_of("web", 1);
    ck_assert_int_eq(chmod(path, 0664), 0);
    ck_assert_int_eq(look("web", 1), -EPERM);
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(look("web", 1), 0);
    ck_assert_int_gt(asprintf(&aside, "%s/aside", dir), 0);
    ck_assert_int_eq(rename(path, aside), 0);
    ck_assert_int_eq(symlink(aside, path), 0);
    ck_assert_int_eq(look("web", 1), -ELOOP);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0644), 0); /* nobody waits for its writer */
    ck_assert_int_eq(look("web", 1), -EPERM);
}
END_TEST

START_TEST(the_newest_are_kept_and_other_services_are_left_alone)
{
    note("web.api", 1);
    for (uint64_t i = 1; i <= PASSED_KEPT + 5; i++) {
        auto_free char *path = path_of("web", i);
        struct timespec at[2] = {{.tv_sec = (time_t)(1000 + i)}, {.tv_sec = (time_t)(1000 + i)}};

        note("web", i);
        ck_assert_int_eq(utimensat(AT_FDCWD, path, at, 0), 0);
    }
    note("web", PASSED_KEPT + 6);
    ck_assert_int_eq(look("web", 1), -ENOENT);
    ck_assert_int_eq(look("web", 6), -ENOENT);
    ck_assert_int_eq(look("web", 7), 0);
    ck_assert_int_eq(look("web", PASSED_KEPT + 6), 0);
    ck_assert_int_eq(look("web.api", 1), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("passed");
    TCase *tc = tcase_create("passed");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_has_passed_has_and_nothing_else);
    tcase_add_test(tc, a_damaged_note_is_none);
    tcase_add_test(tc, a_note_is_not_to_be_copied_to_another_name);
    tcase_add_test(tc, who_may_not_say_so_is_not_believed);
    tcase_add_test(tc, the_newest_are_kept_and_other_services_are_left_alone);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
