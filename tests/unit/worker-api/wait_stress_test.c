/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <time.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

/*
 * Cancels that hit a wait at its beginning, in its middle and at its end, over and over. A lost one shows
 * as a wait that takes until the library's own slice ends: ten seconds with a listener.
 * STINT_TEST_LONG=1 makes it a million rounds.
 */
#define LOST_US 3000000

static unsigned
rounds(void)
{
#ifdef __GLIBC__
    const uint32_t usual = 20000;
#else
    const uint32_t usual =
        1000; /* whom a cancel meets on the way to sleep, that wakes up 100 ms later */
#endif

    return getenv("STINT_TEST_LONG") ? 1000000 : usual; /* NOLINT(concurrency-mt-unsafe) */
}

struct ring {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    sem_t sem;
    struct stint_token *token; /* of the round; written by the waiter */
    uint32_t round;            /* atomic: the waiter is about to wait in this one */
    uint32_t over;             /* atomic: .. and has left it */
    uint32_t rounds;
    unsigned signalled; /* under the mutex: wake-ups for those who stay */
};

static void
ring_up(struct ring *ring)
{
    const struct stint_options options = {sizeof(options), STINT_OPT_LISTENER};

    forget_checks_sigterm();
    ck_assert_int_eq(stint_init(&options), 0);
    memset(ring, 0, sizeof(*ring));
    ring->rounds = rounds();
    ck_assert_int_eq(pthread_mutex_init(&ring->mutex, NULL), 0);
    ck_assert_int_eq(pthread_cond_init(&ring->cond, NULL), 0);
    ck_assert_int_eq(sem_init(&ring->sem, 0, 0), 0);
}

static void
begin(struct ring *ring, uint32_t round)
{
    ring->token = stint_token_new(NULL, "round");
    __atomic_store_n(&ring->round, round, __ATOMIC_RELEASE);
}

/* The token is freed only after the canceller has let go of it: it holds a reference. */
static void
end(struct ring *ring, uint32_t round)
{
    stint_token_unref(ring->token);
    __atomic_store_n(&ring->over, round, __ATOMIC_RELEASE);
}

/*
 * The library's call (--wrap): the waiter has looked at its token and is not asleep yet, or awake and has not
 * said so. Now and then it is held up there, as a busy machine would do.
 */
#ifdef __GLIBC__
#define CALL(prefix)                                                                              \
    prefix##pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, \
                                   const struct timespec *until)
#define CALL_REAL() __real_pthread_cond_clockwait(cond, mutex, clock, until)
#else
#define CALL(prefix)                                                             \
    prefix##pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, \
                                   const struct timespec *until)
#define CALL_REAL() __real_pthread_cond_timedwait(cond, mutex, until)
#endif
int CALL(__real_);
int CALL(__wrap_);

int
CALL(__wrap_)
{
    const struct timespec pause = {.tv_nsec = 10000};
    static _Thread_local unsigned calls;
    int r;

    if (++calls % 8 == 0)
        (void)nanosleep(&pause, NULL);
    r = CALL_REAL();
    if (calls % 8 == 4)
        (void)nanosleep(&pause, NULL);
    return r;
}

static void
wait_cond(void *arg)
{
    struct ring *ring = arg;

    for (uint32_t i = 1; i <= ring->rounds; i++) {
        int64_t start;
        int r;

        ck_assert_int_eq(pthread_mutex_lock(&ring->mutex), 0);
        begin(ring, i);
        start = stint_now_us();
        while ((r = stint_cond_wait(ring->token, &ring->cond, &ring->mutex, STINT_NEVER)) == 0)
            ;
        ck_assert_int_eq(pthread_mutex_unlock(&ring->mutex), 0);
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert_int_lt(stint_now_us() - start, LOST_US);
        end(ring, i);
    }
}

static void
dawdle(unsigned *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    for (unsigned n = *seed >> 22; n > 0; n--) /* none to some microseconds */
        __asm__ volatile("");
}

static void
cancel_rounds(void *arg)
{
    struct ring *ring = arg;
    unsigned seed = 1;

    for (uint32_t i = 1; i <= ring->rounds; i++) {
        struct stint_token *token;
        bool locks = i % 4 == 0;

        while (__atomic_load_n(&ring->round, __ATOMIC_ACQUIRE) != i)
            (void)sched_yield();
        token = stint_token_ref(ring->token);
        dawdle(&seed);
        if (locks)
            ck_assert_int_eq(pthread_mutex_lock(&ring->mutex), 0);
        ck_assert_int_eq(stint_token_cancel(token, STINT_CAUSE_USER, NULL), 1);
        if (locks)
            ck_assert_int_eq(pthread_mutex_unlock(&ring->mutex), 0);
        while (__atomic_load_n(&ring->over, __ATOMIC_ACQUIRE) != i)
            (void)sched_yield();
        stint_token_unref(token);
    }
}

static void
play(struct ring *ring, void (*waiter)(void *))
{
    struct stint_thread *threads[2];
    int64_t limit = stint_now_us() + 600000000;

    ck_assert_int_eq(stint_thread_spawn(&threads[0], NULL, "waiter", waiter, ring), 0);
    ck_assert_int_eq(stint_thread_spawn(&threads[1], NULL, "canceller", cancel_rounds, ring), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(stint_thread_join(threads[i], NULL, limit), 0);
}

START_TEST(no_cancel_of_a_condition_wait_is_lost)
{
    struct ring ring;

    ring_up(&ring);
    play(&ring, wait_cond);
}
END_TEST

/* ---- Signals among cancels: none is eaten ------------------------------------------------ */

static void
stay(void *arg)
{
    struct ring *ring = arg;

    ck_assert_int_eq(pthread_mutex_lock(&ring->mutex), 0);
    for (uint32_t i = 0; i < ring->rounds; i++) {
        while (ring->signalled == 0)
            ck_assert_int_eq(pthread_cond_wait(&ring->cond, &ring->mutex), 0);
        ring->signalled--;
        __atomic_store_n(&ring->over, i + 1, __ATOMIC_RELEASE);
    }
    ck_assert_int_eq(pthread_mutex_unlock(&ring->mutex), 0);
}

static void
leave(void *arg)
{
    struct ring *ring = arg;
    int r;

    ck_assert_int_eq(pthread_mutex_lock(&ring->mutex), 0);
    while ((r = stint_cond_wait(stint_current(), &ring->cond, &ring->mutex, STINT_NEVER)) == 0)
        ;
    ck_assert_int_eq(pthread_mutex_unlock(&ring->mutex), 0);
    ck_assert_int_eq(r, -ECANCELED);
}

START_TEST(no_signal_is_eaten_by_one_who_leaves)
{
    struct stint_thread *stays, *leaves;
    struct ring ring;

    ring_up(&ring);
    ring.rounds = rounds() / 20;
    ck_assert_int_eq(stint_thread_spawn(&stays, NULL, "stays", stay, &ring), 0);
    for (uint32_t i = 1; i <= ring.rounds; i++) {
        struct stint_token *token = stint_token_new(NULL, "leaves");
        int64_t limit = stint_now_us() + LOST_US;

        ck_assert_int_eq(stint_thread_spawn(&leaves, token, "leaves", leave, &ring), 0);
        if (i % 3 == 0)
            (void)sched_yield();
        ck_assert_int_eq(pthread_mutex_lock(&ring.mutex), 0);
        ring.signalled++;
        ck_assert_int_eq(pthread_cond_signal(&ring.cond), 0);
        ck_assert_int_eq(pthread_mutex_unlock(&ring.mutex), 0);
        stint_token_cancel(token, STINT_CAUSE_USER, NULL);
        while (__atomic_load_n(&ring.over, __ATOMIC_ACQUIRE) != i)
            ck_assert_int_lt(stint_now_us(), limit);
        ck_assert_int_eq(stint_thread_join(leaves, NULL, soon()), 0);
        stint_token_unref(token);
    }
    ck_assert_int_eq(stint_thread_join(stays, NULL, soon()), 0);
}
END_TEST

/* ---- Semaphores: units in = units out ---------------------------------------------------- */

struct counter {
    struct ring ring;
    uint32_t taken; /* atomic */
};

static void
take_units(void *arg)
{
    struct counter *c = arg;
    int r;

    while ((r = stint_sem_wait(stint_current(), &c->ring.sem, STINT_NEVER)) == 0)
        (void)__atomic_fetch_add(&c->taken, 1, __ATOMIC_RELAXED);
    ck_assert_int_eq(r, -ECANCELED);
}

START_TEST(no_unit_of_a_semaphore_is_lost_or_made_up)
{
    enum { TAKERS = 4, UNITS = 50 };
    struct stint_thread *takers[TAKERS];
    struct stint_token *token;
    struct counter c = {0};
    int left;

    ring_up(&c.ring);
    for (unsigned i = 0; i < rounds() / 500; i++) {
        token = stint_token_new(NULL, "batch");
        c.taken = 0;
        for (int j = 0; j < TAKERS; j++)
            ck_assert_int_eq(stint_thread_spawn(&takers[j], token, "taker", take_units, &c), 0);
        for (int j = 0; j < UNITS; j++) {
            ck_assert_int_eq(sem_post(&c.ring.sem), 0);
            if (j == UNITS / 2)
                stint_token_cancel(token, STINT_CAUSE_USER, NULL);
        }
        for (int j = 0; j < TAKERS; j++)
            ck_assert_int_eq(stint_thread_join(takers[j], NULL, soon()), 0);
        ck_assert_int_eq(sem_getvalue(&c.ring.sem, &left), 0);
        ck_assert_int_eq(left + (int)c.taken, UNITS);
        while (sem_trywait(&c.ring.sem) == 0)
            ;
        stint_token_unref(token);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wait_stress");
    TCase *races = tcase_create("races");

    tcase_set_timeout(races, 600);
    tcase_add_test(races, no_cancel_of_a_condition_wait_is_lost);
    tcase_add_test(races, no_signal_is_eaten_by_one_who_leaves);
    tcase_add_test(races, no_unit_of_a_semaphore_is_lost_or_made_up);
    suite_add_tcase(suite, races);
    return unit_main(suite);
}
