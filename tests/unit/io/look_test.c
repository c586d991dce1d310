/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/look.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "config/spec.h"
#include "tests/unit/io/look_fixture.h"

static void
broken(const char *exe, const char *word)
{
    const struct look_answer *a = look_at(exe, NULL);

    ck_assert_int_eq(a->result, LOOK_BROKEN);
    ck_assert_msg(strstr(a->reason, word) != NULL, "'%s' does not say '%s'", a->reason, word);
    ck_assert_int_eq(a->exe_fd, -1);
}

START_TEST(a_program_is_pinned)
{
    const struct look_answer *a = look_at("/bin/sh", NULL);
    struct stat st;

    ck_assert_int_eq(a->result, LOOK_OK);
    ck_assert(!a->is_script);
    ck_assert(!digest_none(a->digest));
    ck_assert(digest_equal(a->exe_digest, a->exe_digest));
    ck_assert_int_eq(fstat(a->exe_fd, &st), 0);
    ck_assert_uint_eq(st.st_ino, a->exe_stat.st_ino);
    ck_assert_int_ne(fcntl(a->exe_fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_ptr_nonnull(strstr(a->interpreter, "ld-linux"));
    ck_assert(a->real_path[0] == '/');
}
END_TEST

START_TEST(a_script_names_its_interpreter)
{
    put("run", "#! /bin/sh -e\nexit 0\n");
    const struct look_answer *a = look_at(full("run"), NULL);

    ck_assert_int_eq(a->result, LOOK_OK);
    ck_assert(a->is_script);
    ck_assert_str_eq(a->interpreter, "/bin/sh");
    ck_assert_str_eq(a->real_path, full("run"));
}
END_TEST

START_TEST(what_cannot_run_is_broken_and_says_why)
{
    broken(full("none"), "does not exist");
    ck_assert_int_eq(symlink("nowhere", "link"), 0);
    broken(full("link"), "link to nothing");
    broken(own_dir, "not a regular file");
    put("empty", "");
    broken(full("empty"), "is empty");
    put("plain", "#!/bin/sh\n");
    ck_assert_int_eq(chmod("plain", 0644), 0);
    broken(full("plain"), "not executable (mode 0644)");
    put("text", "hello\n");
    broken(full("text"), "neither a program nor a script");
    put("bare", "#!  \n");
    broken(full("bare"), "names no interpreter");
    put("gone", "#!/no/such/shell\n");
    broken(full("gone"), "needs the interpreter '/no/such/shell'");
    put("dos", "#!/bin/sh\r\nexit 0\r\n");
    broken(full("dos"), "carriage return");
    put("data", "#!/etc/passwd\n");
    broken(full("data"), "not executable");
    put("elf", "\177ELF");
    broken(full("elf"), "cut short");
}
END_TEST

static void
copy_part(const char *from, const char *to, off_t bytes)
{
    auto_free char *data = NULL;
    size_t n = 0;

    ck_assert_int_eq(file_read(from, 64U << 20, &data, &n, NULL), 0);
    if (bytes < 0)
        bytes += (off_t)n;
    FILE *f = fopen(to, "we");

    ck_assert_uint_eq(fwrite(data, 1, (size_t)bytes, f), (size_t)bytes);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(to, 0755), 0);
}

START_TEST(a_half_copied_program_is_broken)
{
    copy_part("/bin/sh", "half", -1);
    broken(full("half"), "cut short");
    copy_part("/bin/sh", "half", 4096);
    broken(full("half"), "cut short");
}
END_TEST

START_TEST(the_digest_follows_content_and_nothing_else)
{
    put("web", "#!/bin/sh\n");
    put("a", "one");
    struct digest first = look_at(full("web"), full("a"))->digest;

    put("a", "two");
    struct digest second = look_at(full("web"), full("a"))->digest;

    ck_assert(!digest_equal(first, second));
    put("a.new", "one"); /* another inode, another time, the same bytes */
    ck_assert_int_eq(rename("a.new", "a"), 0);
    ck_assert(digest_equal(first, look_at(full("web"), full("a"))->digest));
    put("web", "#!/bin/sh\n# new\n");
    ck_assert(!digest_equal(first, look_at(full("web"), full("a"))->digest));

    const char *input = full("a");
    struct look_request rq = request(full("web"), &input, 1);

    rq.watch_binary = false;
    first = look(&rq)->digest;
    ck_assert(digest_none(at.got.exe_digest));
    put("web", "#!/bin/sh\n# newer\n");
    ck_assert(digest_equal(first, look(&rq)->digest));

    rq.know_binary = true; /* told, and no part of it */
    ck_assert(digest_equal(first, look(&rq)->digest));
    second = at.got.exe_digest;
    ck_assert(!digest_none(second));
    put("web", "#!/bin/sh\n# newest\n");
    ck_assert(digest_equal(first, look(&rq)->digest));
    ck_assert(!digest_equal(second, at.got.exe_digest));
}
END_TEST

START_TEST(a_missing_input_is_a_state_of_its_own)
{
    put("web", "#!/bin/sh\n");
    struct digest absent = look_at(full("web"), full("a"))->digest;

    put("a", "");
    struct digest empty = look_at(full("web"), full("a"))->digest;

    ck_assert(!digest_equal(absent, empty));
    ck_assert_int_eq(unlink("a"), 0);
    ck_assert(digest_equal(absent, look_at(full("web"), full("a"))->digest));
}
END_TEST

START_TEST(the_order_of_inputs_counts_the_order_of_a_directory_does_not)
{
    const char *ab[] = {full("a"), full("b")}, *ba[] = {ab[1], ab[0]};

    put("web", "#!/bin/sh\n");
    put("a", "1");
    put("b", "2");
    struct look_request rq = request(full("web"), ab, 2);
    struct digest first = look(&rq)->digest;

    rq.inputs = ba;
    ck_assert(!digest_equal(first, look(&rq)->digest));

    ck_assert_int_eq(mkdir("d", 0700), 0);
    ck_assert_int_eq(mkdir("e", 0700), 0);
    put("d/x", "1");
    put("d/y", "2");
    put("e/y", "2");
    put("e/x", "1");
    first = look_at(full("web"), full("d"))->digest;
    ck_assert(digest_equal(first, look_at(full("web"), full("e"))->digest));
    ck_assert_int_eq(rename("e/x", "e/z"), 0);
    ck_assert(!digest_equal(first, look_at(full("web"), full("e"))->digest));
    ck_assert_int_eq(mkdir("d/sub", 0700), 0);
    put("d/sub/x", "1");
    ck_assert(!digest_equal(first, look_at(full("web"), full("d"))->digest));
}
END_TEST

START_TEST(a_link_in_a_directory_counts_by_text_and_by_content)
{
    put("web", "#!/bin/sh\n");
    put("v1", "1");
    ck_assert_int_eq(mkdir("d", 0700), 0);
    ck_assert_int_eq(symlink("../v1", "d/conf"), 0);
    ck_assert_int_eq(symlink(".", "d/self"), 0); /* not entered: it would never end */
    struct digest first = look_at(full("web"), full("d"))->digest;

    put("v1", "2");
    ck_assert(!digest_equal(first, look_at(full("web"), full("d"))->digest));
}
END_TEST

START_TEST(a_tree_that_is_too_large_is_refused)
{
    char name[32];

    put("web", "#!/bin/sh\n");
    ck_assert_int_eq(mkdir("wide", 0700), 0);
    for (int i = 0; i < LOOK_TREE_DIRS; i++) {
        (void)snprintf(name, sizeof(name), "wide/%d", i);
        ck_assert_int_eq(mkdir(name, 0700), 0);
    }
    const struct look_answer *a = look_at(full("web"), full("wide"));

    ck_assert_int_eq(a->result, LOOK_BROKEN);
    ck_assert_ptr_nonnull(strstr(a->reason, "too many files and directories"));
}
END_TEST

START_TEST(a_young_file_is_not_settled_and_becomes_so)
{
    const char *input = full("a");
    struct look_request rq;
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;

    put("web", "#!/bin/sh\n");
    put("a", "1");
    rq = request(full("web"), &input, 1);
    rq.settle_us = 300 * US_PER_MS;
    ck_assert_int_eq(look(&rq)->result, LOOK_UNSETTLED);
    ck_assert_int_eq(at.got.exe_fd, -1);
    ck_assert_ptr_nonnull(strstr(at.got.reason, "changed a moment ago"));
    while (look(&rq)->result == LOOK_UNSETTLED)
        ck_assert_int_lt(mono_now_us(), deadline_us);
    ck_assert_int_eq(at.got.result, LOOK_OK);
    /* no mtime can make it young, or old, again */
    struct timespec future[2] = {
        {4102444800, 0},
        {4102444800, 0}
    };

    ck_assert_int_eq(utimensat(AT_FDCWD, "a", future, 0), 0);
    ck_assert_int_eq(look(&rq)->result, LOOK_UNSETTLED); /* the change itself is news */
    while (look(&rq)->result == LOOK_UNSETTLED)
        ck_assert_int_lt(mono_now_us(), deadline_us);
}
END_TEST

static char *
resolve(const char *name, struct environment_entry *path, bool clean, int want)
{
    char *argv[] = {strdup(name), NULL};
    struct service_spec spec = {
        .command = {argv, 1},
        .directory = own_dir,
        .environment = path,
        .n_environment = path ? 1 : 0,
        .clean_environment = clean
    };
    struct error err = {0};
    char *got = NULL;

    ck_assert_int_eq(look_resolve_command(&spec, &got, &err), want);
    ck_assert(want == 0 || err.text[0] != '\0');
    free(argv[0]);
    return got;
}

START_TEST(a_command_is_found_beside_the_config_or_in_path)
{
    struct environment_entry path = {(char[]){"PATH"}, own_dir};
    char *got = resolve("./web", NULL, false, 0);

    ck_assert_ptr_nonnull(strstr(got, "/./web"));
    free(got);
    got = resolve("/usr/sbin/nginx", NULL, false, 0);
    ck_assert_str_eq(got, "/usr/sbin/nginx");
    free(got);
    got = resolve("sh", NULL, true, 0);
    ck_assert_ptr_nonnull(strstr(got, "bin/sh"));
    free(got);
    ck_assert_ptr_null(resolve("web", &path, false, -ENOENT));
    put("web", "#!/bin/sh\n");
    got = resolve("web", &path, false, 0);
    ck_assert_str_eq(got, full("web"));
    free(got);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("look");
    TCase *t = tcase_create("look");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_program_is_pinned);
    tcase_add_test(t, a_script_names_its_interpreter);
    tcase_add_test(t, what_cannot_run_is_broken_and_says_why);
    tcase_add_test(t, a_half_copied_program_is_broken);
    tcase_add_test(t, the_digest_follows_content_and_nothing_else);
    tcase_add_test(t, a_missing_input_is_a_state_of_its_own);
    tcase_add_test(t, the_order_of_inputs_counts_the_order_of_a_directory_does_not);
    tcase_add_test(t, a_link_in_a_directory_counts_by_text_and_by_content);
    tcase_add_test(t, a_tree_that_is_too_large_is_refused);
    tcase_add_test(t, a_young_file_is_not_settled_and_becomes_so);
    tcase_add_test(t, a_command_is_found_beside_the_config_or_in_path);
    suite_add_tcase(s, t);
    return unit_main(s);
}
