/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "worker-api/state.h"
#include "worker-api/wait.h"

/*
 * Waits in glibc's mutexes and semaphores that end with a token as soon as it is cancelled: on the word
 * that libc's own waiters sleep on, and the token's at the same time (stn_word_wait()). Taken is the lock
 * by libc's own trylock; only the sleep is ours, by the rules that all who sleep there keep:
 *
 *   - a mutex's word is 0 free, 1 taken, 2 taken and somebody may sleep. Who is about to sleep makes it 2;
 *     an unlock that finds 2 wakes one. Who was asleep and gets it has to leave a 2, for others may sleep
 *     still, of whom the 1 of a trylock says nothing;
 *   - a semaphore's word is the number of units, and beside it is counted who sleeps: a post wakes one if
 *     there is any;
 *   - who was woken and leaves without the lock or unit has had the wake-up of another, and passes it on.
 *
 * All of it is so since glibc 2.21 (mutexes: since futexes are); that of semaphores is looked at before
 * it is relied on, and no sleep is longer than a slice, so that a wake-up that went astray is no end.
 */
#define SLICE_US      100000   /* with nobody who reads frames meanwhile: see stn_has_listener() */
#define SLICE_LONG_US 10000000 /* else: nothing depends on it, but a fault heals */

#ifdef __GLIBC__
/* One sleep, at most until the next look. */
static void
sleep_on(uint32_t *word, uint32_t value, struct stint_token *token, int64_t now_us, int64_t abs_us)
{
    int64_t slice = now_us + (stn_has_listener() ? SLICE_LONG_US : SLICE_US);

    stn_word_wait(word, value, token_of(token), slice < abs_us ? slice : abs_us);
    if (!stn_has_listener())
        stn_entry(); /* the frame that cancels it may lie there */
}

#define KIND_TYPE    3u   /* normal, recursive, error-checking, adaptive */
#define KIND_ELISION 768u /* may or must not be elided; an elided one is free to whoever looks */

bool
stn_mutex_known(const pthread_mutex_t *mutex)
{
    return ((unsigned)mutex->__data.__kind & ~(KIND_TYPE | KIND_ELISION)) == 0;
}

static void
mark_contended(uint32_t *word)
{
    uint32_t taken = 1;

    (void)__atomic_compare_exchange_n(word, &taken, 2, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* One of the caller's own is busy to trylock: only a lock for a time that is over tells. */
static int
try_checked(pthread_mutex_t *mutex)
{
    const struct timespec past = {0};

    if (((unsigned)mutex->__data.__kind & KIND_TYPE) != PTHREAD_MUTEX_ERRORCHECK_NP)
        return ETIMEDOUT;
    return pthread_mutex_timedlock(mutex, &past);
}

int
stn_mutex_wait(struct stint_token *token, pthread_mutex_t *mutex, int64_t abs_us)
{
    uint32_t *word = (uint32_t *)&mutex->__data.__lock;
    int err, r = try_checked(mutex);

    if (r != ETIMEDOUT)
        return -r;
    while ((err = stint_token_err(token)) == 0) {
        int64_t now = stint_now_us();

        r = pthread_mutex_trylock(mutex);
        if (r == 0)
            mark_contended(word);
        if (r != EBUSY)
            return -r;
        if (now >= abs_us) {
            err = -ETIMEDOUT;
            break;
        }
        mark_contended(word);
        sleep_on(word, 2, token, now, abs_us);
    }
    stn_futex_wake_one(word);
    return err;
}
#else
bool
stn_mutex_known(const pthread_mutex_t *mutex)
{
    (void)mutex;
    return false;
}

int
stn_mutex_wait(struct stint_token *token, pthread_mutex_t *mutex, int64_t abs_us)
{
    (void)token;
    (void)mutex;
    (void)abs_us;
    return -ENOSYS;
}
#endif

#if defined(__GLIBC__) && defined(__LP64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* glibc's struct new_sem. */
struct semaphore {
    uint64_t data; /* units, and above them who sleeps: changed at once */
    int shared;    /* 0 = of this process */
};

#define ONE_SLEEPER (UINT64_C(1) << 32)

_Static_assert(sizeof(struct semaphore) <= sizeof(sem_t), "it lies in it");

static struct semaphore *
inside(const sem_t *sem)
{
    return (struct semaphore *)(uintptr_t)sem;
}

static uint64_t
data_of(const sem_t *sem)
{
    return __atomic_load_n(&inside(sem)->data, __ATOMIC_SEQ_CST);
}

/* Whether this libc's are like that, as far as it shows in one that nobody sleeps on. */
static bool
try_one(void)
{
    bool alike;
    sem_t sem;

    memset(&sem, 0xff, sizeof(sem));
    if (sem_init(&sem, 0, 7) == -1)
        return false;
    alike = data_of(&sem) == 7 && inside(&sem)->shared == 0;
    alike = alike && sem_post(&sem) == 0 && data_of(&sem) == 8;
    (void)__atomic_fetch_add(&inside(&sem)->data, ONE_SLEEPER, __ATOMIC_SEQ_CST);
    alike = alike && sem_trywait(&sem) == 0 && data_of(&sem) == ONE_SLEEPER + 7;
    alike = alike && sem_post(&sem) == 0 && data_of(&sem) == ONE_SLEEPER + 8; /* woke nobody */
    (void)__atomic_fetch_sub(&inside(&sem)->data, ONE_SLEEPER, __ATOMIC_SEQ_CST);
    (void)sem_destroy(&sem); /* it was made a moment ago */
    return alike && sem_init(&sem, 1, 7) == 0 && data_of(&sem) == 7 && inside(&sem)->shared != 0;
}

bool
stn_sem_known(const sem_t *sem)
{
    static uint32_t tried; /* atomic; 1 yes, 2 no */
    uint32_t found = __atomic_load_n(&tried, __ATOMIC_RELAXED);

    if (found == 0) {
        found = try_one() ? 1 : 2;
        __atomic_store_n(&tried, found, __ATOMIC_RELAXED);
    }
    return found == 1 && inside(sem)->shared == 0;
}

int
stn_sem_wait(struct stint_token *token, sem_t *sem, int64_t abs_us)
{
    uint32_t *units = (uint32_t *)(void *)&inside(sem)->data; /* the lower half */
    int err, r = -1;

    /* seq_cst: counted, then looked at; a post adds its unit and then looks at the count. */
    (void)__atomic_fetch_add(&inside(sem)->data, ONE_SLEEPER, __ATOMIC_SEQ_CST);
    while ((err = stint_token_err(token)) == 0 && (r = sem_trywait(sem)) == -1) {
        int64_t now = stint_now_us();

        if (errno != EAGAIN && errno != EINTR)
            err = -errno;
        else if (now >= abs_us)
            err = -ETIMEDOUT;
        if (err < 0)
            break;
        sleep_on(units, 0, token, now, abs_us);
    }
    (void)__atomic_fetch_sub(&inside(sem)->data, ONE_SLEEPER, __ATOMIC_SEQ_CST);
    if (r == -1 && (uint32_t)data_of(sem) > 0)
        stn_futex_wake_one(units);
    return err;
}
#else
bool
stn_sem_known(const sem_t *sem)
{
    (void)sem;
    return false;
}

int
stn_sem_wait(struct stint_token *token, sem_t *sem, int64_t abs_us)
{
    (void)token;
    (void)sem;
    (void)abs_us;
    return -ENOSYS;
}
#endif
