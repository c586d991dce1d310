/* SPDX-License-Identifier: MIT */
/*
 * Two threads that meet in the same instant, again and again. STINT_RACES=1000000 says how often, and
 * STINT_FORKS how often with a fork(); few unless told. `ctest -L long -R million` does a million of each, under the
 * sanitizers too. Of processor time, with AddressSanitizer and UBSan, a million of each race are 71 s, and a fork is
 * 2.7 ms, of the parent, the child and the thread beside them together; with ThreadSanitizer it is 2.8 ms. Seen: nothing.
 */
#include <errno.h>
#include <sched.h>
#include <sys/wait.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/hold_allocator.h"
#include "tests/unit/worker-api/master.h"
#include "worker-api/state.h"

#define NO_MORE UINT32_MAX

static struct stint_token *a, *b, *c; /* of the round; written between rounds */
static struct stint_registration *registration;
static int ran; /* atomic */

static uint32_t round_number, peer_done; /* atomic */
static void (*peers_part)(void);

static uint32_t
told(const char *variable, uint32_t unless)
{
    const char *text = getenv(variable);

    return text ? (uint32_t)strtoul(text, NULL, 10) : unless;
}

static uint32_t
rounds(void)
{
    return told("STINT_RACES", 5000);
}

/* It spins, for the race to be close, and lets others run: there may be one processor for both. */
static bool
await_number(const uint32_t *word, uint32_t number)
{
    for (unsigned turns = 1;; turns++) {
        uint32_t now = __atomic_load_n(word, __ATOMIC_ACQUIRE);

        if (now == number || now == NO_MORE)
            return now == number;
        if (turns % 256 == 0)
            (void)sched_yield();
    }
}

static void
dally(uint32_t turns)
{
    for (volatile uint32_t left = turns; left > 0; left--)
        ;
}

static void
peer(void *arg)
{
    (void)arg;
    for (uint32_t i = 1; await_number(&round_number, i); i++) {
        dally(i * 7 % 97);
        peers_part();
        __atomic_store_n(&peer_done, i, __ATOMIC_RELEASE);
    }
}

static void
race(uint32_t n, void (*prepare)(void), void (*one)(void), void (*other)(void), void (*after)(void))
{
    struct stint_thread *thread;

    peers_part = other;
    ck_assert_int_eq(stint_thread_spawn(&thread, NULL, "peer", peer, NULL), 0);
    for (uint32_t i = 1; i <= n; i++) {
        prepare();
        __atomic_store_n(&round_number, i, __ATOMIC_RELEASE);
        dally(i * 13 % 89);
        one();
        (void)await_number(&peer_done, i);
        after();
    }
    __atomic_store_n(&round_number, NO_MORE, __ATOMIC_RELEASE);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    ck_assert(!stn.due && !stn.running);
}

static void
cancel_a(void)
{
    (void)stint_token_cancel(a, STINT_CAUSE_USER, "round over");
    stint_token_unref(a);
}

static void
put_b(void)
{
    stint_token_unref(b);
}

static void
nothing(void)
{
}

static void
parent_and_child(void)
{
    a = stint_token_new(NULL, "a");
    b = stint_token_new(a, "b");
}

START_TEST(a_cancel_meets_a_release)
{
    race(rounds(), parent_and_child, cancel_a, put_b, nothing);
}
END_TEST

static void
signal_a(void)
{
    stint_token_cancel_signal(a);
    stint_token_unref(a);
}

START_TEST(a_signals_cancel_meets_a_release)
{
    race(rounds(), parent_and_child, signal_a, put_b, nothing);
}
END_TEST

static void
removes_itself(void *arg)
{
    (void)arg;
    (void)__atomic_fetch_add(&ran, 1, __ATOMIC_SEQ_CST);
    ck_assert_int_eq(stint_registration_remove(registration), 0);
}

static void
registered_to_itself(void)
{
    parent_and_child();
    (void)stint_token_ref(a);
    __atomic_store_n(&ran, 0, __ATOMIC_SEQ_CST);
    registration = stint_token_on_cancel(b, removes_itself, NULL);
}

static void
ran_once(void)
{
    (void)stint_dispatch();
    ck_assert_int_eq(__atomic_load_n(&ran, __ATOMIC_SEQ_CST), 1);
    stint_token_unref(b);
}

START_TEST(a_callback_removes_itself_while_two_cancel)
{
    race(rounds(), registered_to_itself, cancel_a, cancel_a, ran_once);
}
END_TEST

static void
counts(void *arg)
{
    (void)__atomic_fetch_add((int *)arg, 1, __ATOMIC_SEQ_CST);
}

static void
registered(void)
{
    int *mine =
        calloc(1, sizeof(*mine)); /* freed by who removes it: a late callback would touch that */

    parent_and_child();
    registration = stint_token_on_cancel(b, counts, mine);
    ck_assert_ptr_nonnull(registration);
}

static void
remove_and_put_b(void)
{
    int *mine = registration->arg;
    int unrun = stint_registration_remove(registration);

    ck_assert_int_eq(__atomic_load_n(mine, __ATOMIC_SEQ_CST), !unrun);
    free(mine);
    stint_token_unref(b);
}

START_TEST(a_removal_meets_a_cancel)
{
    race(rounds(), registered, cancel_a, remove_and_put_b, nothing);
}
END_TEST

static void
linked(void)
{
    struct stint_token *both[2];

    both[0] = a = stint_token_new(NULL, "a");
    both[1] = b = stint_token_new(NULL, "b");
    c = stint_token_any(both, 2, "c");
}

static void
put_c(void)
{
    stint_token_unref(c);
}

START_TEST(the_release_of_an_any_of_token_meets_a_sources_cancel)
{
    race(rounds(), linked, cancel_a, put_c, put_b);
}
END_TEST

static void
cancel_b(void)
{
    (void)stint_token_cancel(b, STINT_CAUSE_STOPPED, "the other");
    ck_assert(stint_token_cancelled(c));
    stint_token_unref(b);
}

static void
cancel_a_for_c(void)
{
    (void)stint_token_cancel(a, STINT_CAUSE_USER, "the one");
    ck_assert(stint_token_cancelled(c));
    stint_token_unref(a);
}

static void
one_of_both(void)
{
    struct stint_cancel_info info = {.size = sizeof(info)};

    (void)stint_token_cause(c, &info);
    ck_assert_str_eq(info.text, info.cause == STINT_CAUSE_USER ? "the one" : "the other");
    ck_assert_str_eq(info.origin, info.cause == STINT_CAUSE_USER ? "a" : "b");
    stint_token_unref(c);
}

START_TEST(two_sources_are_cancelled_in_the_same_instant)
{
    race(rounds(), linked, cancel_a_for_c, cancel_b, one_of_both);
}
END_TEST

/* ---- fork() ---------------------------------------------------------------------------------------- */

#define FORKS_PER_TREE 64

static pid_t last_child; /* of the fork before; -1 = none */

/* What the one before said. It had the time of a whole fork, so nobody waits for it. */
static void
collect(void)
{
    int status;

    if (last_child == -1)
        return;
    if (waitpid(last_child, &status, 0) != last_child || status != 0)
        ck_abort_msg("a child ended with %x", (unsigned)status);
    last_child = -1;
}

/* In the child the tree is whole, whatever the other thread was at. No ck_assert() in either: each writes a
 * record, which a million times over costs more than the forks. */
static void
fork_now(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct stint_token *child = stint_token_new(b, "child");

        stint_token_cancel_signal(c);
        (void)stint_token_cancel(b, STINT_CAUSE_USER, "in the child");
        _exit(child && stint_token_cancelled(child) && stint_token_cancelled(c) &&
                      stint_token_wait(c, STINT_NEVER) == -ECANCELED
                  ? 0
                  : 1);
    }
    if (pid == -1)
        ck_abort_msg("fork: %d", errno);
    collect();
    last_child = pid;
}

static void
churn(struct stint_token *above)
{
    for (int i = 0; i < 20; i++) {
        struct stint_token *child = stint_token_new(above, "churn");
        struct stint_registration *r = stint_token_on_cancel(child, counts, &ran);

        if (i % 4 == 0)
            (void)stint_token_cancel(child, STINT_CAUSE_USER, "some");
        if (i % 4 == 1)
            stint_token_cancel_signal(child);
        (void)stint_registration_remove(r);
        stint_token_unref(child);
    }
}

/* Without a meeting before each fork: it is at something all the time, and nobody spins. */
static void
churns(void *arg)
{
    while (__atomic_load_n(&round_number, __ATOMIC_ACQUIRE) != NO_MORE) {
        churn(arg);
        (void)__atomic_fetch_add(&peer_done, 1, __ATOMIC_RELAXED);
    }
}

static void
put_all(void)
{
    stint_token_unref(c);
    stint_token_unref(b);
    stint_token_unref(a);
}

START_TEST(a_fork_meets_whatever_the_tree_is_at)
{
    uint32_t n = told("STINT_FORKS", 100), done;
    struct stint_token *above = stint_token_new(NULL, "above");
    struct stint_thread *thread;

    forget_checks_sigterm();
    hold_at_forks();
    ck_assert_int_eq(stint_init(NULL), 0);
    last_child = -1;
    ck_assert_int_eq(stint_thread_spawn(&thread, NULL, "peer", churns, above), 0);
    for (uint32_t i = 0; i < n; i++) {
        if (i % FORKS_PER_TREE == 0)
            linked();
        dally(i * 13 % 89);
        fork_now();
        if (i % FORKS_PER_TREE == FORKS_PER_TREE - 1 || i + 1 == n)
            put_all();
    }
    collect();
    done = __atomic_load_n(&peer_done, __ATOMIC_RELAXED);
    ck_assert_msg(done > 0, "the other thread did nothing while this one forked");
    __atomic_store_n(&round_number, NO_MORE, __ATOMIC_RELEASE);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    stint_token_unref(above);
    ck_assert(!stn.due && !stn.running);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("races");
    TCase *races = tcase_create("races");

    tcase_set_timeout(races, getenv("STINT_RACES") || getenv("STINT_FORKS") ? 14000 : 110);
    tcase_add_test(races, a_cancel_meets_a_release);
    tcase_add_test(races, a_signals_cancel_meets_a_release);
    tcase_add_test(races, a_callback_removes_itself_while_two_cancel);
    tcase_add_test(races, a_removal_meets_a_cancel);
    tcase_add_test(races, the_release_of_an_any_of_token_meets_a_sources_cancel);
    tcase_add_test(races, two_sources_are_cancelled_in_the_same_instant);
    tcase_add_test(races, a_fork_meets_whatever_the_tree_is_at);
    suite_add_tcase(suite, races);
    return unit_main(suite);
}
