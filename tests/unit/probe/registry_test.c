/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/units.h"
#include "tests/unit/unit.h"

/* A worker's view of its registry. */
static struct stint_registry_header *header;
static struct stint_registry_slot *slots;
static int registry;

static void
setup(void)
{
    struct error err;

    ck_assert_int_eq(registry_create(&registry, &err), 0);
    header = mmap(NULL, STINT_REGISTRY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, registry, 0);
    ck_assert_ptr_ne(header, MAP_FAILED);
    slots = (struct stint_registry_slot *)(header + 1);
    *header = (struct stint_registry_header){.magic = STINT_REGISTRY_MAGIC,
                                             .major = STINT_REGISTRY_MAJOR,
                                             .slot_size = sizeof(*slots),
                                             .slots = STINT_REGISTRY_SLOTS};
}

static void
teardown(void)
{
    ck_assert_int_eq(munmap(header, STINT_REGISTRY_BYTES), 0);
    ck_assert_int_eq(close(registry), 0);
}

static void
live(size_t i, const char *name)
{
    slots[i].state = STINT_SLOT_LIVE;
    slots[i].tid = (uint32_t)(1000 + i);
    (void)snprintf(slots[i].name, sizeof(slots[i].name), "%s", name);
}

static void
read_fails(int code, const char *word)
{
    struct registry_view v;
    struct error err = {0};

    ck_assert_int_eq(registry_read(registry, &v, &err), code);
    ck_assert_msg(strstr(err.text, word) != NULL, "'%s' does not say '%s'", err.text, word);
}

START_TEST(its_size_is_sealed_and_it_is_closed_on_exec)
{
    struct stat st;

    ck_assert_int_eq(fstat(registry, &st), 0);
    ck_assert_int_eq(st.st_size, STINT_REGISTRY_BYTES);
    ck_assert_int_eq(ftruncate(registry, 0), -1);
    ck_assert_int_eq(ftruncate(registry, (off_t)STINT_REGISTRY_BYTES * 2), -1);
    ck_assert_int_eq(fcntl(registry, F_ADD_SEALS, F_SEAL_WRITE), -1);
    ck_assert_int_ne(fcntl(registry, F_GETFD) & FD_CLOEXEC, 0);
}
END_TEST

START_TEST(a_registry_nobody_wrote_is_no_data)
{
    header->magic = 0;
    read_fails(-ENODATA, "has not written");
}
END_TEST

START_TEST(live_threads_are_read_and_the_others_counted)
{
    struct registry_view v;

    header->overflow = 3;
    live(0, "main");
    live(7, "flush-2");
    slots[7].line = 88;
    slots[7].cancelled_us = 5;
    strcpy(slots[7].file, "cache.c");
    slots[8].state = STINT_SLOT_DONE;
    slots[9].state = STINT_SLOT_LIVE;
    slots[9].seq = 3; /* its writer died in the middle of it */
    ck_assert_int_eq(registry_read(registry, &v, NULL), 0);
    ck_assert_uint_eq(v.n, 2);
    ck_assert_str_eq(v.threads[0].name, "main");
    ck_assert_str_eq(v.threads[1].name, "flush-2");
    ck_assert_str_eq(v.threads[1].file, "cache.c");
    ck_assert_uint_eq(v.threads[1].line, 88);
    ck_assert_int_eq(v.threads[1].cancelled_us, 5);
    ck_assert_int_eq(v.threads[1].tid, 1007);
    ck_assert_uint_eq(v.slots, STINT_REGISTRY_SLOTS);
    ck_assert_uint_eq(v.done, 1);
    ck_assert_uint_eq(v.torn, 1);
    ck_assert_uint_eq(v.overflow, 3);
    registry_view_finish(&v);
}
END_TEST

START_TEST(a_header_that_lies_is_refused)
{
    header->magic++;
    read_fails(-EPROTO, "magic");
    header->magic--;
    header->major++;
    read_fails(-EPROTO, "version 2");
    header->major--;
    header->slot_size = 8;
    read_fails(-EPROTO, "8 bytes make no sense");
    header->slot_size = sizeof(*slots) + 4;
    read_fails(-EPROTO, "make no sense");
    header->slot_size = UINT32_MAX - 7;
    read_fails(-EPROTO, "more than fit");
    header->slot_size = sizeof(*slots);
    header->slots = STINT_REGISTRY_SLOTS + 1;
    read_fails(-EPROTO, "more than fit");
    header->slots = UINT32_MAX;
    read_fails(-EPROTO, "more than fit");
}
END_TEST

START_TEST(a_later_minor_version_with_larger_slots_is_read)
{
    struct registry_view v;

    header->minor = 9;
    header->slot_size = sizeof(*slots) + 64;
    header->slots = 4;
    struct stint_registry_slot *second = (void *)((char *)slots + header->slot_size);

    second->state = STINT_SLOT_LIVE;
    second->tid = 77;
    ck_assert_int_eq(registry_read(registry, &v, NULL), 0);
    ck_assert_uint_eq(v.n, 1);
    ck_assert_int_eq(v.threads[0].tid, 77);
    registry_view_finish(&v);
}
END_TEST

START_TEST(hostile_text_and_numbers_become_harmless)
{
    struct registry_view v;

    live(0, "a\033[2Jb\n\177\302\233");
    memset(slots[0].file, 'x', sizeof(slots[0].file)); /* no NUL in it */
    strcpy(slots[0].function, "gr\303\274n\377\300\257\355\240\200");
    slots[0].tid = UINT32_MAX;
    slots[0].started_us = UINT64_MAX;
    ck_assert_int_eq(registry_read(registry, &v, NULL), 0);
    ck_assert_str_eq(v.threads[0].name, "a?[2Jb??\?\?");
    ck_assert_uint_eq(strlen(v.threads[0].file), sizeof(slots[0].file) - 1);
    ck_assert_str_eq(v.threads[0].function, "gr\303\274n??????");
    ck_assert_int_eq(v.threads[0].tid, 0);
    ck_assert_int_eq(v.threads[0].started_us, INT64_MAX);
    registry_view_finish(&v);
}
END_TEST

static atomic_bool enough;

/* Writes one slot as fast as it can: name and token always say the same. */
static void *
writer(void *arg)
{
    struct stint_registry_slot *s = arg;
    _Atomic uint32_t *seq = (_Atomic uint32_t *)&s->seq;

    for (uint32_t i = 0; !atomic_load(&enough); i++) {
        atomic_fetch_add(seq, 1);
        memset(s->name, 'a' + (int)(i % 26), 20);
        memset(s->token, 'a' + (int)(i % 26), 20);
        atomic_fetch_add(seq, 1);
    }
    return NULL;
}

START_TEST(a_slot_that_changes_all_the_time_is_whole_or_torn_never_mixed)
{
    pthread_t thread;
    unsigned torn = 0, whole = 0;

    live(3, "");
    ck_assert_int_eq(pthread_create(&thread, NULL, writer, &slots[3]), 0);
    int64_t until_us = mono_now_us() + 500 * US_PER_MS;

    while (mono_now_us() < until_us) {
        struct registry_view v;

        ck_assert_int_eq(registry_read(registry, &v, NULL), 0);
        ck_assert_uint_eq(v.n + v.torn, 1);
        if (v.n == 1)
            ck_assert_str_eq(v.threads[0].name, v.threads[0].token);
        whole += (unsigned)v.n;
        torn += v.torn;
        registry_view_finish(&v);
    }
    atomic_store(&enough, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_gt(whole + torn, 0);
}
END_TEST

START_TEST(what_is_no_registry_is_refused)
{
    struct registry_view v;
    struct error err;
    auto_fd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    auto_fd int small = memfd_create("small", MFD_CLOEXEC);

    ck_assert_int_eq(registry_read(null, &v, &err), -EPROTO);
    ck_assert_int_eq(registry_read(small, &v, &err), -EPROTO);
    ck_assert_int_eq(registry_read(-1, &v, &err), -EBADF);
}
END_TEST

START_TEST(random_bytes_never_do_harm)
{
    static unsigned char bytes[64 << 10];
    struct registry_view v;

    srand(7);
    for (int round = 0; round < 300; round++) {
        struct stint_registry_header h = *header;

        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (unsigned char)rand();
        h.slots = (uint32_t)(rand() % 120);
        h.slot_size += (uint32_t)(rand() % 4) * 8;
        memcpy(bytes, &h, sizeof(h));
        for (uint32_t i = 0; i < 60; i++) { /* make some of them live */
            size_t at = sizeof(h) + (size_t)i * h.slot_size;
            uint32_t head[2] = {(uint32_t)rand() % 3, STINT_SLOT_LIVE};

            if (at + sizeof(head) <= sizeof(bytes))
                memcpy(bytes + at, head, sizeof(head));
        }
        size_t n = (size_t)(rand() % (int)sizeof(bytes));

        if (registry_parse(bytes, n, &v, NULL) == 0)
            registry_view_finish(&v);
    }
}
END_TEST

START_TEST(what_was_served_is_known_from_those_that_count_and_from_no_other)
{
    uint64_t served = 7;

    header->minor = STINT_REGISTRY_MINOR_SERVED;
    header->served = UINT64_C(1) << 40;
    ck_assert_int_eq(registry_served(registry, &served), 0);
    ck_assert(served == UINT64_C(1) << 40);
    header->minor = 0; /* an older libstint: what lies there means nothing */
    ck_assert_int_eq(registry_served(registry, &served), -EOPNOTSUPP);
    header->major = STINT_REGISTRY_MAJOR + 1;
    ck_assert_int_eq(registry_served(registry, &served), -EPROTO);
    header->magic = 0;
    ck_assert_int_eq(registry_served(registry, &served), -ENODATA);
    ck_assert_int_eq(registry_served(-1, &served), -EBADF);
    ck_assert(served == UINT64_C(1) << 40);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("registry");
    TCase *t = tcase_create("registry");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, its_size_is_sealed_and_it_is_closed_on_exec);
    tcase_add_test(t, a_registry_nobody_wrote_is_no_data);
    tcase_add_test(t, live_threads_are_read_and_the_others_counted);
    tcase_add_test(t, a_header_that_lies_is_refused);
    tcase_add_test(t, a_later_minor_version_with_larger_slots_is_read);
    tcase_add_test(t, hostile_text_and_numbers_become_harmless);
    tcase_add_test(t, a_slot_that_changes_all_the_time_is_whole_or_torn_never_mixed);
    tcase_add_test(t, what_is_no_registry_is_refused);
    tcase_add_test(t, what_was_served_is_known_from_those_that_count_and_from_no_other);
    tcase_add_test(t, random_bytes_never_do_harm);
    suite_add_tcase(s, t);
    return unit_main(s);
}
