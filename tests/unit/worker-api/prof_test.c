/* SPDX-License-Identifier: MIT */
/* A worker that samples itself: what the ring has, and what is left of it afterwards. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

#define RECORDS 64
#define STRIDE  (sizeof(struct stint_profile_record) + 4096)
#define BYTES   (sizeof(struct stint_profile_header) + RECORDS * STRIDE)

static struct stint_profile_header *ring;
static int ring_fd;
static volatile unsigned long sum;

static void
ring_make(uint32_t count, uint32_t stride, bool sealed)
{
    ring_fd = memfd_create("stint-profile", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_ge(ring_fd, 0);
    ck_assert_int_eq(ftruncate(ring_fd, (off_t)BYTES), 0);
    if (sealed)
        ck_assert_int_eq(fcntl(ring_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    ring = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ring_fd, 0);
    ck_assert_ptr_ne(ring, MAP_FAILED);
    *ring = (struct stint_profile_header){.magic = STINT_PROFILE_MAGIC,
                                          .major = STINT_PROFILE_MAJOR,
                                          .count = count,
                                          .stride = stride};
}

/* The frame, with the ring or without; @sequence 0 as the helper has it. */
static void
ask(const struct master *m, int64_t until_us, uint32_t hz, int fd)
{
    struct {
        struct stint_frame head;
        struct stint_profile_frame body;
    } frame = {
        {STINT_FRAME_PROFILE, 0, sizeof(frame.body), 0},
        {until_us,                   hz,             0          }
    };
    struct iovec part = {&frame, sizeof(frame)};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {.bytes = {0}};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd >= 0) {
        struct cmsghdr *c;

        msg.msg_control = &control;
        msg.msg_controllen = sizeof(control);
        c = CMSG_FIRSTHDR(&msg);
        ck_assert_ptr_nonnull(c);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    ck_assert_int_eq(sendmsg(m->channel, &msg, MSG_NOSIGNAL), sizeof(frame));
    (void)stint_dispatch();
}

static struct master
begin(void)
{
    struct master m = master_start();

    ck_assert_int_eq(stint_init(NULL), 0);
    master_hello(&m);
    (void)stint_dispatch();
    ring_make(RECORDS, STRIDE, true);
    return m;
}

static struct stint_profile_record *
record_at(unsigned i)
{
    return (void *)((unsigned char *)(ring + 1) + i * STRIDE);
}

static unsigned
full(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < RECORDS; i++)
        n += __atomic_load_n(&record_at(i)->state, __ATOMIC_ACQUIRE) == STINT_PROFILE_FULL;
    return n;
}

__attribute__((noinline)) static void
burn_until(unsigned records)
{
    int64_t until_us = soon();

    while (full() < records) {
        for (unsigned i = 0; i < 100000; i++)
            sum = sum * 31 + i;
        ck_assert_msg(stint_now_us() < until_us, "%u samples of %u", full(), records);
    }
}

START_TEST(a_sample_has_registers_stack_and_who_it_was)
{
    struct master m = begin();
    struct stint_profile_record *r = record_at(0);

    ask(&m, stint_now_us() + 60000000, 200, ring_fd);
    ck_assert_uint_eq(ring->state, STINT_PROFILE_RUNS);
    ck_assert_uint_ge(ring->threads, 1);
    burn_until(3);
    ck_assert_uint_eq(r->tid, (uint32_t)gettid());
    ck_assert_uint_ne(r->registers[STINT_PROFILE_PC], 0);
    ck_assert_uint_le(r->stack_at, r->registers[STINT_PROFILE_SP]);
    ck_assert_uint_gt(r->stack_n, 0);
    ck_assert_uint_le(r->stack_n, 4096);
    ck_assert_uint_eq(r->flags, STINT_PROFILE_REGISTERED);
    ck_assert_str_eq(r->name, "main");
    ck_assert_int_gt(r->at_us, 0);
    ask(&m, 0, 0, -1);
    master_cancel(&m, STINT_CAUSE_STOPPED, "all frames of the count are heard", STINT_NEVER);
    (void)stint_dispatch();
    ck_assert(stint_token_cancelled(stint_root()));
}
END_TEST

START_TEST(nothing_is_noted_after_the_word_to_stop)
{
    struct master m = begin();
    unsigned before;

    ask(&m, stint_now_us() + 60000000, 200, ring_fd);
    burn_until(2);
    ask(&m, 0, 0, -1);
    before = full();
    for (unsigned i = 0; i < 50000000; i++)
        sum += i;
    ck_assert_uint_eq(full(), before);
    ask(&m, stint_now_us() + 60000000, 200, ring_fd); /* and it can begin again */
    burn_until(before + 2);
    ask(&m, 0, 0, -1);
}
END_TEST

/* Who asked may die: then the time says so. */
START_TEST(it_ends_by_its_time_without_anybody)
{
    struct master m = begin();
    int64_t until_us = stint_now_us() + 300000;
    char line[256];
    FILE *timers;

    ask(&m, until_us, 200, ring_fd);
    while (stint_now_us() < until_us + 200000)
        sum++;
    for (unsigned i = 0; i < RECORDS; i++)
        if (record_at(i)->state == STINT_PROFILE_FULL)
            ck_assert_int_lt(record_at(i)->at_us, until_us);
    (void)stint_dispatch(); /* the next time that it hears anything it clears away */
    timers = fopen("/proc/self/timers", "re");
    ck_assert_ptr_nonnull(timers);
    ck_assert_ptr_null(fgets(line, sizeof(line), timers));
    (void)fclose(timers);
}
END_TEST

/* … and who looked, and does not any more, is gone before that. */
START_TEST(it_ends_when_nobody_looks_any_more)
{
    struct master m = begin();
    int64_t since_us = stint_now_us();
    unsigned before;
    char line[256];
    FILE *timers;

    ring->alive_us = since_us;
    ask(&m, since_us + 600000000, 200, ring_fd);
    burn_until(2); /* he is patient */
    ring->alive_us = stint_now_us() - STINT_PROFILE_PATIENCE - 1;
    for (unsigned i = 0; i < 50000000; i++)
        sum += i;
    before = full();
    for (unsigned i = 0; i < 50000000; i++)
        sum += i;
    ck_assert_uint_eq(full(), before);
    since_us = stint_now_us();
    while (stint_now_us() < since_us + 200000)
        sum++;
    (void)stint_dispatch();
    timers = fopen("/proc/self/timers", "re");
    ck_assert_ptr_nonnull(timers);
    ck_assert_ptr_null(fgets(line, sizeof(line), timers));
    (void)fclose(timers);
}
END_TEST

static void
theirs(int signo)
{
    (void)signo;
}

START_TEST(a_program_with_a_profiler_of_its_own_is_left_alone)
{
    struct master m = begin();
    struct sigaction now;

    ck_assert(signal(SIGPROF, theirs) != SIG_ERR);
    ask(&m, stint_now_us() + 60000000, 200, ring_fd);
    ck_assert_uint_eq(ring->state, STINT_PROFILE_FAILED);
    ck_assert_int_eq(ring->error, -EBUSY);
    ck_assert_int_eq(sigaction(SIGPROF, NULL, &now), 0);
    ck_assert(now.sa_handler == theirs);
}
END_TEST

START_TEST(a_ring_that_cannot_be_used_is_none)
{
    static const struct {
        uint32_t count, stride;
        bool sealed;
    } bad[] = {
        {RECORDS,     STRIDE,                                  false},
        {0,           STRIDE,                                  true },
        {RECORDS,     sizeof(struct stint_profile_record) - 8, true },
        {RECORDS,     STRIDE - 1,                              true },
        {RECORDS + 1, STRIDE,                                  true },
        {UINT32_MAX,  UINT32_MAX & ~7U,                        true },
    };
    struct master m = begin();

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ring_make(bad[i].count, bad[i].stride, bad[i].sealed);
        ask(&m, stint_now_us() + 60000000, 200, ring_fd);
        ck_assert_uint_eq(ring->state, STINT_PROFILE_ASKED);
        ck_assert_uint_eq(ring->next, 0);
    }
    ring_make(RECORDS, STRIDE, true);
    ask(&m, stint_now_us() + 60000000, STINT_PROFILE_HZ_MAX + 1, ring_fd);
    ck_assert_int_eq(ring->error, -EINVAL);
    ask(&m, stint_now_us() + 60000000, 200, STDIN_FILENO); /* no ring at all */
}
END_TEST

/* Without a timer, and without writing into its parent's ring; and the parent goes on. */
START_TEST(a_forked_child_is_not_sampled)
{
    struct master m = begin();
    int status;
    pid_t pid;

    ask(&m, stint_now_us() + 60000000, 200, ring_fd);
    burn_until(1);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        for (unsigned i = 0; i < 50000000; i++)
            sum += i;
        for (unsigned i = 0; i < RECORDS; i++)
            if (record_at(i)->state == STINT_PROFILE_FULL &&
                record_at(i)->tid == (uint32_t)getpid())
                _exit(1);
        _exit(stint_thread_adopt(NULL, "child") == -EBUSY ? 0 : 2);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    burn_until(full() + 2);
    ask(&m, 0, 0, -1);
}
END_TEST

static void
short_one(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 20000000; i++)
        sum += i;
}

START_TEST(a_thread_that_begins_meanwhile_is_sampled_and_its_timer_ends_with_it)
{
    struct master m = begin();
    unsigned met = 0;

    ask(&m, stint_now_us() + 60000000, 200, ring_fd);
    for (int round = 0; round < 200 && met == 0; round++) {
        struct stint_thread *thread;

        ck_assert_int_eq(stint_thread_spawn(&thread, NULL, "short", short_one, NULL), 0);
        ck_assert_int_eq(stint_thread_join(thread, NULL, STINT_NEVER), 0);
        for (unsigned i = 0; i < RECORDS; i++)
            met += record_at(i)->state == STINT_PROFILE_FULL &&
                   strcmp(record_at(i)->name, "short") == 0;
    }
    ck_assert_uint_gt(met, 0);
    ask(&m, 0, 0, -1);
}
END_TEST

START_TEST(a_full_ring_loses_and_counts)
{
    struct master m = begin();
    int64_t until_us;

    ask(&m, stint_now_us() + 60000000, STINT_PROFILE_HZ_MAX, ring_fd);
    burn_until(RECORDS);
    until_us = soon();
    while (__atomic_load_n(&ring->lost, __ATOMIC_RELAXED) == 0) {
        ck_assert_int_lt(stint_now_us(), until_us);
        sum++;
    }
    ask(&m, 0, 0, -1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("prof");
    TCase *all = tcase_create("all");

    tcase_set_timeout(all, 60);
    tcase_add_test(all, a_sample_has_registers_stack_and_who_it_was);
    tcase_add_test(all, nothing_is_noted_after_the_word_to_stop);
    tcase_add_test(all, it_ends_by_its_time_without_anybody);
    tcase_add_test(all, it_ends_when_nobody_looks_any_more);
    tcase_add_test(all, a_program_with_a_profiler_of_its_own_is_left_alone);
    tcase_add_test(all, a_ring_that_cannot_be_used_is_none);
    tcase_add_test(all, a_forked_child_is_not_sampled);
    tcase_add_test(all, a_thread_that_begins_meanwhile_is_sampled_and_its_timer_ends_with_it);
    tcase_add_test(all, a_full_ring_loses_and_counts);
    suite_add_tcase(suite, all);
    return unit_main(suite);
}
