/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which lock a thread waits for, who has it, and for how long: from the memory of a running process. */
#include <linux/futex.h>
#include <semaphore.h>
#include <threads.h>

#include "tests/unit/probe/capture_fixture.h"

static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER, inner = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t orphan = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive, robust, inherit, own;
static mtx_t c11;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER, monotonic;
static struct {
    pthread_cond_t cond; /* a semaphore right behind it must not be taken for its second group */
    sem_t sem;
} pair = {.cond = PTHREAD_COND_INITIALIZER};
static pthread_rwlock_t written = PTHREAD_RWLOCK_INITIALIZER, read_by = PTHREAD_RWLOCK_INITIALIZER;
static pthread_rwlock_t writers_first;
static pthread_barrier_t barrier;
static pthread_t joinee;
static uint32_t bare, rustic[8] = {2};

#define FAR_S 3600

static struct timespec
far(clockid_t clock)
{
    struct timespec at;

    (void)clock_gettime(clock, &at);
    at.tv_sec += FAR_S;
    return at;
}

static void *
locks_plain(void *arg)
{
    (void)pthread_mutex_lock(&plain);
    return arg;
}

static void *
locks_plain_for_a_time(void *arg)
{
    struct timespec at = far(CLOCK_REALTIME);

    (void)pthread_mutex_timedlock(&plain, &at);
    return arg;
}

static void *
locks_plain_by_a_clock(void *arg)
{
    struct timespec at = far(CLOCK_MONOTONIC);

    (void)pthread_mutex_clocklock(&plain, CLOCK_MONOTONIC, &at);
    return arg;
}

static void *
locks_plain_or_hears(void *arg) /* as libstint does, whose token is the second word */
{
    struct futex_waitv words[] = {
        {2, (uintptr_t)&plain, FUTEX_32 | FUTEX_PRIVATE_FLAG, 0},
        {0, (uintptr_t)&bare,  FUTEX_32 | FUTEX_PRIVATE_FLAG, 0}
    };
    struct timespec at = far(CLOCK_MONOTONIC);

    __atomic_store_n((uint32_t *)(void *)&plain, 2, __ATOMIC_SEQ_CST);
    (void)syscall(SYS_futex_waitv, words, 2, 0, &at, CLOCK_MONOTONIC);
    return arg;
}

static void *
locks_recursive(void *arg)
{
    (void)pthread_mutex_lock(&recursive);
    return arg;
}

static void *
locks_robust(void *arg)
{
    (void)pthread_mutex_lock(&robust);
    return arg;
}

static void *
locks_inherit(void *arg)
{
    (void)pthread_mutex_lock(&inherit);
    return arg;
}

static void *
locks_c11(void *arg)
{
    (void)mtx_lock(&c11);
    return arg;
}

static void *
locks_its_own(void *arg)
{
    (void)pthread_mutex_lock(&own);
    (void)pthread_mutex_lock(&own);
    return arg;
}

static void *
locks_the_stream(void *arg)
{
    flockfile(stderr);
    return arg;
}

static void *
leaves_with_the_lock(void *arg)
{
    (void)pthread_mutex_lock(&orphan);
    return arg;
}

static void *
locks_the_orphan(void *arg)
{
    (void)pthread_mutex_lock(&orphan);
    return arg;
}

static void *
waits(void *arg)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

    (void)pthread_mutex_lock(&m);
    for (;;)
        (void)pthread_cond_wait(&never, &m);
    return arg;
}

static void *
waits_for_a_time(void *arg)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    struct timespec at = far(CLOCK_MONOTONIC);

    (void)pthread_mutex_lock(&m);
    (void)pthread_cond_timedwait(&monotonic, &m, &at);
    return arg;
}

static void *
waits_beside_a_semaphore(void *arg)
{
    (void)pthread_mutex_lock(&inner);
    for (;;)
        (void)pthread_cond_wait(&pair.cond, &inner);
    return arg;
}

static void *
takes(void *arg)
{
    (void)sem_wait(&pair.sem);
    return arg;
}

static void *
reads(void *arg)
{
    (void)pthread_rwlock_rdlock(&written);
    return arg;
}

static void *
writes(void *arg)
{
    (void)pthread_rwlock_wrlock(&written);
    return arg;
}

static void *
writes_after_readers(void *arg)
{
    (void)pthread_rwlock_wrlock(&read_by);
    return arg;
}

static void *
writes_first(void *arg)
{
    (void)pthread_rwlock_wrlock(&writers_first);
    return arg;
}

static void *
reads_after_a_writer(void *arg)
{
    while (!stage->go)
        (void)sched_yield();
    (void)pthread_rwlock_rdlock(&writers_first);
    return arg;
}

static void *
meets(void *arg)
{
    (void)pthread_barrier_wait(&barrier);
    return arg;
}

static void *
joins(void *arg)
{
    (void)pthread_join(joinee, NULL);
    return arg;
}

static void *
naps(void *arg)
{
    rest();
    return arg;
}

static void *
futex_bare(void *arg)
{
    (void)syscall(SYS_futex, &bare, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return arg;
}

/* As another language's runtime does: same word and value as a mutex, and not one. */
static void *
futex_of_another(void *arg)
{
    (void)syscall(SYS_futex, rustic, FUTEX_WAIT_BITSET_PRIVATE, 2, NULL, NULL, ~0U);
    return arg;
}

static void *
futex_like_a_mutex(void *arg)
{
    (void)syscall(SYS_futex, rustic, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
    return arg;
}

#define NOBODY UINT32_MAX

static const struct wait {
    void *(*play)(void *);
    enum wait_class wait;
    const void *object;
    unsigned owner; /* role; NOBODY: none is known */
    bool timed;
    const char *note;
} script[] = {
    {naps,                     WAIT_SLEEP,   NULL,           NOBODY, true,  ""                             }, /* 0 is the first thread */
    {naps,                     WAIT_SLEEP,   NULL,           NOBODY, true,  ""                             },
    {locks_plain,              WAIT_MUTEX,   &plain,         0,      false, ""                             },
    {locks_plain_for_a_time,   WAIT_MUTEX,   &plain,         0,      true,  ""                             },
    {locks_plain_by_a_clock,   WAIT_MUTEX,   &plain,         0,      true,  ""                             },
    {locks_plain_or_hears,     WAIT_MUTEX,   &plain,         0,      true,  ""                             },
    {locks_recursive,          WAIT_MUTEX,   &recursive,     0,      false, "recursive, taken 2 times"     },
    {locks_robust,             WAIT_MUTEX,   &robust,        0,      false, "robust"                       },
    {locks_inherit,            WAIT_MUTEX,   &inherit,       0,      false, ""                             },
    {locks_c11,                WAIT_MUTEX,   &c11,           0,      false, ""                             },
    {locks_its_own,            WAIT_MUTEX,   &own,           10,     false, ""                             },
    {locks_the_stream,         WAIT_MUTEX,   NULL,           0,      false, "of a stdio stream"            },
    {waits,                    WAIT_COND,    &never,         NOBODY, false, ""                             },
    {waits,                    WAIT_COND,    &never,         NOBODY, false, ""                             },
    {waits_for_a_time,         WAIT_COND,    &monotonic,     NOBODY, true,  ""                             },
    {waits_beside_a_semaphore, WAIT_COND,    &pair.cond,     NOBODY, false, ""                             },
    {takes,                    WAIT_SEM,     &pair.sem,      NOBODY, false, ""                             },
    {reads,                    WAIT_RWLOCK,  &written,       0,      false, "wants to read"                },
    {writes,                   WAIT_RWLOCK,  &written,       0,      false, "wants to write"               },
    {writes_after_readers,     WAIT_RWLOCK,  &read_by,       NOBODY, false, "wants to write"               },
    {writes_first,             WAIT_RWLOCK,  &writers_first, NOBODY, false, "wants to write, writers first"},
    {reads_after_a_writer,     WAIT_RWLOCK,  &writers_first, NOBODY, false,
     "wants to read, writers first"                                                                        },
    {meets,                    WAIT_BARRIER, &barrier,       NOBODY, false, "2 of 3 are there"             },
    {meets,                    WAIT_BARRIER, &barrier,       NOBODY, false, "2 of 3 are there"             },
    {joins,                    WAIT_JOIN,    NULL,           1,      false, ""                             },
    {futex_bare,               WAIT_FUTEX,   &bare,          NOBODY, false, ""                             },
    {futex_of_another,         WAIT_FUTEX,   rustic,         NOBODY, false, ""                             },
    {futex_like_a_mutex,       WAIT_FUTEX,   rustic,         NOBODY, false, ""                             },
};

static void
mutex_make(pthread_mutex_t *m, int type, bool is_robust, int protocol)
{
    pthread_mutexattr_t a;

    (void)pthread_mutexattr_init(&a);
    (void)pthread_mutexattr_settype(&a, type);
    if (is_robust)
        (void)pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    (void)pthread_mutexattr_setprotocol(&a, protocol);
    (void)pthread_mutex_init(m, &a);
    (void)pthread_mutex_lock(m);
}

static void
set_the_scene(void)
{
    pthread_rwlockattr_t a;
    pthread_condattr_t ca;

    mutex_make(&recursive, PTHREAD_MUTEX_RECURSIVE, false, PTHREAD_PRIO_NONE);
    (void)pthread_mutex_lock(&recursive);
    mutex_make(&robust, PTHREAD_MUTEX_NORMAL, true, PTHREAD_PRIO_NONE);
    mutex_make(&inherit, PTHREAD_MUTEX_NORMAL, false, PTHREAD_PRIO_INHERIT);
    (void)pthread_mutex_lock(&plain);
    (void)mtx_init(&c11, mtx_plain);
    (void)mtx_lock(&c11);
    flockfile(stderr);
    (void)pthread_condattr_init(&ca);
    (void)pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&monotonic, &ca);
    (void)sem_init(&pair.sem, 0, 0);
    (void)pthread_rwlock_wrlock(&written);
    (void)pthread_rwlock_rdlock(&read_by);
    (void)pthread_rwlockattr_init(&a);
    (void)pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlock_init(&writers_first, &a);
    (void)pthread_rwlock_rdlock(&writers_first);
    (void)pthread_barrier_init(&barrier, NULL, 3);
    joinee = start(1, script[1].play);
    while (stage->tids[1] == 0)
        (void)sched_yield();
    for (unsigned i = 2; i < ARRAY_LEN(script); i++)
        (void)start(i, script[i].play);
}

START_TEST(each_lock_is_told_by_its_kind_its_holder_and_its_limit)
{
    const struct wait *w = &script[_i];
    const struct thread_facts *t;

    actor_start(set_the_scene);
    if (w->play == reads_after_a_writer) /* else it is let in before the writer comes */
        (void)await((unsigned)_i - 1, WAIT_RWLOCK);
    stage->go = true;
    t = await_at((unsigned)_i, w->wait, w->object);
    if (w->play == meets) { /* both of them */
        (void)await(script[_i + 1].play == meets ? (unsigned)_i + 1 : (unsigned)_i - 1,
                    WAIT_BARRIER);
        t = player((unsigned)_i);
    }
    ck_assert_ptr_nonnull(t);
    if (w->object)
        ck_assert_uint_eq(t->object, (uint64_t)(uintptr_t)w->object);
    ck_assert_int_eq(t->owner, w->owner == NOBODY ? 0 : stage->tids[w->owner]);
    ck_assert(!t->owner_gone && !t->shared);
    ck_assert_str_eq(t->object_note, w->note);
    if (w->timed) {
        ck_assert_int_gt(t->timeout_us, (FAR_S - 100) * US_PER_S);
        ck_assert_int_le(t->timeout_us, FAR_S * US_PER_S);
    } else {
        ck_assert_int_eq(t->timeout_us, INT64_MAX);
    }
}
END_TEST

static void
a_lock_of_the_dead(void)
{
    (void)pthread_join(start(1, leaves_with_the_lock), NULL);
    (void)start(2, locks_the_orphan);
}

START_TEST(the_holder_of_a_lock_that_ended_is_known_to_be_gone)
{
    const struct thread_facts *t;

    actor_start(a_lock_of_the_dead);
    t = await(2, WAIT_MUTEX);
    ck_assert_int_eq(t->owner, stage->tids[1]);
    ck_assert(t->owner_gone);
    ck_assert_uint_eq(t->object, (uint64_t)(uintptr_t)&orphan);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("capture_locks");
    TCase *t = tcase_create("capture_locks");

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_lock_is_told_by_its_kind_its_holder_and_its_limit, 0,
                        (int)ARRAY_LEN(script));
    tcase_add_test(t, the_holder_of_a_lock_that_ended_is_known_to_be_gone);
    suite_add_tcase(s, t);
    return unit_main(s);
}
