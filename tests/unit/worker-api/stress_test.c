/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

/* Races, many times over; what they break shows under ThreadSanitizer and AddressSanitizer. */
#ifndef ROUNDS /* valgrind is a hundred times slower */
#define ROUNDS 2000
#endif
#define HANDS 4

struct gate {
    pthread_barrier_t barrier;
    struct stint_token *tokens[HANDS];
    struct stint_registration *registration;
    int wins[HANDS];
    int ran; /* atomic */
};

struct hand {
    struct gate *gate;
    int number;
};

static void
both(void (*one)(void *), void (*other)(void *), struct gate *gate)
{
    struct stint_thread *threads[HANDS];
    struct hand hands[HANDS];

    ck_assert_int_eq(pthread_barrier_init(&gate->barrier, NULL, HANDS), 0);
    for (int i = 0; i < HANDS; i++) {
        hands[i] = (struct hand){gate, i};
        ck_assert_int_eq(
            stint_thread_spawn(&threads[i], NULL, "hand", i % 2 == 0 ? one : other, &hands[i]), 0);
    }
    for (int i = 0; i < HANDS; i++)
        ck_assert_int_eq(stint_thread_join(threads[i], NULL, soon()), 0);
    pthread_barrier_destroy(&gate->barrier);
}

static struct stint_token *shared_parent; /* of the round; written between barriers */

static void
cancel_shared(void *arg)
{
    struct hand *hand = arg;

    for (int i = 0; i < ROUNDS; i++) {
        if (hand->number == 0)
            shared_parent = stint_token_new(NULL, "round");
        pthread_barrier_wait(&hand->gate->barrier);
        hand->gate->wins[hand->number] +=
            stint_token_cancel(shared_parent, STINT_CAUSE_USER, "round over");
        pthread_barrier_wait(&hand->gate->barrier);
        if (hand->number == 0)
            stint_token_unref(shared_parent);
    }
}

static void
grow_shared(void *arg)
{
    struct hand *hand = arg;

    for (int i = 0; i < ROUNDS; i++) {
        struct stint_token *child, *grandchild;

        pthread_barrier_wait(&hand->gate->barrier);
        child = stint_token_new(shared_parent, "child");
        grandchild = stint_token_with_deadline(child, "grandchild", soon());
        stint_token_unref(child);
        (void)stint_token_cancelled(grandchild);
        ck_assert_int_ne(stint_token_wait(grandchild, STINT_NEVER), 0);
        ck_assert_int_eq(stint_token_cause(grandchild, NULL), STINT_CAUSE_USER);
        stint_token_unref(grandchild);
        pthread_barrier_wait(&hand->gate->barrier);
    }
}

START_TEST(cancelling_while_children_come_and_go)
{
    struct gate gate = {0};

    both(cancel_shared, grow_shared, &gate);
    ck_assert_int_eq(gate.wins[0] + gate.wins[2], ROUNDS); /* one winner per round */
}
END_TEST

static void
ran(void *arg)
{
    struct gate *gate = arg;

    (void)__atomic_fetch_add(&gate->ran, 1, __ATOMIC_SEQ_CST);
}

static void
cancel_registered(void *arg)
{
    struct hand *hand = arg;
    struct gate *gate = hand->gate;

    for (int i = 0; i < ROUNDS; i++) {
        if (hand->number == 0) {
            shared_parent = stint_token_new(NULL, "round");
            __atomic_store_n(&gate->ran, 0, __ATOMIC_SEQ_CST);
        }
        pthread_barrier_wait(&gate->barrier);
        stint_token_cancel(shared_parent, STINT_CAUSE_USER, NULL);
        pthread_barrier_wait(&gate->barrier);
        if (hand->number == 0)
            stint_token_unref(shared_parent);
    }
}

static void
register_and_remove(void *arg)
{
    struct hand *hand = arg;
    struct gate *mine = calloc(1, sizeof(*mine)); /* freed callbacks would write to freed memory */

    ck_assert_ptr_nonnull(mine);
    for (int i = 0; i < ROUNDS; i++) {
        struct stint_registration *r;
        int before;

        pthread_barrier_wait(&hand->gate->barrier);
        before = __atomic_load_n(&mine->ran, __ATOMIC_SEQ_CST);
        r = stint_token_on_cancel(shared_parent, ran, mine);
        ck_assert_ptr_nonnull(r);
        if (stint_registration_remove(r) == 1)
            ck_assert_int_eq(__atomic_load_n(&mine->ran, __ATOMIC_SEQ_CST), before);
        else
            ck_assert_int_eq(__atomic_load_n(&mine->ran, __ATOMIC_SEQ_CST), before + 1);
        pthread_barrier_wait(&hand->gate->barrier);
    }
    free(mine);
}

START_TEST(a_callback_ran_or_was_removed_never_both_and_never_later)
{
    struct gate gate = {0};

    both(cancel_registered, register_and_remove, &gate);
}
END_TEST

/* ---- Signals against a busy tree --------------------------------------------------------- */

static int stop; /* atomic */

static void
churn(void *arg)
{
    struct stint_token *parent = arg;

    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        struct stint_token *a = stint_token_new(parent, "a");
        struct stint_token *b = stint_token_new(a, "b");

        stint_token_unref(a);
        stint_token_unref(b);
    }
}

static struct stint_token *target; /* what the handler cancels; atomic */

static void
cancel_in_handler(int signo)
{
    (void)signo;
    stint_token_cancel_signal(__atomic_load_n(&target, __ATOMIC_ACQUIRE));
}

/* A handler that finds the lock taken hands the walk to the holder: nothing is ever forgotten. */
START_TEST(a_cancel_by_signal_is_never_lost_in_a_busy_tree)
{
    struct stint_thread *threads[3];
    struct sigaction action = {0};

    action.sa_handler = cancel_in_handler;
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(stint_thread_spawn(&threads[i], NULL, "churn", churn, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        struct stint_token *parent = stint_token_new(NULL, "parent");
        struct stint_token *child = stint_token_new(parent, "child");

        __atomic_store_n(&target, parent, __ATOMIC_RELEASE);
        (void)raise(SIGUSR1);
        ck_assert_int_eq(stint_token_wait(child, soon()), -ECANCELED);
        stint_token_unref(child);
        stint_token_unref(parent);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(stint_thread_join(threads[i], NULL, soon()), 0);
}
END_TEST

static void
hit_churners(void *arg)
{
    const pthread_t *victim = arg;

    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        struct timespec pause = {.tv_nsec = 50000};

        (void)pthread_kill(*victim, SIGUSR1);
        (void)nanosleep(&pause, NULL);
    }
}

/* The handler lands inside the library, with the lock held by the very thread it interrupts. */
START_TEST(a_handler_inside_the_locked_library_does_not_deadlock)
{
    pthread_t me = pthread_self();
    struct stint_thread *hitter;
    struct sigaction action = {0};

    action.sa_handler = cancel_in_handler;
    sigaction(SIGUSR1, &action, NULL);
    ck_assert_int_eq(stint_thread_spawn(&hitter, NULL, "hitter", hit_churners, &me), 0);
    for (int i = 0; i < ROUNDS / 10; i++) {
        struct stint_token *parent = stint_token_new(NULL, "parent");
        int64_t limit = soon();

        __atomic_store_n(&target, parent, __ATOMIC_RELEASE);
        while (!stint_token_cancelled(parent) && stint_now_us() < limit) {
            struct stint_token *child = stint_token_new(parent, "child");

            stint_token_unref(child);
        }
        ck_assert(stint_token_cancelled(parent));
        __atomic_store_n(&target, NULL, __ATOMIC_RELEASE);
        stint_token_unref(parent);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    ck_assert_int_eq(stint_thread_join(hitter, NULL, soon()), 0);
}
END_TEST

static void
spin_on_slots(void *arg)
{
    (void)arg;
    while (!stint_token_cancelled(stint_current())) {
        STINT_BLOCK("nothing in particular", &stop)
        stint_beat();
        ck_assert_int_eq(stint_task_begin(NULL, "aaaaaaaaaaaaaaaaaaaa"), 0);
        stint_task_end();
    }
}

START_TEST(slots_are_read_whole_while_they_are_written)
{
    struct master m = master_start();
    struct stint_registry_slot slot;
    struct stint_thread *thread;
    struct stint_token *token;
    int64_t limit = soon();
    uint32_t tid = 0;

    stint_init(NULL);
    token = stint_token_new(stint_root(), "spin");
    ck_assert_int_eq(stint_thread_spawn(&thread, token, "spinner", spin_on_slots, NULL), 0);
    while (!master_find(&m, "spinner", &slot) || slot.beats == 0)
        ck_assert_int_lt(stint_now_us(), limit); /* not started yet */
    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_int_eq(master_find(&m, "spinner", &slot), 1);
        ck_assert_uint_eq(slot.tid, tid ? tid : slot.tid);
        tid = slot.tid;
        ck_assert(slot.wait_site == 0 ||
                  strcmp(master_site(&m, slot.wait_site).text, "nothing in particular") == 0);
        if (slot.flags & STINT_SLOT_TASK) /* its name or the token's, and never half of each */
            ck_assert_str_eq(slot.token, "aaaaaaaaaaaaaaaaaaaa");
        else
            ck_assert_str_eq(slot.token, "spin");
    }
    stint_token_cancel(token, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    ck_assert_int_eq(master_find(&m, "spinner", &slot), 1);
    ck_assert_uint_gt(slot.beats, 0);
    stint_token_unref(token);
}
END_TEST

static void
come_and_go(void *arg)
{
    (void)arg;
    stint_beat();
}

START_TEST(threads_come_and_go_under_a_token_that_is_cancelled)
{
    struct master m = master_start();

    (void)m;
    stint_init(NULL);
    for (int i = 0; i < ROUNDS / 20; i++) {
        struct stint_token *token = stint_token_new(stint_root(), "batch");
        struct stint_thread *threads[HANDS];

        for (int j = 0; j < HANDS; j++)
            ck_assert_int_eq(stint_thread_spawn(&threads[j], token, "batch", come_and_go, NULL), 0);
        stint_token_cancel(token, STINT_CAUSE_USER, NULL);
        stint_token_unref(token);
        for (int j = 1; j < HANDS; j++)
            ck_assert_int_eq(stint_thread_join(threads[j], NULL, soon()), 0);
        stint_thread_detach(threads[0]);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("stress");
    TCase *races = tcase_create("races");

    tcase_set_timeout(races, 110);
    tcase_add_test(races, cancelling_while_children_come_and_go);
    tcase_add_test(races, a_callback_ran_or_was_removed_never_both_and_never_later);
    tcase_add_test(races, a_cancel_by_signal_is_never_lost_in_a_busy_tree);
    tcase_add_test(races, a_handler_inside_the_locked_library_does_not_deadlock);
    tcase_add_test(races, slots_are_read_whole_while_they_are_written);
    tcase_add_test(races, threads_come_and_go_under_a_token_that_is_cancelled);
    suite_add_tcase(suite, races);
    return unit_main(suite);
}
