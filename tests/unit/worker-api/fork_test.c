/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

/* Children, made in all the ways there are, and what they do to their parent's registry: nothing. */
static void
stay(void *arg)
{
    (void)stint_token_wait(arg, STINT_NEVER);
}

/* By libc, which runs handlers; by the system call, which does not; by another as Go's runtime does. */
static pid_t
fork_by(int way)
{
    if (way == 0)
        return fork();
    if (way == 1)
        return (pid_t)syscall(SYS_fork);
    return (pid_t)syscall(SYS_clone, (unsigned long)SIGCHLD, NULL, NULL, NULL, 0UL);
}

static int
status_of(pid_t pid)
{
    int status = 0;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}

static void
nothing(void *arg)
{
    *(int *)arg = 1;
}

/* Everything in a child that a program might do there. Return: the number of what went wrong. */
static int
child(struct stint_scope *scope, const struct stint_token *request)
{
    struct stint_thread *thread;
    struct stint_scope *own;
    int ran = 0;

    stint_served(5); /* first: it finds out that we are another process */
    stint_beat();
    STINT_BLOCK("in the child", scope)
    stint_thread_exempt("child", STINT_NEVER);
    if (stint_ready() != 0 || stint_fd() != -1)
        return 1;
    if (stint_thread_spawn(&thread, stint_root(), "of the child", nothing, &ran) < 0)
        return 2;
    if (stint_thread_join(thread, NULL, soon()) < 0 || !ran)
        return 3;
    own = stint_scope_open(scope, "of the child");
    if (!own || stint_scope_spawn(own, "within", nothing, &ran) < 0)
        return 4;
    if (stint_scope_close(own, SOON_US, NULL, 0) != 0)
        return 5;
    if (stint_scope_close(scope, SOON_US, NULL, 0) != 0) /* whose threads are not here */
        return 6;
    return stint_token_cancelled(request) ? 7 : 0;
}

START_TEST(a_child_has_a_registry_of_its_own_however_it_was_made)
{
    struct master m = master_start();
    struct stint_registry_slot before, after;
    struct stint_registry_header header;
    struct stint_registry_scope seen;
    struct stint_token *hold = stint_token_new(NULL, "hold");
    struct stint_token *request = stint_token_new(stint_root(), "request");
    struct stint_scope *scope;
    char body[STINT_FRAME_MAX];
    pid_t pid;

    ck_assert_int_eq(stint_init(NULL), 0);
    scope = stint_scope_open(NULL, "pool");
    ck_assert_int_eq(stint_scope_spawn(scope, "member", stay, hold), 0);
    ck_assert_int_eq(master_find(&m, "main", &before), 1);
    pid = fork_by(_i);
    if (pid == 0)
        _exit(child(scope, request));
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(status_of(pid), 0);
    ck_assert_int_eq(master_find(&m, "main", &after), 1);
    ck_assert_mem_eq(&before, &after, sizeof(before));
    ck_assert_int_eq(master_find(&m, "of the child", &after), 0);
    ck_assert_int_eq(master_scope(&m, "of the child", &seen), 0);
    ck_assert_int_eq(master_scope(&m, "pool", &seen), 1);
    ck_assert_uint_eq(seen.threads, 1);
    ck_assert_uint_eq(seen.cancelled_us, 0);
    ck_assert_int_eq(pread(m.registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_eq(header.served, 0);
    ck_assert_int_eq((pid_t)header.pid, getpid());
    ck_assert_int_eq(stint_ready(), 0);
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_HELLO);
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_READY); /* ours; nothing of it */
    stint_token_cancel(hold, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_scope_close(scope, SOON_US, NULL, 0), 0);
    stint_token_unref(hold);
    stint_token_unref(request);
}
END_TEST

static int stop; /* atomic */

/* Keeps every lock of the library busy, and none of Check's: the child would wait for that one. */
static void
churn(void *arg)
{
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        struct stint_token *token = stint_token_new(arg, "churn");
        struct stint_scope *scope = stint_scope_open(NULL, "churn");

        if (stint_task_begin(token, "churn") < 0 || !scope)
            abort();
        stint_task_end();
        stint_token_unref(token);
        if (stint_scope_close(scope, 0, NULL, 0) != 0)
            abort();
    }
}

static int
busy_child(void)
{
    struct stint_token *token;
    struct stint_scope *scope;

    if (stint_ready() != 0)
        return 1;
    token = stint_token_new(stint_root(), "mine");
    scope = stint_scope_open(NULL, "mine");
    if (!token || !scope)
        return 2;
    stint_token_cancel(token, STINT_CAUSE_USER, NULL);
    if (!stint_token_cancelled(token))
        return 3;
    stint_token_unref(token);
    return stint_scope_close(scope, 0, NULL, 0) == 0 ? 0 : 4;
}

/* The fork comes at any moment of what the other threads do. */
START_TEST(a_child_is_never_stuck_on_a_lock_that_a_thread_of_its_parent_held)
{
    struct master m = master_start();
    struct stint_thread *threads[2];
    const int rounds = getenv("STINT_TEST_LONG") ? 20000 : 200;

    (void)m;
    ck_assert_int_eq(stint_init(NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            stint_thread_spawn(&threads[i], stint_root(), "churn", churn, stint_root()), 0);
    for (int i = 0; i < rounds; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            (void)alarm(20);
            _exit(busy_child());
        }
        ck_assert_int_gt(pid, 0);
        ck_assert_int_eq(status_of(pid), 0);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(stint_thread_join(threads[i], NULL, soon()), 0);
}
END_TEST

static int
vforked(void *arg)
{
    char *const argv[] = {(char[]){"true"}, NULL};

    (void)arg;
    (void)execv("/bin/true", argv);
    _exit(9);
}

START_TEST(a_vforked_child_that_only_executes_changes_nothing)
{
    struct master m = master_start();
    struct stint_registry_slot slot;
    static char stack[64 << 10] __attribute__((aligned(16)));
    char *const argv[] = {(char[]){"true"}, NULL};
    char body[STINT_FRAME_MAX];
    pid_t pid;

    ck_assert_int_eq(stint_init(NULL), 0);
    pid = clone(vforked, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(status_of(pid), 0);
    ck_assert_int_eq(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, NULL), 0);
    ck_assert_int_eq(status_of(pid), 0);
    ck_assert_int_eq(master_find(&m, "main", &slot), 1);
    ck_assert_int_eq((pid_t)slot.tid, getpid());
    ck_assert_int_eq(stint_ready(), 0); /* the channel is still ours */
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_HELLO);
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_READY);
}
END_TEST

START_TEST(who_may_look_is_named_once_and_not_to_children)
{
    struct master m = master_start();

    (void)m;
    (void)setenv("STINT_PTRACER", _i == 0 ? "1" : "nonsense", 1);
    ck_assert_int_eq(stint_init(NULL), 0);
    ck_assert_ptr_null(getenv("STINT_PTRACER"));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fork");
    TCase *t = tcase_create("fork");

    tcase_set_timeout(t, 100);
#ifndef __SANITIZE_THREAD__ /* it knows no threads in the child of a process that had some */
    tcase_add_loop_test(t, a_child_has_a_registry_of_its_own_however_it_was_made, 0, 3);
#else
    (void)a_child_has_a_registry_of_its_own_however_it_was_made;
#endif
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__) /* its heap is stuck itself */
    tcase_add_test(t, a_child_is_never_stuck_on_a_lock_that_a_thread_of_its_parent_held);
#else
    (void)a_child_is_never_stuck_on_a_lock_that_a_thread_of_its_parent_held;
#endif
    tcase_add_test(t, a_vforked_child_that_only_executes_changes_nothing);
    tcase_add_loop_test(t, who_may_look_is_named_once_and_not_to_children, 0, 2);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
