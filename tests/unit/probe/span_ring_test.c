/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/span_ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "supervisor/probe/registry.h"
#include "tests/unit/probe/registry_tables.h"
#include "tests/unit/unit.h"

/* The ring of spans, as honest, torn and hostile workers write it. */
#define COUNT STINT_REGISTRY_SPANS

static int registry;
static struct stint_registry_header *header;
static uint64_t *seqs;
static struct stint_registry_span *ring;
static struct stint_registry_span got[COUNT + 1];
static struct span_ring_at at;
static struct span_ring_look look;

static void
setup(void)
{
    struct error err;
    char *map;

    ck_assert_int_eq(registry_create_spans(&registry, &err), 0);
    map = mmap(NULL, STINT_REGISTRY_WITH_SPANS, PROT_READ | PROT_WRITE, MAP_SHARED, registry, 0);
    ck_assert(map != MAP_FAILED);
    header = (struct stint_registry_header *)(void *)map;
    ck_assert_uint_eq(header->spans_wanted, 1);
    fixture_header(header);
    header->span_seqs = (struct stint_registry_table){STINT_REGISTRY_SPANS_AT, 8, COUNT, 0};
    header->spans = (struct stint_registry_table){STINT_REGISTRY_SPANS_AT + sizeof(*seqs) * COUNT,
                                                  sizeof(*ring), COUNT, 0};
    header->magic = STINT_REGISTRY_MAGIC;
    seqs = (uint64_t *)(void *)(map + header->span_seqs.offset);
    ring = (struct stint_registry_span *)(void *)(map + header->spans.offset);
    at = (struct span_ring_at){0};
}

static void
teardown(void)
{
    ck_assert_int_eq(munmap(header, STINT_REGISTRY_WITH_SPANS), 0);
    close(registry);
}

/* Ticket @n, finished. */
static void
finish(uint64_t n)
{
    (void)snprintf(ring[n % COUNT].name, sizeof(ring->name), "%llu", (unsigned long long)n);
    seqs[n % COUNT] = n * 2 + 2;
}

static void
draw(uint64_t up_to)
{
    header->spans_begun = up_to;
}

static size_t
take(bool dead, size_t room)
{
    ck_assert_int_eq(span_ring_look(registry, &at, dead, got, room, &look), 0);
    return look.n;
}

static void
check_named(size_t i, uint64_t n)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "%llu", (unsigned long long)n);
    ck_assert_str_eq(got[i].name, name);
}

START_TEST(each_is_read_once_in_order_in_pieces)
{
    ck_assert_uint_eq(take(false, COUNT), 0);
    for (uint64_t i = 0; i < 500; i++)
        finish(i);
    draw(500);
    ck_assert_uint_eq(take(false, 300), 300);
    ck_assert(look.more);
    check_named(0, 0);
    check_named(299, 299);
    ck_assert_uint_eq(take(false, 300), 200);
    ck_assert(!look.more);
    check_named(0, 300);
    check_named(199, 499);
    ck_assert_uint_eq(take(false, 300), 0);
    ck_assert_uint_eq(look.lost, 0);
}
END_TEST

START_TEST(what_was_overwritten_is_counted)
{
    const uint64_t n = 3 * COUNT + 7;

    for (uint64_t i = 0; i < n; i++)
        finish(i);
    draw(n);
    ck_assert_uint_eq(take(false, COUNT + 1), COUNT);
    ck_assert_uint_eq(look.lost, n - COUNT);
    check_named(0, n - COUNT);
    check_named(COUNT - 1, n - 1);
}
END_TEST

START_TEST(one_that_is_being_written_is_waited_for_once)
{
    finish(0);
    seqs[1] = 3; /* ticket 1, begun */
    finish(2);
    draw(3);
    ck_assert_uint_eq(take(false, COUNT), 1);
    ck_assert_uint_eq(look.lost, 0);
    finish(1);
    ck_assert_uint_eq(take(false, COUNT), 2);
    check_named(0, 1);
    check_named(1, 2);
    seqs[3] = 7; /* never finished */
    finish(4);
    draw(5);
    ck_assert_uint_eq(take(false, COUNT), 0);
    finish(5);
    draw(6);
    ck_assert_uint_eq(take(false, COUNT), 2);
    ck_assert_uint_eq(look.lost, 1);
    check_named(0, 4);
    check_named(1, 5);
}
END_TEST

START_TEST(of_a_dead_worker_nothing_is_waited_for)
{
    seqs[0] = 1;
    draw(4);
    finish(2);
    ck_assert_uint_eq(take(true, COUNT), 1);
    ck_assert_uint_eq(look.lost, 3);
    check_named(0, 2);
}
END_TEST

START_TEST(another_reader_begins_where_it_was_told)
{
    struct span_ring_at other;

    for (uint64_t i = 0; i < 10; i++)
        finish(i);
    draw(10);
    ck_assert_uint_eq(take(false, 4), 4);
    span_ring_taken(registry, &at);
    span_ring_resume(registry, &other);
    ck_assert_uint_eq(other.next, 4);
    header->spans_taken = 11; /* which is not possible */
    span_ring_resume(registry, &other);
    ck_assert_uint_eq(other.next, 0);
}
END_TEST

START_TEST(it_is_switched_by_a_word_and_only_where_there_is_room)
{
    struct error err;
    int small;

    ck_assert_int_eq(span_ring_want(registry, false), 0);
    ck_assert_uint_eq(header->spans_wanted, 0);
    ck_assert_int_eq(span_ring_want(registry, true), 0);
    ck_assert_uint_eq(header->spans_wanted, 1);
    ck_assert(span_ring_fits(registry));
    ck_assert_int_eq(registry_create(&small, &err), 0);
    ck_assert(!span_ring_fits(small));
    ck_assert_int_eq(span_ring_want(small, true), -ENOENT);
    ck_assert_int_eq(span_ring_look(small, &at, false, got, COUNT, &look), -ENODATA);
    close(small);
}
END_TEST

START_TEST(a_header_that_lies_is_refused)
{
    const struct stint_registry_header good = *header;
    struct stint_registry_table *tables[] = {&header->span_seqs, &header->spans};
    static const struct stint_registry_table lies[] = {
        {0xfffffff8,              8,          COUNT,      0},
        {STINT_REGISTRY_SPANS_AT, 0,          COUNT,      0},
        {STINT_REGISTRY_SPANS_AT, 4096,       65536,      0},
        {4,                       8,          COUNT,      0},
        {STINT_REGISTRY_SPANS_AT, 512,        UINT32_MAX, 0},
        {0,                       UINT32_MAX, 1,          0},
        {STINT_REGISTRY_SPANS_AT, 16,         1,          0}
    };

    draw(5);
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
            *tables[t] = lies[i];
            ck_assert_int_eq(span_ring_look(registry, &at, false, got, COUNT, &look), -EPROTO);
            *header = good;
        }
    header->magic = 1;
    ck_assert_int_eq(span_ring_look(registry, &at, false, got, COUNT, &look), -ENODATA);
    ck_assert_uint_eq(look.n, 0);
}
END_TEST

START_TEST(numbers_that_leap_or_go_back_are_begun_anew)
{
    finish(0);
    draw(1);
    ck_assert_uint_eq(take(false, COUNT), 1);
    draw(UINT64_MAX - 3);
    ck_assert_uint_eq(take(false, COUNT), 0);
    ck_assert_uint_eq(look.lost, 1); /* nobody knows how many, and it is told that there were any */
    ck_assert_uint_eq(at.next, UINT64_MAX - 3);
    draw(2);
    ck_assert_uint_eq(take(false, COUNT), 0);
    ck_assert_uint_eq(look.lost, 1);
    ck_assert_uint_eq(at.next, 2);
    finish(2);
    draw(3);
    ck_assert_uint_eq(take(false, COUNT), 1);
    check_named(0, 2);
}
END_TEST

START_TEST(nothing_at_all_is_finished_and_a_look_ends_all_the_same)
{
    memset(seqs, 0xff, COUNT * sizeof(*seqs));
    for (int i = 0; i < 100; i++) {
        draw((uint64_t)(i + 1) * 10 * COUNT);
        (void)take(false, COUNT);
        ck_assert_uint_eq(look.n, 0);
        ck_assert(!look.more);
    }
}
END_TEST

static bool over;

/* Goes round as fast as it can, and writes each entry as libstint does. */
static void *
spin(void *arg)
{
    (void)arg;
    for (uint64_t n = 0; !__atomic_load_n(&over, __ATOMIC_RELAXED); n++) {
        struct stint_registry_span *span = &ring[n % COUNT];

        __atomic_store_n(&header->spans_begun, n + 1, __ATOMIC_RELEASE);
        (void)__atomic_exchange_n(&seqs[n % COUNT], n * 2 + 1, __ATOMIC_SEQ_CST);
        __atomic_store_n(&span->start_ns, (int64_t)n, __ATOMIC_RELEASE);
        __atomic_store_n(&span->end_ns, (int64_t)n, __ATOMIC_RELEASE);
        __atomic_store_n(&span->deadline_us, (int64_t)n, __ATOMIC_RELEASE);
        __atomic_store_n(&seqs[n % COUNT], n * 2 + 2, __ATOMIC_RELEASE);
    }
    return NULL;
}

START_TEST(what_is_read_from_under_a_writer_is_whole_or_lost)
{
    const int64_t until_us = mono_now_us() + 1000000;
    uint64_t whole = 0, last = 0, longest_us = 0, all;
    pthread_t thread;

    over = false;
    ck_assert_int_eq(pthread_create(&thread, NULL, spin, NULL), 0);
    while (mono_now_us() < until_us || whole == 0) {
        int64_t before_us = mono_now_us();
        uint64_t took_us;

        (void)take(false, 256);
        took_us = (uint64_t)(mono_now_us() - before_us);
        longest_us = took_us > longest_us ? took_us : longest_us;
        for (size_t i = 0; i < look.n; i++, whole++) {
            ck_assert_int_eq(got[i].end_ns, got[i].start_ns);
            ck_assert_int_eq(got[i].deadline_us, got[i].start_ns);
            ck_assert(whole == 0 || (uint64_t)got[i].start_ns > last);
            last = (uint64_t)got[i].start_ns;
        }
    }
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    all = header->spans_begun;
    printf("%llu of %llu read whole, a look took at most %llu us\n", (unsigned long long)whole,
           (unsigned long long)all, (unsigned long long)longest_us);
    ck_assert_uint_lt(longest_us, 200000);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("span_ring");
    TCase *t = tcase_create("span_ring");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, each_is_read_once_in_order_in_pieces);
    tcase_add_test(t, what_was_overwritten_is_counted);
    tcase_add_test(t, one_that_is_being_written_is_waited_for_once);
    tcase_add_test(t, of_a_dead_worker_nothing_is_waited_for);
    tcase_add_test(t, another_reader_begins_where_it_was_told);
    tcase_add_test(t, it_is_switched_by_a_word_and_only_where_there_is_room);
    tcase_add_test(t, a_header_that_lies_is_refused);
    tcase_add_test(t, numbers_that_leap_or_go_back_are_begun_anew);
    tcase_add_test(t, nothing_at_all_is_finished_and_a_look_ends_all_the_same);
    tcase_add_test(t, what_is_read_from_under_a_writer_is_whole_or_lost);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
