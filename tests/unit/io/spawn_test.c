/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/identity.h"
#include "tests/unit/io/process.h"

static char *plain_env[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};

#define SHELL(script) ((char *[]){(char[]){"sh"}, (char[]){"-c"}, (char[]){script}, NULL})

static struct spawn_request
shell(char *const *argv)
{
    struct spawn_request req = SPAWN_REQUEST_INIT;

    req.argv = argv;
    req.envp = plain_env;
    req.exe_path = "/bin/sh";
    return req;
}

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

START_TEST(listeners_come_as_3_and_4_with_its_own_pid_even_when_the_numbers_cross)
{
    char *env[] = {plain_env[0], (char[]){"LISTEN_FDS=2"}, (char[]){"LISTEN_PID="}, NULL};
    struct spawn_request req =
        shell(SHELL("test $$ = $LISTEN_PID && cat <&3 && cat <&4; readlink /proc/$$/fd/0"));
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

/* The words for a failed exec, from the errno to the sentence. */
static void
expect_failure(struct spawn_request *req, enum spawn_step step, int error, const char *words)
{
    struct spawn_failure failure = {0};
    struct spawned child;
    char said[600];

    ck_assert_int_eq(spawn_start(req, &child, NULL), 0);
    ck_assert_int_eq(await_exec(&child, &failure), 1);
    ck_assert_int_eq(WEXITSTATUS(await_exit(&child)), 127);
    ck_assert_str_eq(spawn_step_name(failure.step), spawn_step_name(step));
    ck_assert_int_eq(failure.error, error);
    (void)spawn_explain(&failure, req->exe_path, req->directory, said, sizeof said);
    ck_assert_msg(strstr(said, words) != NULL, "said: %s", said);
    spawned_close(&child);
}

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

START_TEST(the_user_its_groups_and_nobody_else)
{
    struct spawn_request req = shell(SHELL("id -u; id -g; id -G; id -u -r"));
    struct identity id = IDENTITY_KEEP;
    struct error error;
    char expected[64];

    if (geteuid() != 0) {
        skipped("the_user_its_groups_and_nobody_else", "only root may become another user");
        return;
    }
    ck_assert_msg(identity_resolve("nobody", "daemon", &id, &error) == 0, "%s", error.text);
    req.identity = &id;
    (void)snprintf(expected, sizeof expected, "%u\n%u\n", (unsigned)id.uid, (unsigned)id.gid);
    ck_assert_msg(strncmp(spawn_and_read(&req), expected, strlen(expected)) == 0, "%s", expected);
    ck_assert_ptr_null(strstr(spawn_and_read(&req), "\n0"));
    identity_finish(&id);
}
END_TEST

START_TEST(who_is_not_root_cannot_become_another_user)
{
    struct spawn_request req = shell(SHELL(":"));
    gid_t group = getegid();
    struct identity id = {.uid = geteuid() + 1, .gid = group, .groups = &group, .n_groups = 1};

    if (geteuid() == 0) {
        skipped("who_is_not_root_cannot_become_another_user", "root may");
        return;
    }
    req.identity = &id;
    expect_failure(&req, SPAWN_STEP_SETGROUPS, -EPERM, "stint itself does not run as root");
}
END_TEST

START_TEST(anybody_may_become_oneself)
{
    struct spawn_request req = shell(SHELL("id -u"));
    struct identity id = IDENTITY_KEEP;
    char user[16], expected[32];

    (void)snprintf(user, sizeof user, "%u", (unsigned)geteuid());
    if (!getpwuid(geteuid())) {
        skipped("anybody_may_become_oneself", "this user is in no user database");
        return;
    }
    ck_assert_int_eq(identity_resolve(user, NULL, &id, NULL), 0);
    req.identity = &id;
    (void)snprintf(expected, sizeof expected, "%s\n", user);
    ck_assert_str_eq(spawn_and_read(&req), expected);
    identity_finish(&id);
}
END_TEST

START_TEST(users_and_groups_that_are_not_there_are_named)
{
    struct identity id = IDENTITY_KEEP;
    struct error error;

    ck_assert_int_eq(identity_resolve("no-such-user", NULL, &id, &error), -ENOENT);
    ck_assert_str_eq(error.text, "there is no user 'no-such-user'");
    ck_assert_int_eq(identity_resolve(NULL, "no-such-group", &id, &error), -ENOENT);
    ck_assert_str_eq(error.text, "there is no group 'no-such-group'");
    ck_assert_int_eq(identity_resolve("123456", NULL, &id, &error), -ENOENT);
    ck_assert_int_eq(identity_resolve("123456", "7", &id, &error), 0);
    ck_assert(id.uid == 123456 && id.gid == 7 && id.n_groups == 1 && id.groups[0] == 7);
    identity_finish(&id);
    ck_assert_int_eq(identity_resolve("root", NULL, &id, &error), 0);
    ck_assert_str_eq(id.home, "/root");
    ck_assert_uint_ge(id.n_groups, 1);
    identity_finish(&id);
}
END_TEST

START_TEST(killing_the_group_reaches_the_grandchildren)
{
    struct spawn_request req = shell(SHELL("sleep 100 & echo; wait"));
    struct rusage usage;
    struct spawned child;
    int ends[2], status;
    char byte;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    req.stdout_fd = ends[1];
    ck_assert_int_eq(spawn_start(&req, &child, NULL), 0);
    (void)close(ends[1]);
    await_readable(ends[0]); /* the grandchild is there and holds the pipe */
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(child_reap(child.pidfd, &status, &usage), -EAGAIN);
    ck_assert_int_eq(child_kill_group(child.pid, child.pidfd), 0);
    await_readable(child.pidfd);
    ck_assert_int_eq(child_kill_group(child.pid, child.pidfd), 0); /* a zombie: harmless */
    ck_assert_int_eq(child_reap(child.pidfd, &status, &usage), 0);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ck_assert_int_gt(usage.ru_maxrss, 0);
    await_readable(ends[0]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* EOF: nobody holds it any more */
    ck_assert_int_eq(child_reap(child.pidfd, &status, NULL), -ECHILD);
    ck_assert_int_eq(child_signal(child.pidfd, SIGTERM), -ESRCH);
    ck_assert_int_eq(child_kill_group(1, child.pidfd), -EINVAL);
    spawned_close(&child);
}
END_TEST

START_TEST(who_belongs_to_a_worker_is_known_from_its_session_and_descent)
{
    struct spawn_request req = shell(SHELL("setsid sh -c 'echo $$; exec sleep 100' & wait"));
    struct spawned child;
    int ends[2];
    char pid[32] = "";
    pid_t away;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    req.stdout_fd = ends[1];
    ck_assert_int_eq(spawn_start(&req, &child, NULL), 0);
    await_readable(ends[0]);
    ck_assert_int_gt(read(ends[0], pid, sizeof pid - 1), 0);
    away = (pid_t)strtol(pid, NULL, 10);
    ck_assert_int_eq(process_belongs(child.pid, child.pid), 1);
    ck_assert_int_eq(process_belongs(away, child.pid), 1); /* another session, but its child */
    ck_assert_int_eq(process_belongs(getpid(), child.pid), 0);
    ck_assert_int_eq(process_belongs(0x3fffffff, child.pid), -ESRCH);
    ck_assert_int_eq(kill(away, SIGKILL), 0);
    (void)child_kill_group(child.pid, child.pidfd);
    (void)await_exit(&child);
    spawned_close(&child);
    (void)close(ends[0]);
    (void)close(ends[1]);
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

static TCase *
programs(void)
{
    TCase *t = tcase_create("programs");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, folder_remove);
    tcase_add_test(t, the_program_has_its_own_session_and_no_signal_blocked_or_ignored);
    tcase_add_test(t, our_own_signal_mask_is_as_before);
    tcase_add_test(t, directory_umask_and_limits_are_as_asked_for);
    tcase_add_test(t, a_limit_below_the_number_of_its_own_descriptors_still_starts_it);
    tcase_add_loop_test(t, a_failed_exec_is_explained, 0, 6);
    tcase_add_test(t, a_program_still_open_for_writing_is_busy);
    tcase_add_test(t, a_missing_directory_is_the_directorys_fault);
    tcase_add_test(t, a_pinned_program_runs_after_another_was_renamed_over_it);
    tcase_add_test(t, killing_the_group_reaches_the_grandchildren);
    tcase_add_test(t, who_belongs_to_a_worker_is_known_from_its_session_and_descent);
    tcase_add_test(t, a_command_is_found_like_a_shell_would);
    return t;
}

static TCase *
descriptors_and_users(void)
{
    TCase *t = tcase_create("descriptors and users");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, folder_remove);
    tcase_add_test(t, listeners_come_as_3_and_4_with_its_own_pid_even_when_the_numbers_cross);
    tcase_add_test(t, a_free_number_is_found_around_fixed_ones_and_told_in_the_environment);
    tcase_add_test(t, two_descriptors_for_one_number_are_refused);
    tcase_add_test(t, nothing_else_is_inherited);
    tcase_add_test(t, running_out_of_descriptors_is_an_error_and_leaks_nothing);
    tcase_add_test(t, the_user_its_groups_and_nobody_else);
    tcase_add_test(t, who_is_not_root_cannot_become_another_user);
    tcase_add_test(t, anybody_may_become_oneself);
    tcase_add_test(t, users_and_groups_that_are_not_there_are_named);
    return t;
}

int
main(void)
{
    Suite *s = suite_create("spawn");

    suite_add_tcase(s, programs());
    suite_add_tcase(s, descriptors_and_users());
    return unit_main(s);
}
