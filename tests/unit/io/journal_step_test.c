/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process may be killed between any two instructions. Here one goes through queue and ring one
 * instruction at a time, and after each of them another one looks at what it would inherit.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/io/journal_queue.h"
#include "supervisor/io/journal_ring.h"
#include "tests/unit/unit.h"

#define ROOM    100 /* of both: some records, so that they go around */
#define SLOTS   4
#define RECORDS 14
#define STEPS   20000000 /* far more than it takes: a child that runs away */

struct memory {
    struct journal_queue_shared queue;
    struct journal_ring_shared ring;
    struct journal_slot slots[SLOTS];
    shared_u64 said, delivered; /* records: put for sure, handed to the reader */
    char queue_data[ROOM], ring_data[ROOM];
};

static struct memory *memory;

static void
set_up(void)
{
    memory = mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
}

static void
tear_down(void)
{
    munmap(memory, sizeof(*memory));
}

static size_t
word(uint64_t number, char buf[32])
{
    return (size_t)snprintf(buf, 32, "%0*d", (int)(3 + number % 11), (int)number);
}

static int
attach_ring(struct journal_ring *r)
{
    return journal_ring_attach(r, &(struct journal_ring_area){.shared = &memory->ring,
                                                              .slots = memory->slots,
                                                              .data = memory->ring_data,
                                                              .bytes = ROOM,
                                                              .lines = SLOTS});
}

/* What the reader is given: the first record, in one write or in two. */
static void
deliver(struct journal_queue *q)
{
    struct queue_item item;

    if (!journal_queue_item(q, q->begin, &item))
        _exit(1);
    journal_queue_try(q, item.end);
    if (shared_load(&memory->delivered) % 2) {
        journal_queue_done(q, item.at + 1);
        journal_queue_try(q, item.end);
    }
    shared_store(&memory->delivered, shared_load(&memory->delivered) + 1);
    journal_queue_done(q, item.end);
}

static _Noreturn void
write_records(void)
{
    struct journal_queue q;
    struct journal_ring r;
    uint64_t doubt;
    char buf[32];

    if (journal_queue_attach(&q, &memory->queue, memory->queue_data, ROOM, &doubt) < 0 ||
        attach_ring(&r) < 0)
        _exit(1);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1)
        _exit(2);
    (void)raise(SIGSTOP);
    for (uint64_t i = 1; i <= RECORDS; i++) {
        const struct journal_slot slot = {.seq = i};
        size_t n = word(i, buf);

        while (!journal_queue_fits(&q, n))
            deliver(&q);
        if (!journal_ring_add(&r, &slot, "web", buf, n))
            _exit(1);
        journal_queue_put(&q, QUEUE_TEXT, 0, buf, n);
        shared_store(&memory->said, i);
    }
    _exit(0);
}

static void
check_queue(void)
{
    uint64_t said = shared_load(&memory->said), delivered = shared_load(&memory->delivered);
    uint64_t doubt, first = 0, number = 0;
    struct journal_queue q;
    struct queue_item item;
    char want[32], buf[32];

    ck_assert_int_eq(journal_queue_attach(&q, &memory->queue, memory->queue_data, ROOM, &doubt), 0);
    for (uint64_t at = q.begin; journal_queue_item(&q, at, &item); at = item.end) {
        struct iovec part[2] = {0};
        size_t n;

        journal_queue_parts(&q, item.at, item.end, part);
        ck_assert_uint_lt(item.bytes, sizeof(buf));
        memcpy(buf, part[0].iov_base, part[0].iov_len);
        memcpy(buf + part[0].iov_len, part[1].iov_base, part[1].iov_len);
        buf[item.bytes] = '\0';
        number = first ? number + 1 : strtoull(buf, NULL, 10);
        first = first ? first : number;
        n = word(number, want);
        ck_assert_uint_eq(item.bytes, n);
        ck_assert_str_eq(buf, want);
    }
    if (number == 0) { /* nothing waits: all of it was delivered */
        ck_assert_uint_eq(said, delivered);
        return;
    }
    ck_assert_uint_ge(number, said);
    ck_assert_uint_le(number, said + 1);
    ck_assert_uint_le(first, delivered + 1); /* what was not delivered is there */
    if (first <= delivered) /* and what was, and is there, is known to be in doubt */
        ck_assert_uint_gt(doubt, q.done);
}

/* Most instructions change nothing that is inherited. */
static bool
same_as_before(void)
{
    static char before[sizeof(struct memory)];
    const char *now = (const void *)memory;
    bool same = memcmp(before, now, sizeof(before)) == 0;

    memcpy(before, now, sizeof(before));
    return same;
}

static void
check_ring(void)
{
    uint64_t said = shared_load(&memory->said), seq = 0;
    struct journal_ring r;
    char want[32];

    ck_assert_int_eq(attach_ring(&r), 0);
    for (unsigned i = 0; i < r.n; i++) {
        const struct journal_slot *s = journal_ring_at(&r, i);

        ck_assert(i == 0 || s->seq == seq + 1);
        seq = s->seq;
        word(seq, want);
        ck_assert_str_eq(journal_ring_json(&r, s), want);
    }
    if (said > 0 && r.n > 0)
        ck_assert(seq == said || seq == said + 1);
    journal_ring_finish(&r);
}

START_TEST(whatever_the_instant_what_is_inherited_is_whole)
{
    pid_t pid = fork();
    unsigned long steps = 0, changes = 0;
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        write_records();
    for (;; steps++) {
        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) || steps == STEPS)
            break;
        if (!same_as_before()) {
            changes++;
            check_queue();
            check_ring();
        }
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == -1)
            break;
    }
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ck_assert_uint_eq(shared_load(&memory->said), RECORDS);
    ck_assert_uint_gt(changes, 100); /* it did go step by step */
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("journal_step");
    TCase *tc = tcase_create("steps");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, whatever_the_instant_what_is_inherited_is_whole);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
