/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "worker-api/state.h"
#include "worker-api/wait.h"

/*
 * How a cancel wakes a thread that sleeps in somebody else's condition variable.
 *
 * The waiter holds the mutex, arms a wake on the token (under the tree lock, so it either sees
 * the cancel or is on the list of it) and calls pthread_cond_clockwait(), which enters it among
 * the sleepers and then lets the mutex go. A broadcast that comes between the two is lost. The
 * usual cure, to take the mutex around the broadcast, is not ours: the canceller may hold it,
 * and a robust one whose owner died would be spoilt by us. So the wake does not take it but
 * looks who has it:
 *
 *   - the waiter: it is still on its way into the sleep (or out of it, to say so in a moment).
 *     Nothing on that way blocks, so look again shortly;
 *   - anybody else, or nobody: the waiter has let go of it, hence sleeps; broadcast now.
 *
 * The waiter's store of the owner comes before its arm and the wake after that, so the wake
 * never reads an owner from before. An owner of 0 alone is not proof that the sleeper is on the
 * list (on a machine that reorders stores), a lock word of 0 is: it is stored with release
 * after it.
 *
 * Whoever is woken by the broadcast and is not cancelled has a spurious wake-up, which every
 * user of condition variables expects. And whoever returns cancelled may have eaten a
 * pthread_cond_signal() meant for any one of the sleepers: it is passed on.
 *
 * A sleep is one call of pthread_cond_clockwait() and never repeated here: between two of them
 * a signal would find nobody asleep, and only the caller can look at the predicate. A slice
 * that is over is therefore a spurious wake-up too.
 */
#define SLICE_US      100000   /* with nobody who listens: see stn_has_listener() */
#define SLICE_LONG_US 10000000 /* else: nothing depends on it, but a fault heals */
#define SPINS         64
#define PAUSE_NS      50000
#define GIVE_UP_US    1000000 /* a recursive mutex locked twice stays with its sleeper */

struct sleeper {
    struct stint_registration wake; /* on the token's list, then on ours */
    pthread_cond_t *cond;
    pthread_mutex_t *mutex;
    int owner;       /* what the mutex calls this thread */
    uint32_t inside; /* atomic: 1 from before the arm until the sleep is over */
};

#ifdef __GLIBC__
static int
owner_of(const pthread_mutex_t *mutex)
{
    return __atomic_load_n(&mutex->__data.__owner, __ATOMIC_ACQUIRE);
}

static bool
is_underway(const struct sleeper *s)
{
    int lock = __atomic_load_n(&s->mutex->__data.__lock, __ATOMIC_ACQUIRE);
    int owner = owner_of(s->mutex);

    if (s->mutex->__data.__kind & 64) /* PTHREAD_PRIO_PROTECT: the ceiling is in the word, too */
        lock &= 0x7ffff;
    return __atomic_load_n(&s->inside, __ATOMIC_ACQUIRE) && lock != 0 &&
           (owner == 0 || owner == s->owner);
}
#else /* nobody can say: such a sleeper has short slices */
static int
owner_of(const pthread_mutex_t *mutex)
{
    (void)mutex;
    return 0;
}

static bool
is_underway(const struct sleeper *s)
{
    (void)s;
    return false;
}
#endif

static void
wake(void *arg)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    struct sleeper *s = arg;
    int64_t limit = 0;

    for (unsigned i = 0; is_underway(s); i++) {
        if (i < SPINS)
            continue;
        if (limit == 0)
            limit = stint_now_us() + GIVE_UP_US;
        if (stint_now_us() > limit)
            break;
        /* Not sched_yield(): this thread may be of a higher priority than the sleeper. */
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL); /* shorter is fine */
    }
    (void)pthread_cond_broadcast(s->cond); /* of a valid one: cannot fail */
}

static int64_t
slice_end(void)
{
#ifdef __GLIBC__
    if (stn_has_listener())
        return stint_now_us() + SLICE_LONG_US;
#endif
    return stint_now_us() + SLICE_US;
}

#if STN_CLOCKS
static int
timed_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    return pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, until); /* any condvar */
}
#else
/*
 * Then a condition variable sleeps by the clock that it was made with, and nobody says which that is. Two are
 * made that differ in nothing else: if they do so in one word, and that holds the clock's number, it is told by
 * that word (musl). With a libc where it is not, this sleeps in pieces and beside the condition variable: its
 * signals find nobody, and the caller looks at the predicate each time.
 */
#define CLOCK_UNKNOWN UINT32_MAX
#define PIECE_NS      2000000
#define COND_WORDS    (sizeof(pthread_cond_t) / sizeof(int))

static uint32_t
find_clock_word(void)
{
    union {
        pthread_cond_t cond;
        int words[COND_WORDS];
    } wall = {.words = {0}}, mono = {.words = {0}};
    uint32_t found = CLOCK_UNKNOWN;
    pthread_condattr_t attr;
    unsigned differ = 0;

    if (pthread_condattr_init(&attr) != 0)
        return CLOCK_UNKNOWN;
    if (pthread_cond_init(&wall.cond, &attr) != 0 ||
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
        pthread_cond_init(&mono.cond, &attr) != 0)
        differ = 2;
    for (uint32_t i = 0; i < COND_WORDS; i++) {
        differ += wall.words[i] != mono.words[i];
        if (wall.words[i] == CLOCK_REALTIME && mono.words[i] == CLOCK_MONOTONIC)
            found = i;
    }
    (void)pthread_condattr_destroy(&attr); /* nobody waits in the two, which hold nothing */
    return differ == 1 ? found : CLOCK_UNKNOWN;
}

static int
sleep_beside(pthread_mutex_t *mutex, const struct timespec *until)
{
    const struct timespec piece = {.tv_nsec = PIECE_NS};
    int64_t until_us = (int64_t)until->tv_sec * 1000000 + until->tv_nsec / 1000;
    int r = pthread_mutex_unlock(mutex);

    if (r != 0)
        return r;
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &piece, NULL); /* shorter is fine */
    r = pthread_mutex_lock(mutex);
    return r == 0 && stint_now_us() >= until_us ? ETIMEDOUT : r;
}

static int
timed_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    static uint32_t known; /* atomic; the word's number + 1 */
    uint32_t word = __atomic_load_n(&known, __ATOMIC_RELAXED);
    struct timespec wall;
    int clock;

    if (word == 0) {
        uint32_t found = find_clock_word();

        word = found == CLOCK_UNKNOWN ? CLOCK_UNKNOWN : found + 1;
        __atomic_store_n(&known, word, __ATOMIC_RELAXED);
    }
    if (word == CLOCK_UNKNOWN)
        return sleep_beside(mutex, until);
    memcpy(&clock, (const char *)cond + (size_t)(word - 1) * sizeof(int), sizeof(clock));
    if (clock == CLOCK_MONOTONIC)
        return pthread_cond_timedwait(cond, mutex, until);
    if (clock != CLOCK_REALTIME)
        return sleep_beside(mutex, until);
    wall = stn_realtime((int64_t)until->tv_sec * 1000000 + until->tv_nsec / 1000);
    return pthread_cond_timedwait(cond, mutex, &wall);
}
#endif

static int
sleep_once(struct sleeper *s, struct stint_token *token, int64_t abs_us)
{
    int64_t until = stint_token_deadline(token), slice = slice_end();
    struct timespec at;

    if (abs_us < until)
        until = abs_us;
    if (token && slice < until)
        until = slice;
    if (until == STINT_NEVER)
        return pthread_cond_wait(s->cond, s->mutex);
    if (until < 0)
        until = 0;
    at.tv_sec = until / 1000000;
    at.tv_nsec = until % 1000000 * 1000;
    return timed_wait(s->cond, s->mutex, &at);
}

static int
cond_wait(struct stint_token *token, pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t abs_us)
{
    struct sleeper s = {.cond = cond, .mutex = mutex, .owner = owner_of(mutex), .inside = 1};
    static uint32_t site;
    int r = ETIMEDOUT, err;

    if (!stn_has_listener())
        (void)stn_channel_read(); /* a supervisor that has gone is no error of the waiter */
    if ((err = stint_token_err(token)) < 0)
        return err;
    s.wake.token = token_of(token);
    s.wake.wake = true;
    s.wake.fn = wake;
    s.wake.arg = &s;
    if (!token || stn_wake_arm(&s.wake)) {
        struct stint_block block = stn_wait_enter(&site, "for a condition variable", cond);

        r = sleep_once(&s, token, abs_us);
        stint_block_leave(&block);
    }
    __atomic_store_n(&s.inside, 0, __ATOMIC_RELEASE); /* whoever wakes us stops looking */
    if (token)
        (void)stint_registration_remove(&s.wake); /* both ends are fine */
    if (r != 0 && r != ETIMEDOUT)
        return -r;
    if ((err = stint_token_err(token)) < 0) {
        if (r == 0)
            (void)pthread_cond_signal(cond); /* we may have got it in place of another */
        return err;
    }
    return r == ETIMEDOUT && stint_now_us() >= abs_us ? -ETIMEDOUT : 0;
}

int
stint_cond_wait(struct stint_token *token, pthread_cond_t *cond, pthread_mutex_t *mutex,
                int64_t abs_us)
{
    /* No callback of the user's may run under the user's mutex, and no pthread_cancel() may leave
     * with our stack on the token's list. */
    bool held = stn_callbacks_hold();
    int state = stn_cancel_hold();
    int r = cond_wait(token, cond, mutex, abs_us);

    stn_cancel_let(state);
    stn_callbacks_let(held);
    return r;
}
