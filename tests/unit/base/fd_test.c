/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "tests/unit/unit.h"

static char root[64], path[128];
static struct error err;

static int
remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(name);
}

static void
setup(void)
{
    err = (struct error){0};
    (void)snprintf(root, sizeof(root), "/tmp/stint-fd-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    (void)snprintf(path, sizeof(path), "%s/file", root);
}

static void
teardown(void)
{
    ck_assert_int_eq(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static size_t
entries(void)
{
    DIR *d = opendir(root);
    size_t n = 0;

    ck_assert_ptr_nonnull(d);
    while (readdir(d))
        n++;
    ck_assert_int_eq(closedir(d), 0);
    return n - 2;
}

START_TEST(a_closed_descriptor_is_forgotten_and_errno_kept)
{
    int fd = dup(0);
    int old = fd;

    errno = EXDEV;
    fd = fd_close(fd);
    ck_assert_int_eq(fd, -1);
    ck_assert_int_eq(errno, EXDEV);
    ck_assert_int_eq(fcntl(old, F_GETFD), -1);
    ck_assert_int_eq(fd_close(-1), -1);
}
END_TEST

START_TEST(a_cleanup_descriptor_closes_unless_stolen)
{
    int closed, kept;

    {
        auto_fd int a = dup(0);
        auto_fd int b = dup(0);

        closed = a;
        kept = steal_fd(b);
        ck_assert_int_eq(b, -1);
    }
    ck_assert_int_eq(fcntl(closed, F_GETFD), -1);
    ck_assert_int_ne(fcntl(kept, F_GETFD), -1);
    (void)fd_close(kept);
}
END_TEST

START_TEST(flags_are_set_and_cleared)
{
    int p[2];

    ck_assert_int_eq(pipe(p), 0);
    ck_assert_int_eq(fd_nonblock(p[0]), 0);
    ck_assert_int_ne(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(fd_cloexec(p[0], 1), 0);
    ck_assert_int_eq(fcntl(p[0], F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fd_cloexec(p[0], 0), 0);
    ck_assert_int_eq(fcntl(p[0], F_GETFD), 0);
    (void)fd_close(p[0]);
    (void)fd_close(p[1]);
    ck_assert_int_eq(fd_nonblock(p[0]), -EBADF);
    ck_assert_int_eq(fd_cloexec(p[0], 1), -EBADF);
}
END_TEST

START_TEST(a_file_is_written_whole_and_read_back)
{
    auto_free char *data = NULL;
    size_t n = 0;
    struct stat st;

    ck_assert_int_eq(file_replace(path, "a\0b", 3, 0640, &err), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0640);
    ck_assert_int_eq(file_read(path, 3, &data, &n, &err), 0);
    ck_assert_uint_eq(n, 3);
    ck_assert_int_eq(memcmp(data, "a\0b", 4), 0);
    ck_assert_uint_eq(entries(), 1); /* no temporary file stays */
}
END_TEST

START_TEST(replacing_gives_a_new_file_and_leaves_readers_of_the_old_one_alone)
{
    char old[4] = "";

    ck_assert_int_eq(file_replace(path, "old", 3, 0600, &err), 0);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(file_replace(path, "new!", 4, 0600, &err), 0);
    ck_assert_int_eq(read(fd, old, sizeof(old)), 3);
    ck_assert_int_eq(memcmp(old, "old", 3), 0);
}
END_TEST

START_TEST(a_failed_replacement_leaves_nothing_behind)
{
    ck_assert_int_eq(mkdir(path, 0700), 0); /* rename() over a directory fails */
    ck_assert_int_eq(file_replace(path, "x", 1, 0600, &err), -EISDIR);
    ck_assert_uint_eq(entries(), 1);
    ck_assert_ptr_nonnull(strstr(err.text, path));
}
END_TEST

/* Whoever watches the folder hears of it once, when it is whole; what he hears between is another name's. */
START_TEST(who_watches_hears_of_one_change)
{
    _Alignas(struct inotify_event) char events[4096];
    auto_fd int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    unsigned heard = 0;
    ssize_t n;

    ck_assert_int_eq(file_swap(path, "old", 3, 0600, &err), 0);
    ck_assert_int_ge(inotify_add_watch(fd, root, IN_ALL_EVENTS), 0);
    ck_assert_int_eq(file_swap(path, "new!", 4, 0600, &err), 0);
    ck_assert_int_gt((n = read(fd, events, sizeof(events))), 0);
    for (ssize_t at = 0; at < n;) {
        struct inotify_event e;

        memcpy(&e, events + at, sizeof(e));
        if (e.len > 0 && strcmp(events + at + sizeof(e), "file") == 0) {
            ck_assert_uint_eq(e.mask, IN_MOVED_TO);
            heard++;
        }
        at += (ssize_t)(sizeof(e) + e.len);
    }
    ck_assert_uint_eq(heard, 1);
}
END_TEST

START_TEST(a_file_over_the_limit_is_refused_and_nothing_returned)
{
    char *data = NULL;

    ck_assert_int_eq(file_replace(path, "four", 4, 0600, &err), 0);
    ck_assert_int_eq(file_read(path, 3, &data, NULL, &err), -EFBIG);
    ck_assert_ptr_null(data);
    ck_assert_int_eq(file_read("/dev/zero", 100000, &data, NULL, &err), -EFBIG);
    ck_assert_ptr_null(data);
}
END_TEST

START_TEST(a_large_file_and_a_proc_text_are_read_whole)
{
    auto_free char *big = malloc(300000);
    auto_free char *data = NULL;
    auto_free char *status = NULL;
    size_t n = 0;

    memset(big, 'x', 300000);
    ck_assert_int_eq(file_replace(path, big, 300000, 0600, &err), 0);
    ck_assert_int_eq(file_read(path, 300000, &data, &n, &err), 0);
    ck_assert_uint_eq(n, 300000);
    ck_assert_int_eq(memcmp(data, big, n), 0);
    ck_assert_int_eq(file_read("/proc/self/status", 1 << 20, &status, NULL, &err), 0);
    ck_assert_ptr_nonnull(strstr(status, "Name:"));
}
END_TEST

START_TEST(a_missing_file_is_named_in_the_sentence)
{
    char *data = NULL;

    ck_assert_int_eq(file_read(path, 10, &data, NULL, &err), -ENOENT);
    ck_assert_int_eq(err.code, -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    ck_assert_ptr_nonnull(strstr(err.text, "No such file or directory"));
    ck_assert_int_eq(file_read(root, 10, &data, NULL, NULL), -EISDIR);
}
END_TEST

START_TEST(directories_are_made_with_their_parents_and_may_exist)
{
    char deep[256];
    struct stat st;

    (void)snprintf(deep, sizeof(deep), "%s/a/b//c/", root);
    ck_assert_int_eq(dir_make(deep, 0700, &err), 0);
    ck_assert_int_eq(dir_make(deep, 0700, &err), 0);
    ck_assert_int_eq(stat(deep, &st), 0);
    ck_assert(S_ISDIR(st.st_mode));
    ck_assert_int_eq(file_replace(path, "", 0, 0600, &err), 0);
    ck_assert_int_eq(dir_make(path, 0700, &err), -ENOTDIR);
    (void)snprintf(deep, sizeof(deep), "%s/file/below", root);
    ck_assert_int_eq(dir_make(deep, 0700, &err), -ENOTDIR);
    ck_assert_int_eq(dir_make("", 0700, &err), -ENAMETOOLONG);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fd");
    TCase *c = tcase_create("fd");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_closed_descriptor_is_forgotten_and_errno_kept);
    tcase_add_test(c, a_cleanup_descriptor_closes_unless_stolen);
    tcase_add_test(c, flags_are_set_and_cleared);
    tcase_add_test(c, a_file_is_written_whole_and_read_back);
    tcase_add_test(c, replacing_gives_a_new_file_and_leaves_readers_of_the_old_one_alone);
    tcase_add_test(c, who_watches_hears_of_one_change);
    tcase_add_test(c, a_failed_replacement_leaves_nothing_behind);
    tcase_add_test(c, a_file_over_the_limit_is_refused_and_nothing_returned);
    tcase_add_test(c, a_large_file_and_a_proc_text_are_read_whole);
    tcase_add_test(c, a_missing_file_is_named_in_the_sentence);
    tcase_add_test(c, directories_are_made_with_their_parents_and_may_exist);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
