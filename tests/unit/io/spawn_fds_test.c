/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/io/spawn_fixture.h"

START_TEST(listeners_come_as_3_and_4_with_its_own_pid_even_when_the_numbers_cross)
{
    char *env[] = {plain_env[0], (char[]){"LISTEN_FDS=2"}, (char[]){"LISTEN_PID="},
                   (char[]){"AFTER=kept"}, NULL};
    struct spawn_request req = shell(SHELL("test $$ = $LISTEN_PID && test $AFTER = kept && cat <&3 "
                                           "&& cat <&4; readlink /proc/$$/fd/0"));
    int a = open(write_file("a", "first ", 0600), O_RDONLY | O_CLOEXEC);
    int b = open(write_file("b", "second ", 0600), O_RDONLY | O_CLOEXEC);
    int crossed[2] = {4, 3};

    a = fcntl(a, F_DUPFD, 40);
    b = fcntl(b, F_DUPFD, 40);
    ck_assert_int_eq(dup2(a, 4), 4); /* what shall be 3 is 4 here, and the other way round */
    ck_assert_int_eq(dup2(b, 3), 3);
    req.envp = env;
    req.listen_fds = crossed;
    req.n_listen = 2;
    ck_assert_str_eq(spawn_and_read(&req), "first second /dev/null\n");
    ck_assert_str_eq(env[2], "LISTEN_PID=");
}
END_TEST

START_TEST(a_free_number_is_found_around_fixed_ones_and_told_in_the_environment)
{
    char *env[] = {plain_env[0], (char[]){"STINT_CHANNEL=old"}, NULL};
    int file = open(write_file("a", "ready", 0600), O_RDONLY | O_CLOEXEC);
    struct spawn_fd fds[] = {
        {file, -1, "STINT_CHANNEL" },
        {file, -1, "STINT_REGISTRY"},
        {file, 5,  NULL            }
    };
    struct spawn_request req = shell(SHELL("echo $STINT_CHANNEL $STINT_REGISTRY; cat <&5"));

    req.envp = env;
    req.listen_fds = &file;
    req.n_listen = 1;
    req.fds = fds;
    req.n_fds = 3;
    ck_assert_str_eq(spawn_and_read(&req), "4 6\nready");
}
END_TEST

START_TEST(two_descriptors_for_one_number_are_refused)
{
    struct spawn_fd fds[] = {
        {0, 3, NULL}
    };
    struct spawn_request req = shell(SHELL(":"));
    struct spawned child;
    struct error error;
    int zero = 0;

    req.listen_fds = &zero;
    req.n_listen = 1;
    req.fds = fds;
    req.n_fds = 1;
    ck_assert_int_eq(spawn_start(&req, &child, &error), -EINVAL);
    ck_assert_str_eq(error.text, "start '/bin/sh': descriptor 3 is already in use");
}
END_TEST

START_TEST(nothing_else_is_inherited)
{
    char *argv[] = {(char[]){"sleep"}, (char[]){"100"}, NULL};
    struct spawn_request req = shell(argv);
    struct spawn_failure failure;
    struct spawned child;
    char path[64];
    unsigned n = 0;
    DIR *dir;

    ck_assert_int_ge(fcntl(0, F_DUPFD, 20), 20); /* not CLOEXEC */
    ck_assert_int_ge(fcntl(0, F_DUPFD, 300), 300);
    req.exe_path = "/bin/sleep";
    ck_assert_int_eq(spawn_start(&req, &child, NULL), 0);
    ck_assert_int_eq(await_exec(&child, &failure), 0);
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)child.pid);
    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        n += e->d_name[0] != '.' && atoi(e->d_name) > 2; /* NOLINT(cert-err34-c): /proc's numbers */
    (void)closedir(dir);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(child_signal(child.pidfd, SIGKILL), 0);
    ck_assert_int_eq(WTERMSIG(await_exit(&child)), SIGKILL);
    spawned_close(&child);
}
END_TEST

START_TEST(running_out_of_descriptors_is_an_error_and_leaks_nothing)
{
    struct spawn_request req = shell(SHELL(":"));
    unsigned before = count_fds();
    struct rlimit old, tight;
    struct error error;
    struct spawned child;
    unsigned refused = 0;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    for (unsigned room = 0; room < 12; room++) {
        int r, top = fcntl(0, F_DUPFD, 0);

        (void)close(top); /* the lowest free number */
        tight = (struct rlimit){(rlim_t)top + room, old.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
        r = spawn_start(&req, &child, &error);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
        if (r == 0) {
            (void)await_exit(&child);
            spawned_close(&child);
        } else {
            ck_assert_int_eq(r, -EMFILE);
            ck_assert_ptr_nonnull(strstr(error.text, "Too many open files"));
            refused++;
        }
        ck_assert_uint_eq(count_fds(), before);
    }
    ck_assert_uint_ge(refused, 3); /* /dev/null, the pipe's two, the pidfd */
    ck_assert_uint_lt(refused, 12);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("spawn fds");
    TCase *t = tcase_create("spawn fds");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, folder_remove);
    tcase_add_test(t, listeners_come_as_3_and_4_with_its_own_pid_even_when_the_numbers_cross);
    tcase_add_test(t, a_free_number_is_found_around_fixed_ones_and_told_in_the_environment);
    tcase_add_test(t, two_descriptors_for_one_number_are_refused);
    tcase_add_test(t, nothing_else_is_inherited);
    tcase_add_test(t, running_out_of_descriptors_is_an_error_and_leaks_nothing);
    suite_add_tcase(s, t);
    return unit_main(s);
}
