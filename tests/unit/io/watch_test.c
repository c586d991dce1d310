/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/watch.h"

#include "tests/unit/io/watch_fixture.h"

START_TEST(the_descriptor_is_inotify_closed_on_exec_and_never_blocks)
{
    char link[64], target[64] = "";

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", watch_fd(at.w));
    ck_assert_int_gt(readlink(link, target, sizeof(target) - 1), 0);
    ck_assert_str_eq(target, "anon_inode:inotify");
    ck_assert_int_ne(fcntl(watch_fd(at.w), F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_ne(fcntl(watch_fd(at.w), F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

START_TEST(there_is_one_watch_in_a_process)
{
    struct watch *second = NULL;

    ck_assert_int_eq(watch_create(at.loop, on_hint, &at, &second, NULL), -EBUSY);
}
END_TEST

START_TEST(a_relative_path_is_refused)
{
    const char *paths[] = {"web.conf"};
    struct error err;

    ck_assert_int_eq(watch_set(at.w, 1, paths, 1, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "not absolute"));
}
END_TEST

START_TEST(a_write_in_place_is_noticed)
{
    put("web.conf", "1");
    watch_these(1, "web.conf", NULL);
    ck_assert_str_eq(watch_mode(at.w, 1), "inotify");
    put("web.conf", "2");
    expect_hint(1);
    ck_assert_str_eq(at.last, full("web.conf"));
}
END_TEST

START_TEST(a_rename_over_the_file_is_noticed_each_time)
{
    put("web.conf", "1");
    watch_these(1, "web.conf", NULL);
    for (int i = 0; i < 5; i++) {
        put("web.conf.new", "2");
        ck_assert_int_eq(rename("web.conf.new", "web.conf"), 0);
        expect_hint(1);
    }
}
END_TEST

START_TEST(deleted_and_made_again_is_noticed_both_times)
{
    put("web.conf", "1");
    watch_these(1, "web.conf", NULL);
    ck_assert_int_eq(unlink("web.conf"), 0);
    expect_hint(1);
    put("web.conf", "2");
    expect_hint(1);
}
END_TEST

START_TEST(other_files_of_the_directory_do_not_matter)
{
    put("web.conf", "1");
    watch_these(1, "web.conf", NULL);
    fence();
    put("web.conf~", "backup");
    put("other", "1");
    expect_quiet(1);
}
END_TEST

START_TEST(a_file_missing_at_the_start_is_noticed_when_it_comes)
{
    fence();
    watch_these(1, "not/yet/there/web.conf", NULL);
    ck_assert_str_eq(watch_mode(at.w, 1), "inotify");
    ck_assert_int_eq(mkdir("not", 0700), 0);
    ck_assert_int_eq(mkdir("not/yet", 0700), 0);
    expect_hint(1);
    ck_assert_int_eq(mkdir("not/yet/there", 0700), 0);
    expect_hint(1);
    put("not/yet/there/web.conf", "1");
    expect_hint(1);
    expect_quiet(1);
    put("not/yet/there/web.conf", "2");
    expect_hint(1);
}
END_TEST

/* As Kubernetes mounts a ConfigMap: web.conf -> ..data/web.conf, ..data -> ..2026_1. */
START_TEST(a_configmap_swap_is_noticed)
{
    ck_assert_int_eq(mkdir("..2026_1", 0700), 0);
    put("..2026_1/web.conf", "1");
    ck_assert_int_eq(symlink("..2026_1", "..data"), 0);
    ck_assert_int_eq(symlink("..data/web.conf", "web.conf"), 0);
    watch_these(1, "web.conf", NULL);
    for (int i = 2; i < 6; i++) {
        char now[32], before[32], file[64];

        (void)snprintf(now, sizeof(now), "..2026_%d", i);
        (void)snprintf(before, sizeof(before), "..2026_%d", i - 1);
        (void)snprintf(file, sizeof(file), "%s/web.conf", now);
        ck_assert_int_eq(mkdir(now, 0700), 0);
        put(file, "2");
        ck_assert_int_eq(symlink(now, "..data_tmp"), 0);
        ck_assert_int_eq(rename("..data_tmp", "..data"), 0);
        expect_hint(1);
        remove_tree(before);
        put(file, "3"); /* in the new directory: the chain was walked anew */
        expect_hint(1);
    }
}
END_TEST

START_TEST(a_current_link_swap_is_noticed_and_the_new_release_watched)
{
    ck_assert_int_eq(mkdir("r1", 0700), 0);
    ck_assert_int_eq(mkdir("r2", 0700), 0);
    put("r1/web", "1");
    put("r2/web", "2");
    ck_assert_int_eq(symlink(full("r1"), "current"), 0);
    watch_these(1, "current/web", NULL);
    fence();
    ck_assert_int_eq(symlink(full("r2"), "next"), 0);
    ck_assert_int_eq(rename("next", "current"), 0);
    expect_hint(1);
    put("r1/web", "old, nobody cares");
    expect_quiet(1);
    put("r2/web", "3");
    expect_hint(1);
}
END_TEST

START_TEST(a_directory_above_that_is_replaced_is_noticed)
{
    ck_assert_int_eq(mkdir("app", 0700), 0);
    ck_assert_int_eq(mkdir("app/etc", 0700), 0);
    ck_assert_int_eq(mkdir("new", 0700), 0);
    ck_assert_int_eq(mkdir("new/etc", 0700), 0);
    put("app/etc/web.conf", "1");
    put("new/etc/web.conf", "2");
    watch_these(1, "app/etc/web.conf", NULL);
    ck_assert_int_eq(rename("app", "old"), 0);
    expect_hint(1);
    ck_assert_int_eq(rename("new", "app"), 0);
    expect_hint(1);
    put("app/etc/web.conf", "3");
    expect_hint(1);
}
END_TEST

START_TEST(a_link_that_points_to_itself_ends)
{
    ck_assert_int_eq(symlink("loop", "loop"), 0);
    watch_these(1, "loop/web.conf", NULL);
    ck_assert_int_eq(unlink("loop"), 0);
    expect_hint(1);
}
END_TEST

START_TEST(a_watched_directory_hears_of_new_directories_below)
{
    ck_assert_int_eq(mkdir("conf.d", 0700), 0);
    watch_these(1, "conf.d", NULL);
    put("conf.d/a.yaml", "1");
    expect_hint(1);
    ck_assert_int_eq(mkdir("conf.d/sub", 0700), 0);
    ck_assert_int_eq(mkdir("conf.d/sub/deep", 0700), 0);
    put("conf.d/sub/deep/b.yaml", "1"); /* at once: before anybody can watch it */
    expect_hint(1);
    put("conf.d/sub/deep/b.yaml", "2");
    expect_hint(1);
    remove_tree("conf.d");
    expect_hint(1);
    ck_assert_int_eq(mkdir("conf.d", 0700), 0);
    expect_hint(1);
    put("conf.d/c.yaml", "1");
    expect_hint(1);
}
END_TEST

START_TEST(a_link_inside_a_watched_directory_is_followed_to_its_file)
{
    ck_assert_int_eq(mkdir("conf.d", 0700), 0);
    ck_assert_int_eq(mkdir("away", 0700), 0);
    put("away/a.yaml", "1");
    ck_assert_int_eq(symlink(full("away/a.yaml"), "conf.d/a.yaml"), 0);
    watch_these(1, "conf.d", NULL);
    put("away/a.yaml", "2");
    expect_hint(1);
}
END_TEST

START_TEST(services_share_directories_and_each_hears_its_own)
{
    put("a", "1");
    put("b", "1");
    fence();
    watch_these(1, "a", NULL);
    unsigned alone = watch_stats(at.w).watches;

    watch_these(2, "b", NULL);
    ck_assert_uint_eq(watch_stats(at.w).watches, alone);
    put("b", "2");
    expect_hint(2);
    put("a", "2");
    expect_quiet(2);
    watch_clear(at.w, 1);
    ck_assert_str_eq(watch_mode(at.w, 1), "none");
    put("a", "3");
    expect_quiet(1);
    put("b", "3"); /* the directory stayed watched for the other one */
    expect_hint(2);
}
END_TEST

START_TEST(setting_again_replaces_and_clearing_all_leaves_no_watch)
{
    struct watch_stats s;

    ck_assert_int_eq(mkdir("d", 0700), 0);
    fence();
    for (int i = 0; i < 200; i++) {
        watch_these(1, i % 2 ? "d/a" : "elsewhere/b", "web.conf");
        watch_these(2, "web.conf", NULL);
        watch_clear(at.w, 2);
    }
    watch_these(1, "d/a", NULL);
    put("web.conf", "1");
    expect_quiet(1);
    watch_clear(at.w, 1);
    watch_clear(at.w, 7);
    s = watch_stats(at.w);
    ck_assert_uint_eq(s.watches, 0);
    ck_assert_uint_eq(s.tags, 0);
    ck_assert_uint_eq(s.overflows, 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("watch");
    TCase *t = tcase_create("watch");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_descriptor_is_inotify_closed_on_exec_and_never_blocks);
    tcase_add_test(t, there_is_one_watch_in_a_process);
    tcase_add_test(t, a_relative_path_is_refused);
    tcase_add_test(t, a_write_in_place_is_noticed);
    tcase_add_test(t, a_rename_over_the_file_is_noticed_each_time);
    tcase_add_test(t, deleted_and_made_again_is_noticed_both_times);
    tcase_add_test(t, other_files_of_the_directory_do_not_matter);
    tcase_add_test(t, a_file_missing_at_the_start_is_noticed_when_it_comes);
    tcase_add_test(t, a_configmap_swap_is_noticed);
    tcase_add_test(t, a_current_link_swap_is_noticed_and_the_new_release_watched);
    tcase_add_test(t, a_directory_above_that_is_replaced_is_noticed);
    tcase_add_test(t, a_link_that_points_to_itself_ends);
    tcase_add_test(t, a_watched_directory_hears_of_new_directories_below);
    tcase_add_test(t, a_link_inside_a_watched_directory_is_followed_to_its_file);
    tcase_add_test(t, services_share_directories_and_each_hears_its_own);
    tcase_add_test(t, setting_again_replaces_and_clearing_all_leaves_no_watch);
    suite_add_tcase(s, t);
    return unit_main(s);
}
