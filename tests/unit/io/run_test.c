/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/identity.h"
#include "supervisor/io/run.h"
#include "supervisor/probe/proc.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/io/process.h"

static struct ev_loop *ev;
static struct run *run;
static struct error error;
static bool done;
static struct run_result result; /* a copy; its texts are the two below */
static char output[RUN_OUTPUT_MAX + 1];
static char words[300];

static char *plain_env[] = {(char[]){"PATH=/usr/bin:/bin"}, (char[]){"LISTEN_FDS=2"},
                            (char[]){"LISTEN_PID="},        (char[]){"NOTIFY_SOCKET=/x"},
                            (char[]){"MODE=test"},          NULL};

static void
on_done(void *env, const struct run_result *r)
{
    ck_assert_ptr_eq(env, &done);
    ck_assert(!done);
    done = true;
    result = *r;
    memcpy(output, r->output, r->output_bytes + 1);
    (void)run_explain(r, words, sizeof words);
}

static bool
is_done(void *env)
{
    return *(bool *)env;
}

static int
start(char *const *argv, int64_t limit_us)
{
    struct run_request req = {
        .argv = argv,
        .envp = plain_env,
        .directory = folder(),
        .umask = (mode_t)-1,
        .deadline_us = limit_us == TIME_NEVER ? TIME_NEVER : mono_now_us() + limit_us,
        .on_done = on_done,
        .env = &done,
    };

    done = false;
    return run_start(ev, &req, &run, &error);
}

static void
run_shell(const char *script, int64_t limit_us)
{
    char copy[512];
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, copy, NULL};

    (void)snprintf(copy, sizeof copy, "%s", script);
    ck_assert_msg(start(argv, limit_us) == 0, "%s", error.text);
    ck_assert(!done);
}

static void
await_done(void)
{
    ck_assert_msg(loop_until(ev, is_done, &done, PATIENCE_MS * US_PER_MS), "it never ended");
}

static void
begin(void)
{
    ev = ev_loop_new(EVFLAG_AUTO);
}

static void
end(void)
{
    ev_loop_destroy(ev);
    folder_remove();
}

/* gone - does that process not run any more? A zombie that waits for its new parent counts. */
static bool
gone(void *env)
{
    struct proc_stat st;

    return proc_stat_read(*(pid_t *)env, &st) == -ESRCH || st.state == 'Z';
}

START_TEST(a_check_that_passes_says_what_it_printed)
{
    run_shell("echo out; echo err >&2; pwd", TIME_NEVER);
    await_done();
    ck_assert(run_succeeded(&result));
    ck_assert_ptr_nonnull(strstr(output, "out\nerr\n"));
    ck_assert_ptr_nonnull(strstr(output, folder()));
    ck_assert_str_eq(words, "exit status 0");
}
END_TEST

START_TEST(a_check_has_the_environment_of_its_service_but_no_sockets)
{
    run_shell("env | grep -E '^(LISTEN|NOTIFY|MODE)'", TIME_NEVER);
    await_done();
    ck_assert_str_eq(output, "MODE=test\n");
}
END_TEST

START_TEST(a_check_that_fails_or_dies_says_how)
{
    static const char *const cases[][2] = {
        {"exit 3",        "exit status 3"    },
        {"kill -SEGV $$", "killed by SIGSEGV"},
        {"exit 127",      "exit status 127"  },
    };

    run_shell(cases[_i][0], 10 * US_PER_S);
    await_done();
    ck_assert(!run_succeeded(&result));
    ck_assert_msg(strncmp(words, cases[_i][1], strlen(cases[_i][1])) == 0, "%s", words);
}
END_TEST

START_TEST(one_that_takes_too_long_is_killed_with_all_it_started)
{
    pid_t grandchild;

    run_shell("trap '' TERM; sleep 100 & echo $!; wait", 300 * US_PER_MS);
    await_done();
    ck_assert(result.timed_out && !run_succeeded(&result));
    ck_assert_str_eq(words, "took too long and was killed");
    grandchild = (pid_t)strtol(output, NULL, 10);
    ck_assert_int_gt(grandchild, 1);
    ck_assert(loop_until(ev, gone, &grandchild, PATIENCE_MS * US_PER_MS));
}
END_TEST

START_TEST(what_it_leaves_in_the_background_ends_with_it)
{
    pid_t left;

    run_shell("sleep 100 & echo $!", 10 * US_PER_S);
    await_done(); /* although the background process holds the pipe */
    ck_assert(run_succeeded(&result));
    left = (pid_t)strtol(output, NULL, 10);
    ck_assert_int_gt(left, 1);
    ck_assert(loop_until(ev, gone, &left, PATIENCE_MS * US_PER_MS));
}
END_TEST

START_TEST(output_beyond_the_cap_is_counted_not_kept)
{
    run_shell("head -c 3000000 /dev/zero", 30 * US_PER_S);
    await_done();
    ck_assert(run_succeeded(&result));
    ck_assert_uint_eq(result.output_bytes, RUN_OUTPUT_MAX);
    ck_assert_uint_eq(result.output_dropped, 3000000 - RUN_OUTPUT_MAX);
}
END_TEST

START_TEST(a_program_that_cannot_be_run_is_an_error)
{
    char *missing[] = {(char[]){"./nothing"}, NULL};
    char *broken[] = {(char[]){"./broken"}, NULL};
    unsigned before = count_fds();

    ck_assert_int_eq(start(missing, US_PER_S), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.text, "/nothing' does not exist"));
    ck_assert_uint_eq(count_fds(), before);
    (void)write_file("broken", "#!/no/such/sh\n", 0755);
    ck_assert_int_eq(start(broken, US_PER_S), 0);
    await_done();
    ck_assert(!run_succeeded(&result));
    ck_assert_int_eq(result.exec.error, -ENOENT);
    ck_assert_ptr_nonnull(strstr(words, "the interpreter '/no/such/sh'"));
    ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(a_cancelled_one_is_killed_and_reaped_and_says_nothing)
{
    unsigned before;
    pid_t pid;

    run_shell("true", US_PER_S); /* the loop's own descriptors come with its first watcher */
    await_done();
    before = count_fds();
    run_shell("sleep 100", TIME_NEVER);
    pid = run_pid(run);
    done = false;
    run_cancel(run);
    ck_assert_msg(loop_until(ev, gone, &pid, PATIENCE_MS * US_PER_MS), "it still runs");
    while (has_children())
        ev_run(ev, EVRUN_ONCE); /* its zombie goes in the turn that sees it */
    ck_assert(!done);
    ck_assert_uint_eq(count_fds(), before);
    run_cancel(NULL);
}
END_TEST

START_TEST(nothing_leaks_over_many_runs)
{
    unsigned before = 0;

    for (unsigned i = 0; i < 30; i++) {
        run_shell("echo $0", US_PER_S * 10);
        await_done();
        if (i == 0)
            before = count_fds();
    }
    ck_assert_uint_eq(count_fds(), before);
    ck_assert(!has_children());
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("run");
    TCase *t = tcase_create("run");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, a_check_that_passes_says_what_it_printed);
    tcase_add_test(t, a_check_has_the_environment_of_its_service_but_no_sockets);
    tcase_add_loop_test(t, a_check_that_fails_or_dies_says_how, 0, 3);
    tcase_add_test(t, one_that_takes_too_long_is_killed_with_all_it_started);
    tcase_add_test(t, what_it_leaves_in_the_background_ends_with_it);
    tcase_add_test(t, output_beyond_the_cap_is_counted_not_kept);
    tcase_add_test(t, a_program_that_cannot_be_run_is_an_error);
    tcase_add_test(t, a_cancelled_one_is_killed_and_reaped_and_says_nothing);
    tcase_add_test(t, nothing_leaks_over_many_runs);
    suite_add_tcase(s, t);
    return unit_main(s);
}
