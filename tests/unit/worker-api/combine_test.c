/* SPDX-License-Identifier: MIT */
/* Who walks the tree when a signal handler finds it locked: looks inside the library. */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"
#include "worker-api/state.h"

START_TEST(a_handler_that_finds_the_lock_taken_leaves_the_walk_to_the_holder)
{
    struct stint_token *parent = stint_token_new(NULL, "parent");
    struct stint_token *child = stint_token_new(parent, "child");

    stn_lock_take(&stn.tree);
    stint_token_cancel_signal(parent); /* as a handler would that interrupts the holder */
    ck_assert(!stint_token_cancelled(parent));
    stn_tree_give();
    ck_assert(stint_token_cancelled(parent));
    ck_assert(stint_token_cancelled(child));
    stint_token_unref(child);
    stint_token_unref(parent);
}
END_TEST

START_TEST(several_handlers_may_leave_their_cancels_to_one_holder)
{
    struct stint_token *tokens[100];

    stn_lock_take(&stn.tree);
    for (int i = 0; i < 100; i++) {
        stn_tree_give();
        tokens[i] = stint_token_new(NULL, "t");
        stn_lock_take(&stn.tree);
    }
    for (int i = 0; i < 100; i++) {
        stint_token_cancel_signal(tokens[i]);
        stint_token_cancel_signal(tokens[i]);
    }
    stn_tree_give();
    for (int i = 0; i < 100; i++) {
        ck_assert(stint_token_cancelled(tokens[i]));
        stint_token_unref(tokens[i]);
    }
}
END_TEST

/* Another thread's handler was about to push a token when this one forked: there it never will. */
START_TEST(a_child_does_not_wait_for_a_handler_of_the_parent)
{
    int status;
    pid_t pid;

    forget_checks_sigterm();
    ck_assert_int_eq(stint_init(NULL), 0);
    __atomic_store_n(&stn_root.signalled, 1, __ATOMIC_SEQ_CST);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)raise(SIGTERM);
        _exit(stint_token_cancelled(stint_root()) ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

#define ROUNDS    60000
#define NO_MORE   UINT32_MAX
#define ENOUGH_US 20000000 /* where others have the processors: so many rounds as fit into this */

static uint32_t round_number; /* atomic: both run round n as soon as it is n */
static uint32_t holder_done;  /* atomic: the last round the holder has finished */

/*
 * await_round - until @round is @number; false: there are NO_MORE. It spins, for the race to be a close
 * one, and lets others run now and then: there may be one processor for both.
 */
static bool
await_round(const uint32_t *round, uint32_t number)
{
    for (unsigned turns = 1;; turns++) {
        uint32_t now = __atomic_load_n(round, __ATOMIC_ACQUIRE);

        if (now == number || now == NO_MORE)
            return now == number;
        if (turns % 1024 == 0)
            (void)sched_yield();
    }
}

static void
hold_once_per_round(void *arg)
{
    (void)arg;
    for (uint32_t i = 1; await_round(&round_number, i); i++) {
        stn_tree_take();
        stn_tree_give();
        __atomic_store_n(&holder_done, i, __ATOMIC_RELEASE);
    }
}

/* Between the holder's last look and its letting go there is a moment: a cancel in it is not lost,
 * though nobody calls the library afterwards. */
START_TEST(no_moment_is_too_late_for_the_holder)
{
    struct stint_token *t = NULL;
    struct stint_thread *holder;
    int64_t end_us = stint_now_us() + ENOUGH_US;

    ck_assert_int_eq(stint_thread_spawn(&holder, NULL, "holder", hold_once_per_round, NULL), 0);
    for (uint32_t i = 1; i <= ROUNDS && stint_now_us() < end_us; i++) {
        t = stint_token_new(NULL, "t");
        __atomic_store_n(&round_number, i, __ATOMIC_RELEASE);
        for (volatile uint32_t spin = i % 64; spin > 0; spin--)
            ;
        stint_token_cancel_signal(t);
        (void)await_round(&holder_done, i);
        ck_assert_msg(stint_token_cancelled(t), "lost in round %u", i);
        stint_token_unref(t);
    }
    __atomic_store_n(&round_number, NO_MORE, __ATOMIC_RELEASE);
    ck_assert_int_eq(stint_thread_join(holder, NULL, soon()), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("combine");
    TCase *lock = tcase_create("the tree's lock");

    tcase_set_timeout(lock, 100);
    tcase_add_test(lock, a_handler_that_finds_the_lock_taken_leaves_the_walk_to_the_holder);
    tcase_add_test(lock, several_handlers_may_leave_their_cancels_to_one_holder);
    tcase_add_test(lock, a_child_does_not_wait_for_a_handler_of_the_parent);
    tcase_add_test(lock, no_moment_is_too_late_for_the_holder);
    suite_add_tcase(suite, lock);
    return unit_main(suite);
}
