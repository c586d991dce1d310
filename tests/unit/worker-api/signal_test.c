/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

static volatile sig_atomic_t chained;
static int calls;

static void
old_handler(int signo)
{
    chained = signo;
}

static void
old_action(int signo, siginfo_t *info, void *context)
{
    (void)context;
    chained = info->si_pid == getpid() ? signo : -1;
}

static void
count(void *arg)
{
    (void)arg;
    calls++;
}

START_TEST(the_programs_own_handler_is_still_called)
{
    struct sigaction before = {0};

    before.sa_handler = old_handler;
    if (_i == 1) {
        before.sa_sigaction = old_action;
        before.sa_flags = SA_SIGINFO;
    }
    sigaction(SIGTERM, &before, NULL);
    stint_init(NULL);
    errno = 77;
    (void)raise(SIGTERM);
    ck_assert_int_eq(errno, 77);
    ck_assert_int_eq(chained, SIGTERM);
    ck_assert(stint_token_cancelled(stint_root()));
}
END_TEST

static const struct {
    void (*handler)(int);
    int flags, restarts;
} restarting[] = {
    {SIG_DFL,     0,          SA_RESTART},
    {old_handler, SA_RESTART, SA_RESTART},
    {old_handler, 0,          0         },
};

/* A program that counts on EINTR, as in "while (!stop) accept()", has left SA_RESTART out. */
START_TEST(calls_are_interrupted_for_who_had_them_interrupted)
{
    struct sigaction before = {0}, after;

    before.sa_handler = restarting[_i].handler;
    before.sa_flags = restarting[_i].flags;
    sigaction(SIGTERM, &before, NULL);
    stint_init(NULL);
    ck_assert_int_eq(sigaction(SIGTERM, NULL, &after), 0);
    ck_assert_int_eq(after.sa_flags & SA_RESTART, restarting[_i].restarts);
}
END_TEST

START_TEST(sigterm_can_be_left_alone)
{
    struct stint_options options = {.size = sizeof(options), .flags = STINT_OPT_KEEP_SIGTERM};

    ck_assert(signal(SIGTERM, old_handler) != SIG_ERR);
    stint_init(&options);
    (void)raise(SIGTERM);
    ck_assert_int_eq(chained, SIGTERM);
    ck_assert(!stint_token_cancelled(stint_root()));
    stint_token_cancel_signal(stint_root());
    ck_assert(stint_token_cancelled(stint_root()));
}
END_TEST

START_TEST(children_show_it_without_anyone_calling_in)
{
    struct stint_cancel_info info = {.size = sizeof(info)};
    struct stint_token *child, *grandchild;
    struct pollfd p;

    forget_checks_sigterm();
    stint_init(NULL);
    child = stint_token_new(stint_root(), "child");
    grandchild = stint_token_new(child, "grandchild");
    p = (struct pollfd){.fd = stint_token_fd(grandchild), .events = POLLIN};
    (void)raise(SIGTERM);
    ck_assert(stint_token_cancelled(grandchild));
    ck_assert_int_eq(poll(&p, 1, 0), 1);
    ck_assert_int_eq(stint_token_cause(grandchild, &info), STINT_CAUSE_SIGNAL);
    ck_assert_str_eq(info.text, "SIGTERM");
    stint_token_unref(grandchild);
    stint_token_unref(child);
}
END_TEST

START_TEST(callbacks_do_not_run_in_the_handler_but_at_the_next_entry)
{
    struct stint_token *child;
    struct stint_registration *r, *unrun;

    forget_checks_sigterm();
    stint_init(NULL);
    child = stint_token_new(stint_root(), "child");
    r = stint_token_on_cancel(child, count, NULL);
    unrun = stint_token_on_cancel(child, count, NULL);
    (void)raise(SIGTERM);
    ck_assert_int_eq(calls, 0);
    ck_assert_int_eq(stint_registration_remove(unrun), 1);
    ck_assert_int_eq(stint_dispatch(), 0);
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(stint_registration_remove(r), 0);
    stint_token_unref(child);
}
END_TEST

struct waiter {
    struct stint_token *token;
    int by_poll;
    int ready[2];
    int result;
};

static void
wait_for_it(void *arg)
{
    struct waiter *w = arg;

    ck_assert_int_eq(write(w->ready[1], "x", 1), 1);
    w->result = w->by_poll ? stint_token_poll(w->token, NULL, 0, STINT_NEVER)
                           : stint_token_wait(w->token, STINT_NEVER);
}

/* The signal goes to the main thread; the waiters have it blocked, and wake all the same. */
START_TEST(sigterm_wakes_who_waits_on_a_child)
{
    struct waiter w = {.by_poll = _i};
    struct stint_thread *thread;
    sigset_t term;
    char byte;

    forget_checks_sigterm();
    stint_init(NULL);
    w.token = stint_token_new(stint_root(), "child");
    ck_assert_int_eq(pipe(w.ready), 0);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, NULL);
    ck_assert_int_eq(stint_thread_spawn(&thread, w.token, "waiter", wait_for_it, &w), 0);
    pthread_sigmask(SIG_UNBLOCK, &term, NULL);
    ck_assert_int_eq(read(w.ready[0], &byte, 1), 1);
    ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    ck_assert_int_eq(w.result, -ECANCELED);
    stint_token_unref(w.token);
}
END_TEST

static int
wait_for_child(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int
child_is_detached(struct stint_token *token, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct stint_thread *thread;

    if (stint_fd() != -1 || stint_dispatch() != 0 || stint_ready() != 0)
        return 1;
    if (stint_thread_spawn(&thread, token, "in the child", count, NULL) != 0 ||
        stint_thread_join(thread, NULL, soon()) != 0)
        return 2;
    if (stint_token_fd(token) != fd || poll(&p, 1, 0) != 0)
        return 3;
    (void)raise(SIGTERM);
    if (!stint_token_cancelled(token) || poll(&p, 1, 0) != 1)
        return 4;
    return 0;
}

START_TEST(a_forked_child_is_on_its_own)
{
    struct master m = master_start();
    struct stint_registry_slot slot;
    struct stint_token *token;
    struct pollfd p;
    char body[STINT_FRAME_MAX];
    pid_t pid;

    stint_init(NULL);
    token = _i == 0 ? stint_token_new(stint_root(), "t")
                    : stint_token_with_deadline(stint_root(), "t", soon());
    p = (struct pollfd){.fd = stint_token_fd(token), .events = POLLIN};
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(child_is_detached(token, p.fd));
    ck_assert_int_eq(wait_for_child(pid), 0);

    ck_assert(!stint_token_cancelled(token));
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    ck_assert_int_eq(master_find(&m, "in the child", &slot), 0);
    ck_assert_int_eq(master_find(&m, "main", &slot), 1);
    ck_assert_int_eq((pid_t)slot.tid, getpid());
    ck_assert_int_eq(stint_ready(), 0);
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_HELLO);
    ck_assert_uint_eq(master_receive(&m, body).sequence, 2);
    stint_token_unref(token);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("signal");
    TCase *handler = tcase_create("SIGTERM");
    TCase *forked = tcase_create("fork");

    tcase_add_loop_test(handler, the_programs_own_handler_is_still_called, 0, 2);
    tcase_add_loop_test(handler, calls_are_interrupted_for_who_had_them_interrupted, 0,
                        (int)(sizeof(restarting) / sizeof(*restarting)));
    tcase_add_test(handler, sigterm_can_be_left_alone);
    tcase_add_test(handler, children_show_it_without_anyone_calling_in);
    tcase_add_test(handler, callbacks_do_not_run_in_the_handler_but_at_the_next_entry);
    tcase_add_loop_test(handler, sigterm_wakes_who_waits_on_a_child, 0, 2);
    tcase_add_loop_test(forked, a_forked_child_is_on_its_own, 0, 2);
    tcase_set_timeout(handler, 60);
    tcase_set_timeout(forked, 60);
    suite_add_tcase(suite, handler);
    suite_add_tcase(suite, forked);
    return unit_main(suite);
}
