/* SPDX-License-Identifier: MIT */
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/worker-api/span_ring.h"

/* The ring that spans are told in: off, full, in use, and with children and many threads around it. */
static void
one_of_each(void)
{
    struct stint_scope *scope = stint_scope_open(NULL, "scope");
    char traceparent[STINT_TRACEPARENT_MAX];

    ck_assert_ptr_null(stint_span_start(NULL, "own", STINT_SPAN_INTERNAL));
    ck_assert_int_eq(stint_span_attribute(NULL, "key", "%s", "value"), 0);
    stint_span_error(NULL, "no");
    ck_assert_int_eq(stint_span_inject(NULL, traceparent, NULL, 0), 1);
    ck_assert_uint_eq(strlen(traceparent), 55);
    stint_span_end(NULL);
    ck_assert_int_eq(stint_task_begin(NULL, "task"), 0);
    stint_task_end();
    ck_assert_int_eq(stint_scope_close(scope, SOON_US, NULL, 0), 0);
}

START_TEST(nothing_is_told_that_nobody_wants)
{
    (void)up(SAMPLED, 0);
    one_of_each();
    ck_assert_uint_eq(begun(), 0);
    __atomic_store_n(&header->spans_wanted, 1,
                     __ATOMIC_RELEASE); /* from now on, in a living process */
    stint_span_end(stint_span_start(NULL, "own", STINT_SPAN_INTERNAL));
    ck_assert_uint_eq(begun(), 1);
    __atomic_store_n(&header->spans_wanted, 0, __ATOMIC_RELEASE);
    one_of_each();
    ck_assert_uint_eq(begun(), 1);
}
END_TEST

START_TEST(nothing_is_told_of_a_trace_that_is_not_sampled)
{
    (void)up("00-" ID "-" PARENT "-00", 1);
    one_of_each();
    ck_assert_uint_eq(begun(), 0);
}
END_TEST

START_TEST(a_registry_of_an_older_supervisor_has_no_room_for_spans)
{
    struct master m = master_start();
    const uint32_t wanted = 1;

    ck_assert_int_eq(pwrite(m.registry, &wanted, sizeof(wanted),
                            offsetof(struct stint_registry_header, spans_wanted)),
                     sizeof(wanted));
    ck_assert_int_eq(setenv("TRACEPARENT", SAMPLED, 1), 0);
    ck_assert_int_eq(stint_init(NULL), 0);
    one_of_each();
}
END_TEST

START_TEST(the_last_ones_are_there_when_the_ring_goes_round)
{
    const uint64_t n = 2 * COUNT + 100;

    (void)up(SAMPLED, 1);
    for (uint64_t i = 0; i < n; i++) {
        struct stint_span *span = stint_span_start(NULL, "round", STINT_SPAN_INTERNAL);

        ck_assert_int_eq(stint_span_attribute(span, "n", "%llu", (unsigned long long)i), 0);
        stint_span_end(span);
    }
    ck_assert_uint_eq(begun(), n);
    for (uint64_t i = 0; i < n; i++) {
        const struct stint_registry_span *span = told(i);

        ck_assert_int_eq(span != NULL, i >= n - COUNT);
        if (span)
            ck_assert_uint_eq(strtoull(span->attributes + 2, NULL, 10), i);
    }
}
END_TEST

START_TEST(an_entry_in_use_is_passed_by)
{
    (void)up(SAMPLED, 1);
    seqs[1] = 1;                   /* somebody who began there long ago and was stopped */
    seqs[2] = 2 * (COUNT + 2) + 2; /* who is a round ahead of us */
    for (int i = 0; i < 4; i++)
        stint_span_end(stint_span_start(NULL, "x", STINT_SPAN_INTERNAL));
    ck_assert_uint_eq(begun(), 4);
    ck_assert_ptr_nonnull(told(0));
    ck_assert_uint_eq(seqs[1], 1);
    ck_assert_uint_eq(seqs[2], 2 * (COUNT + 2) + 2);
    ck_assert_str_eq(ring[1].name, "");
    ck_assert_str_eq(ring[2].name, "");
    ck_assert_ptr_nonnull(told(3));
}
END_TEST

/* By libc, which runs handlers, and by the system call, which does not. */
START_TEST(a_child_writes_nothing_into_its_parents_ring)
{
    int status;
    pid_t pid;

    (void)up(SAMPLED, 1);
    for (int way = 0; way < 2; way++) {
        struct stint_span *span = stint_span_start(NULL, "parent", STINT_SPAN_INTERNAL);

        pid = way == 0 ? fork() : (pid_t)syscall(SYS_fork);
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            stint_span_end(span);
            if (stint_span_start(NULL, "child", STINT_SPAN_INTERNAL))
                _exit(1);
            (void)stint_task_begin(NULL, "child");
            stint_task_end();
            _exit(begun() == (uint64_t)way ? 0 : 2); /* the master's mapping, still shared */
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        stint_span_end(span);
        ck_assert_uint_eq(begun(), (uint64_t)way + 1);
        ck_assert_str_eq(told((uint64_t)way)->name, "parent");
    }
}
END_TEST

#define THREADS 6
#define EACH    20000

static void
spin(void *number)
{
    for (int i = 0; i < EACH; i++) {
        struct stint_span *span = stint_span_start(NULL, number, STINT_SPAN_INTERNAL);

        (void)stint_span_attribute(span, "who", "%s", (const char *)number);
        stint_span_error(span, "%s", (const char *)number);
        stint_span_end(span);
    }
}

/* What a reader finds whole is of one writer, whatever goes round under it. */
START_TEST(many_threads_and_a_reader_never_mix_two_spans)
{
    static char names[THREADS][8];
    struct stint_thread *threads[THREADS];
    uint64_t whole = 0, at = 0;

    (void)up(SAMPLED, 1);
    for (int i = 0; i < THREADS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "t%d", i);
        ck_assert_int_eq(stint_thread_spawn(&threads[i], NULL, names[i], spin, names[i]), 0);
    }
    while (at < (uint64_t)THREADS * EACH) {
        uint64_t end = begun();

        at = end > at + COUNT ? end - COUNT : at;
        for (; at < end; at++) {
            struct stint_registry_span copy;
            const uint64_t *from = (const uint64_t *)(const void *)&ring[at % COUNT];
            uint64_t *to = (uint64_t *)(void *)&copy;

            if (!told(at))
                continue;
            for (size_t i = 0; i < sizeof(copy) / sizeof(*to); i++)
                to[i] = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE);
            if (!told(at))
                continue; /* overtaken meanwhile */
            whole++;
            ck_assert_str_eq(copy.thread, copy.name);
            if (copy.of == STINT_SPAN_OF_THREAD)
                continue;
            ck_assert_str_eq(copy.text, copy.name);
            ck_assert_str_eq(copy.attributes + 4, copy.name);
        }
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(stint_thread_join(threads[i], NULL, soon()), 0);
    ck_assert_uint_gt(whole, COUNT);
    ck_assert_uint_eq(begun(), (uint64_t)THREADS * (EACH + 1)); /* and the threads themselves */
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("span_ring");
    TCase *t = tcase_create("span_ring");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, nothing_is_told_that_nobody_wants);
    tcase_add_test(t, nothing_is_told_of_a_trace_that_is_not_sampled);
    tcase_add_test(t, a_registry_of_an_older_supervisor_has_no_room_for_spans);
    tcase_add_test(t, the_last_ones_are_there_when_the_ring_goes_round);
    tcase_add_test(t, an_entry_in_use_is_passed_by);
    tcase_add_test(t, a_child_writes_nothing_into_its_parents_ring);
    tcase_add_test(t, many_threads_and_a_reader_never_mix_two_spans);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
