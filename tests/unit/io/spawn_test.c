/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "tests/unit/io/spawn_fixture.h"

START_TEST(the_program_has_its_own_session_and_no_signal_blocked_or_ignored)
{
    struct spawn_request req =
        shell(SHELL("set -- $(cut -d' ' -f1,5,6 /proc/$$/stat); test $1 = $2 && test $1 = $3 && "
                    "echo alone; exec grep -E '^Sig(Blk|Ign)' /proc/self/status"));
    sigset_t all;

    (void)signal(SIGHUP, SIG_IGN);
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    ck_assert_str_eq(spawn_and_read(&req),
                     "alone\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}
END_TEST

START_TEST(our_own_signal_mask_is_as_before)
{
    struct spawn_request req = shell(SHELL(":"));
    sigset_t mask;

    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGUSR1);
    (void)sigprocmask(SIG_SETMASK, &mask, NULL);
    (void)spawn_and_read(&req);
    (void)sigprocmask(SIG_SETMASK, NULL, &mask);
    ck_assert(sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGTERM));
}
END_TEST

START_TEST(directory_umask_and_limits_are_as_asked_for)
{
    struct limit_spec limits[] = {
        {RLIMIT_NOFILE, 16, 17},
        {RLIMIT_CORE,   0,  0 }
    };
    struct spawn_request req = shell(SHELL("pwd; umask; ulimit -Sn; ulimit -Hn; ulimit -c"));
    char expected[300];

    req.directory = folder();
    req.umask = 027;
    req.limits = limits;
    req.n_limits = 2;
    (void)snprintf(expected, sizeof expected, "%s\n0027\n16\n17\n0\n", folder());
    ck_assert_str_eq(spawn_and_read(&req), expected);
}
END_TEST

START_TEST(a_limit_below_the_number_of_its_own_descriptors_still_starts_it)
{
    struct limit_spec limit = {RLIMIT_NOFILE, 10, 10};
    struct spawn_fd high = {open(write_file("a", "high", 0600), O_RDONLY | O_CLOEXEC), 30, NULL};
    struct spawn_request req = shell(SHELL("cat /proc/$$/fd/30"));

    req.limits = &limit;
    req.n_limits = 1;
    req.fds = &high;
    req.n_fds = 1;
    ck_assert_str_eq(spawn_and_read(&req), "high");
}
END_TEST

START_TEST(a_failed_exec_is_explained)
{
    static const struct {
        const char *file, *text; /* NULL text: no such file */
        mode_t mode;
        int error;
        const char *words;
    } cases[] = {
        {"gone",      NULL,                  0,    -ENOENT,  "/gone' does not exist"               },
        {"lost",      "#!/no/such/sh -e\n:", 0755, -ENOENT,
         "the interpreter '/no/such/sh' named in '/tmp/"                                           },
        {"plain",     "#!/bin/sh\n:",        0644, -EACCES,  "is not executable (its mode is 0644)"},
        {"gibberish", "\1\2\3\4\5\6",        0755, -ENOEXEC, "is not a program"                    },
        {".",         NULL,                  0,    -EACCES,  "is a directory"                      },
        {"plain/x",   NULL,                  0,    -ENOENT,  "does not exist"                      },
    };
    struct spawn_request req = shell(SHELL(":"));

    if (cases[_i].text)
        (void)write_file(cases[_i].file, cases[_i].text, cases[_i].mode);
    req.exe_path = in_folder(cases[_i].file);
    expect_failure(&req, SPAWN_STEP_EXEC, cases[_i].error, cases[_i].words);
}
END_TEST

START_TEST(a_program_still_open_for_writing_is_busy)
{
    struct spawn_request req = shell(SHELL(":"));
    const char *path = write_file("busy", "#!/bin/sh\n", 0755);
    int writer = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    req.exe_path = path;
    expect_failure(&req, SPAWN_STEP_EXEC, -ETXTBSY, "is still being written");
    (void)close(writer);
    ck_assert_str_eq(spawn_and_read(&req), "");
}
END_TEST

START_TEST(a_missing_directory_is_the_directorys_fault)
{
    struct spawn_request req = shell(SHELL(":"));

    req.directory = in_folder("nowhere");
    expect_failure(&req, SPAWN_STEP_CHDIR, -ENOENT, "/nowhere': No such file");
}
END_TEST

/* copy_file - an executable of our own that can be replaced. */
static void
copy_file(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    char buffer[65536];
    ssize_t n;

    ck_assert(in >= 0 && out >= 0);
    while ((n = read(in, buffer, sizeof buffer)) > 0)
        ck_assert_int_eq(write(out, buffer, (size_t)n), n);
    (void)close(in);
    (void)close(out);
}

START_TEST(a_cgroup_that_it_cannot_join_is_no_place_to_run_outside_of)
{
    struct spawn_request req = shell(SHELL("exit 0"));
    auto_fd int fd = open(folder(), O_PATH | O_DIRECTORY | O_CLOEXEC);

    req.cgroup_fd = fd; /* no cgroup at all */
    expect_failure(&req, SPAWN_STEP_CGROUP, -ENOENT,
                   "join the cgroup of its generation: No such file");
}
END_TEST

START_TEST(a_pinned_program_runs_after_another_was_renamed_over_it)
{
    char *argv[] = {(char[]){"echo"}, (char[]){"pinned"}, NULL};
    struct spawn_request req = shell(argv);
    auto_free char *path = strdup(in_folder("service"));
    int pin;

    copy_file("/bin/echo", path);
    pin = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(pin, 0);
    ck_assert_int_eq(rename(write_file("broken", "garbage", 0755), path), 0);
    ck_assert_int_eq(dup2(pin, 3), 3); /* in the way of the first listener */
    req.exe_path = path;
    req.exe_fd = 3;
    req.listen_fds = &pin;
    req.n_listen = 1;
    ck_assert_str_eq(spawn_and_read(&req), "pinned\n");
}
END_TEST

START_TEST(a_command_is_found_like_a_shell_would)
{
    auto_free char *a = NULL, *b = NULL, *c = NULL;
    struct error error;
    char path[300];

    (void)write_file("tool", "#!/bin/sh\n", 0755);
    (void)write_file("text", "hello", 0644);
    (void)snprintf(path, sizeof path, "/nowhere::%s", folder());
    ck_assert_int_eq(spawn_find_program("./tool", folder(), NULL, &a, &error), 0);
    ck_assert_int_eq(spawn_find_program("tool", NULL, path, &b, &error), 0);
    ck_assert_int_eq(spawn_find_program("/bin/sh", "/nowhere", NULL, &c, &error), 0);
    ck_assert_str_eq(b, in_folder("tool"));
    ck_assert_str_eq(c, "/bin/sh");
    ck_assert_int_eq(spawn_find_program("text", NULL, path, &a, &error), -EACCES);
    ck_assert_int_eq(spawn_find_program("tool", NULL, "/nowhere", &a, &error), -ENOENT);
    ck_assert_str_eq(error.text, "'tool' is in none of the directories of PATH (/nowhere)");
    ck_assert_int_eq(spawn_find_program("", NULL, NULL, &a, &error), -EINVAL);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("spawn");
    TCase *t = tcase_create("spawn");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, folder_remove);
    tcase_add_test(t, the_program_has_its_own_session_and_no_signal_blocked_or_ignored);
    tcase_add_test(t, our_own_signal_mask_is_as_before);
    tcase_add_test(t, directory_umask_and_limits_are_as_asked_for);
    tcase_add_test(t, a_limit_below_the_number_of_its_own_descriptors_still_starts_it);
    tcase_add_loop_test(t, a_failed_exec_is_explained, 0, 6);
    tcase_add_test(t, a_program_still_open_for_writing_is_busy);
    tcase_add_test(t, a_missing_directory_is_the_directorys_fault);
    tcase_add_test(t, a_cgroup_that_it_cannot_join_is_no_place_to_run_outside_of);
    tcase_add_test(t, a_pinned_program_runs_after_another_was_renamed_over_it);
    tcase_add_test(t, a_command_is_found_like_a_shell_would);
    suite_add_tcase(s, t);
    return unit_main(s);
}
