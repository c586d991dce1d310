/* SPDX-License-Identifier: MIT */
/* Waits in libc's own mutexes and semaphores, among others who know nothing of tokens. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"
#include "worker-api/state.h"
#include "worker-api/wait.h"

#define LOOK_US  400000   /* a waiter in slices would have woken eight times */
#define LIMIT_US 90000000 /* for a few thousand rounds, also under a sanitizer */

struct place {
    pthread_mutex_t mutex;
    sem_t sem;
    bool of_sem;               /* wait for that, else for the mutex */
    struct stint_token *token; /* of who leaves; under `guard` while somebody cancels */
    pthread_mutex_t guard;
    uint32_t tid;  /* atomic; of the waiter */
    uint32_t had;  /* atomic, of semaphores; else under the mutex */
    uint32_t left; /* atomic: how often somebody went without */
    bool over;     /* atomic */
};

/* ---- A sleep is one sleep ---------------------------------------------------------------- */

static bool
kernel_waits_for_two(void)
{
#ifdef SYS_futex_waitv
    return syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) == -1 && errno == EINVAL;
#else
    return false;
#endif
}

static void
wait_in_vain(void *arg)
{
    struct place *p = arg;

    __atomic_store_n(&p->tid, (uint32_t)gettid(), __ATOMIC_RELEASE);
    ck_assert_int_eq(p->of_sem ? stint_sem_wait(p->token, &p->sem, STINT_NEVER)
                               : stint_mutex_lock(p->token, &p->mutex, STINT_NEVER),
                     -ECANCELED);
}

/* How often a thread has gone to sleep, and whether it does now. */
static unsigned long
sleeps_of(uint32_t tid, bool *asleep)
{
    static const char count[] = "voluntary_ctxt_switches:";
    char path[64], line[128];
    unsigned long n = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%u/status", tid);
    ck_assert_ptr_nonnull(f = fopen(path, "re"));
    while (fgets(line, sizeof(line), f)) {
        if (strncmp(line, "State:", 6) == 0)
            *asleep = strchr(line, 'S') != NULL && strstr(line, "sleeping");
        if (strncmp(line, count, sizeof(count) - 1) == 0)
            n = strtoul(line + sizeof(count) - 1, NULL, 10);
    }
    (void)fclose(f);
    return n;
}

static const int kinds[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                            PTHREAD_MUTEX_ADAPTIVE_NP, -1};

static void
place_up(struct place *p, int kind)
{
    pthread_mutexattr_t attr;

    memset(p, 0, sizeof(*p));
    p->of_sem = kind == -1;
    ck_assert_int_eq(pthread_mutexattr_init(&attr), 0);
    ck_assert_int_eq(pthread_mutexattr_settype(&attr, kind == -1 ? PTHREAD_MUTEX_NORMAL : kind), 0);
    ck_assert_int_eq(pthread_mutex_init(&p->mutex, &attr), 0);
    ck_assert_int_eq(pthread_mutex_init(&p->guard, NULL), 0);
    ck_assert_int_eq(sem_init(&p->sem, 0, 0), 0);
}

START_TEST(a_waiter_sleeps_once_until_it_is_cancelled)
{
    struct stint_options options = {.size = sizeof(options), .flags = STINT_OPT_LISTENER};
    struct stint_thread *thread;
    int64_t limit = soon();
    unsigned long before;
    bool asleep = false;
    struct place p;
    uint32_t tid;

    place_up(&p, kinds[_i]);
    ck_assert(p.of_sem ? stn_sem_known(&p.sem) : stn_mutex_known(&p.mutex));
    forget_checks_sigterm();
    ck_assert_int_eq(stint_init(&options), 0);
    p.token = stint_token_new(NULL, "in vain");
    ck_assert_int_eq(pthread_mutex_lock(&p.mutex), 0);
    ck_assert_int_eq(stint_thread_spawn(&thread, NULL, "in vain", wait_in_vain, &p), 0);
    while (!(tid = __atomic_load_n(&p.tid, __ATOMIC_ACQUIRE)) ||
           __atomic_load_n(&token_of(p.token)->waiters, __ATOMIC_ACQUIRE) == 0 ||
           (sleeps_of(tid, &asleep), !asleep))
        ck_assert_int_lt(stint_now_us(), limit);
    before = sleeps_of(tid, &asleep);
    (void)stint_token_sleep(NULL, LOOK_US);
    if (kernel_waits_for_two())
        ck_assert_uint_eq(sleeps_of(tid, &asleep), before);
    (void)stint_token_cancel(p.token, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&p.mutex), 0);
    stint_token_unref(p.token);
}
END_TEST

/* ---- Who was woken and leaves, and who was woken and takes --------------------------------- */

struct queue {
    struct place place;
    uint32_t second_tid; /* atomic */
    int result;          /* the first one's; valid after join */
    struct stint_thread *first, *second;
};

static void
come_first(void *arg)
{
    struct queue *q = arg;
    struct place *p = &q->place;

    __atomic_store_n(&p->tid, (uint32_t)gettid(), __ATOMIC_RELEASE);
    q->result = p->of_sem ? stint_sem_wait(p->token, &p->sem, STINT_NEVER)
                          : stint_mutex_lock(p->token, &p->mutex, STINT_NEVER);
    if (q->result == 0 && !p->of_sem)
        (void)pthread_mutex_unlock(&p->mutex);
}

static void
come_second(void *arg)
{
    struct queue *q = arg;
    struct place *p = &q->place;

    __atomic_store_n(&q->second_tid, (uint32_t)gettid(), __ATOMIC_RELEASE);
    if (p->of_sem) {
        ck_assert_int_eq(sem_wait(&p->sem), 0);
        return;
    }
    ck_assert_int_eq(pthread_mutex_lock(&p->mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&p->mutex), 0);
}

static void
await_sleep(const uint32_t *tid)
{
    int64_t limit = soon();
    bool asleep = false;

    while (!__atomic_load_n(tid, __ATOMIC_ACQUIRE) || (sleeps_of(*tid, &asleep), !asleep))
        ck_assert_int_lt(stint_now_us(), limit);
}

/* The first with a token and, behind it, one who knows of none: the kernel wakes in that order. */
static void
queue_up(struct queue *q, int kind)
{
    memset(q, 0, sizeof(*q));
    place_up(&q->place, kind);
    q->place.token = stint_token_new(NULL, "first");
    ck_assert_int_eq(pthread_mutex_lock(&q->place.mutex), 0);
    ck_assert_int_eq(stint_thread_spawn(&q->first, NULL, "first", come_first, q), 0);
    await_sleep(&q->place.tid);
    while (__atomic_load_n(&token_of(q->place.token)->waiters, __ATOMIC_ACQUIRE) == 0)
        ;
    ck_assert_int_eq(stint_thread_spawn(&q->second, NULL, "second", come_second, q), 0);
    await_sleep(&q->second_tid);
}

static void
give(struct queue *q)
{
    if (q->place.of_sem)
        ck_assert_int_eq(sem_post(&q->place.sem), 0);
    else
        ck_assert_int_eq(pthread_mutex_unlock(&q->place.mutex), 0);
}

#define QUEUES   30
#define HEALS_US 3000000 /* less than a slice of one with a listener */

START_TEST(a_wake_up_reaches_the_next_whether_the_first_takes_or_leaves)
{
    struct stint_options options = {.size = sizeof(options), .flags = STINT_OPT_LISTENER};

    forget_checks_sigterm();
    ck_assert_int_eq(stint_init(&options), 0);
    for (int i = 0; i < QUEUES; i++) {
        const bool leaves = i % 2 == 0;
        struct queue q;

        queue_up(&q, kinds[_i]);
        give(&q);
        if (leaves)
            (void)stint_token_cancel(q.place.token, STINT_CAUSE_USER, NULL);
        ck_assert_int_eq(stint_thread_join(q.first, NULL, stint_now_us() + HEALS_US), 0);
        ck_assert(q.result == 0 || (leaves && q.result == -ECANCELED));
        if (q.place.of_sem && q.result == 0)
            give(&q);
        ck_assert_int_eq(stint_thread_join(q.second, NULL, stint_now_us() + HEALS_US), 0);
        stint_token_unref(q.place.token);
    }
}
END_TEST

/* ---- Among others ------------------------------------------------------------------------ */

/* Every third goes by its own time, every third by its token's; all may be cancelled, too. */
static int
want(struct place *p, uint32_t round)
{
    int64_t brief = stint_now_us() + 30 + (int64_t)(round % 7) * 40;
    int64_t until = round % 3 == 0 ? brief : STINT_NEVER;
    struct stint_token *token =
        stint_token_with_deadline(NULL, "round", round % 3 == 1 ? brief : STINT_NEVER);
    int r;

    (void)pthread_mutex_lock(&p->guard);
    p->token = token;
    (void)pthread_mutex_unlock(&p->guard);
    r = p->of_sem ? stint_sem_wait(token, &p->sem, until)
                  : stint_mutex_lock(token, &p->mutex, until);
    (void)pthread_mutex_lock(&p->guard);
    p->token = NULL;
    (void)pthread_mutex_unlock(&p->guard);
    stint_token_unref(token);
    return r;
}

static void
come_and_leave(void *arg)
{
    struct place *p = arg;

    for (uint32_t round = 0; !__atomic_load_n(&p->over, __ATOMIC_ACQUIRE); round++) {
        if (want(p, round) < 0) {
            (void)__atomic_fetch_add(&p->left, 1, __ATOMIC_RELAXED);
        } else if (p->of_sem) {
            (void)__atomic_fetch_add(&p->had, 1, __ATOMIC_RELAXED);
        } else {
            p->had++;
            (void)pthread_mutex_unlock(&p->mutex);
        }
    }
}

static void
cancel_who_waits(void *arg)
{
    struct place *p = arg;

    while (!__atomic_load_n(&p->over, __ATOMIC_ACQUIRE)) {
        struct stint_token *token;

        (void)pthread_mutex_lock(&p->guard);
        token = stint_token_ref(p->token);
        (void)pthread_mutex_unlock(&p->guard);
        (void)stint_token_cancel(token, STINT_CAUSE_USER, NULL);
        stint_token_unref(token);
        (void)stint_token_sleep(NULL, 20);
    }
}

#define STAYERS 3
#define ROUNDS  3000u

static void
lock_plainly(void *arg)
{
    struct place *p = arg;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        ck_assert_int_eq(pthread_mutex_lock(&p->mutex), 0);
        p->had++;
        if (i % 8 == 0)
            (void)sched_yield(); /* so that others come to sleep */
        ck_assert_int_eq(pthread_mutex_unlock(&p->mutex), 0);
    }
}

static void
take_plainly(void *arg)
{
    struct place *p = arg;

    while (sem_wait(&p->sem) == 0 && !__atomic_load_n(&p->over, __ATOMIC_ACQUIRE))
        (void)__atomic_fetch_add(&p->had, 1, __ATOMIC_RELAXED);
}

/* Who leaves has perhaps been woken in the place of one who stays, and that one would never wake again. */
START_TEST(a_plain_waiter_for_a_mutex_is_always_woken)
{
    struct stint_thread *stay[STAYERS], *leaves, *cancels;
    const int64_t limit = stint_now_us() + LIMIT_US;
    struct place p;

    place_up(&p, kinds[_i]);
    ck_assert_int_eq(stint_thread_spawn(&leaves, NULL, "leaves", come_and_leave, &p), 0);
    ck_assert_int_eq(stint_thread_spawn(&cancels, NULL, "cancels", cancel_who_waits, &p), 0);
    for (int i = 0; i < STAYERS; i++)
        ck_assert_int_eq(stint_thread_spawn(&stay[i], NULL, "stays", lock_plainly, &p), 0);
    for (int i = 0; i < STAYERS; i++)
        ck_assert_int_eq(stint_thread_join(stay[i], NULL, limit), 0);
    __atomic_store_n(&p.over, true, __ATOMIC_RELEASE);
    ck_assert_int_eq(stint_thread_join(leaves, NULL, limit), 0);
    ck_assert_int_eq(stint_thread_join(cancels, NULL, limit), 0);
    ck_assert_uint_ge(p.had / STAYERS, ROUNDS);
    ck_assert_int_eq(pthread_mutex_destroy(&p.mutex), 0); /* EBUSY: somebody has it */
}
END_TEST

START_TEST(a_plain_waiter_for_a_semaphore_gets_what_those_who_leave_do_not)
{
    struct stint_thread *stay[STAYERS], *leaves, *cancels;
    const int64_t limit = stint_now_us() + LIMIT_US;
    struct place p;
    int units;

    place_up(&p, -1);
    ck_assert_int_eq(stint_thread_spawn(&leaves, NULL, "leaves", come_and_leave, &p), 0);
    ck_assert_int_eq(stint_thread_spawn(&cancels, NULL, "cancels", cancel_who_waits, &p), 0);
    for (int i = 0; i < STAYERS; i++)
        ck_assert_int_eq(stint_thread_spawn(&stay[i], NULL, "stays", take_plainly, &p), 0);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        ck_assert_int_eq(sem_post(&p.sem), 0);
        while (i % 4 == 0 && __atomic_load_n(&p.had, __ATOMIC_ACQUIRE) < i)
            ck_assert_int_lt(stint_now_us(), limit); /* each unit found somebody */
    }
    __atomic_store_n(&p.over, true, __ATOMIC_RELEASE);
    for (int i = 0; i < STAYERS + 1; i++) /* one of them may go to who leaves */
        ck_assert_int_eq(sem_post(&p.sem), 0);
    ck_assert_int_eq(stint_thread_join(leaves, NULL, limit), 0);
    ck_assert_int_eq(stint_thread_join(cancels, NULL, limit), 0);
    for (int i = 0; i < STAYERS; i++)
        ck_assert_int_eq(stint_thread_join(stay[i], NULL, limit), 0);
    ck_assert_int_eq(sem_getvalue(&p.sem, &units), 0);
    ck_assert_int_le(units, 1);
}
END_TEST

int
main(void)
{
    const int n = (int)(sizeof(kinds) / sizeof(*kinds));
    Suite *suite = suite_create("wait_libc");
    TCase *waits = tcase_create("waits");

    tcase_set_timeout(waits, 110);
    tcase_add_loop_test(waits, a_waiter_sleeps_once_until_it_is_cancelled, 0, n);
    tcase_add_loop_test(waits, a_wake_up_reaches_the_next_whether_the_first_takes_or_leaves, 0, n);
    tcase_add_loop_test(waits, a_plain_waiter_for_a_mutex_is_always_woken, 0, n - 1);
    tcase_add_test(waits, a_plain_waiter_for_a_semaphore_gets_what_those_who_leave_do_not);
    suite_add_tcase(suite, waits);
    return unit_main(suite);
}
