/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "tests/unit/probe/registry_fixture.h"

START_TEST(scopes_in_a_circle_and_indices_that_lead_nowhere_are_seen_through)
{
    struct registry_view v;

    scope(0, 0, "root");
    scope(1, 2, "a");
    scope(2, 1, "b");
    scope(3, 3, "self");
    scope(4, UINT32_MAX, "lost");
    scope(5, 6, "child of none");
    scope(6, 0, "torn");
    seqs[STINT_REGISTRY_SLOTS + 6] = 1;
    live(0, "x");
    slots[0].scope = 1;
    v = reads();
    ck_assert(v.untrusted);
    ck_assert_ptr_nonnull(strstr(v.scopes[1].path, "/a"));
    ck_assert_str_eq(v.scopes[4].path, "?/lost");
    ck_assert_str_eq(v.scopes[5].path, "?/child of none");
    ck_assert_uint_eq(v.torn_scopes, 1);
    ck_assert_str_eq(v.threads[0].claim.scope, v.scopes[1].path);
    registry_view_finish(&v);
    scopes[1].parent = scopes[3].parent = 0;
    scopes[4].parent = 0;
    v = reads();
    ck_assert(!v.untrusted);
    registry_view_finish(&v);
    slots[0].scope = UINT16_MAX;
    v = reads();
    ck_assert(v.untrusted);
    ck_assert_uint_eq(v.threads[0].claim.scope_index, 0);
    registry_view_finish(&v);
    slots[0].scope = 0;
    slots[0].birth_site = header->sites.used + 1;
    v = reads();
    ck_assert(v.untrusted);
    ck_assert_str_eq(v.threads[0].claim.creator_file, "");
    registry_view_finish(&v);
}
END_TEST

START_TEST(a_header_that_lies_is_refused)
{
    struct stint_registry_table *const tables[] = {&header->seqs, &header->slots, &header->scopes,
                                                   &header->sites};

    header->magic++;
    read_fails(-EPROTO, "magic");
    header->magic--;
    header->major++;
    read_fails(-EPROTO, "version 3");
    header->major--;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        struct stint_registry_table *t = tables[i], kept = *t;
        static const uint32_t strides[] = {0, 1, 6, 260 + 1, 4096 + 4, UINT32_MAX};

        for (size_t j = 0; j < ARRAY_LEN(strides); j++) {
            t->stride = strides[j];
            read_fails(-EPROTO, "make no sense");
        }
        *t = kept;
        t->count = UINT32_MAX;
        read_fails(-EPROTO, "more than fit");
        t->count = 65536;
        t->stride = i == 0 ? 4 : 4096;
        t->offset = (uint32_t)STINT_REGISTRY_BYTES - 4096;
        read_fails(-EPROTO, "more than fit");
        *t = kept;
        t->offset = UINT32_MAX - 3;
        read_fails(-EPROTO, "more than fit");
        t->offset = kept.offset + 1;
        read_fails(-EPROTO, "more than fit");
        *t = kept;
    }
    header->seqs.count = STINT_REGISTRY_SLOTS;
    read_fails(-EPROTO, "too few");
}
END_TEST

START_TEST(more_used_than_there_are_is_cut_and_not_trusted)
{
    struct registry_view v;

    live(3, "x");
    header->slots.used = UINT32_MAX;
    header->scopes.used = UINT32_MAX;
    header->sites.used = UINT32_MAX;
    v = reads();
    ck_assert(v.untrusted);
    ck_assert_uint_eq(v.n, 1);
    ck_assert_uint_eq(v.n_scopes, STINT_REGISTRY_SCOPES);
    registry_view_finish(&v);
}
END_TEST

START_TEST(hostile_text_and_numbers_become_harmless)
{
    struct registry_view v;
    const struct claim *c;

    live(0, "a\033[2Jb\n\177\302\233");
    site(0, STINT_SITE_WAIT, "", "", 0);
    memset(sites[0].file, 'x', sizeof(sites[0].file)); /* no NUL in it */
    memset(sites[0].text, 'y', sizeof(sites[0].text));
    strcpy(sites[0].function, "gr\303\274n\377\300\257\355\240\200");
    slots[0].birth_site = slots[0].wait_site = slots[0].reason_site = 1;
    slots[0].tid = UINT32_MAX;
    slots[0].started_us = slots[0].cancelled_us = UINT64_MAX;
    slots[0].flags = UINT16_MAX;
    slots[0].vital_every_us = slots[0].shield_until_us = slots[0].exempt_until_us = INT64_MIN;
    memset(slots[0].token, 't', sizeof(slots[0].token));
    v = reads();
    c = &v.threads[0].claim;
    ck_assert_str_eq(c->name, "a?[2Jb??\?\?");
    ck_assert_uint_eq(strlen(c->creator_file), sizeof(c->creator_file) - 1);
    ck_assert_uint_eq(strlen(c->wait_text), sizeof(c->wait_text) - 1);
    ck_assert_uint_eq(strlen(c->reason), sizeof(sites[0].text));
    ck_assert_uint_eq(strlen(c->token), sizeof(slots[0].token));
    ck_assert_str_eq(c->creator_function, "gr\303\274n??????");
    ck_assert_int_eq(v.threads[0].tid, 0);
    ck_assert_int_eq(c->started_us, INT64_MAX);
    ck_assert_int_eq(c->cancelled_us, INT64_MAX);
    ck_assert_int_eq(c->vital_every_us, 0);
    ck_assert_int_eq(c->shield_until_us, 0);
    ck_assert_int_eq(c->exempt_until_us, 0);
    ck_assert(v.untrusted);
    registry_view_finish(&v);
}
END_TEST

START_TEST(holes_punched_into_a_sealed_registry_are_free_slots)
{
    struct registry_view v;

    live(0, "main");
    ck_assert_int_eq(fallocate(registry, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096,
                               (off_t)STINT_REGISTRY_BYTES - 4096),
                     0);
    v = reads();
    ck_assert_uint_eq(v.n, 0);
    registry_view_finish(&v);
    ck_assert_int_eq(fallocate(registry, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
    read_fails(-ENODATA, "has not written");
}
END_TEST

/* An unsealed file that was cut short behind the header. */
START_TEST(a_file_that_is_too_short_is_refused)
{
    struct registry_view v;
    struct error err = {0};
    auto_fd int fd = memfd_create("short", MFD_CLOEXEC);

    ck_assert_int_eq(write(fd, header, sizeof(*header)), sizeof(*header));
    ck_assert_int_eq(registry_read(fd, &v, &err), -EPROTO);
    ck_assert_ptr_nonnull(strstr(err.text, "more than fit"));
    ck_assert_int_eq(ftruncate(fd, sizeof(*header) - 1), 0);
    ck_assert_int_eq(registry_read(fd, &v, &err), -EPROTO);
}
END_TEST

/* All seqs odd, or all always another: the worst that it can do is bounded, and so is what it costs. */
START_TEST(seqs_that_never_hold_still_cost_little_and_show_nothing)
{
    struct registry_copy copy = {0};
    struct registry_view v;
    int64_t began_us;

    header->slots.used = STINT_REGISTRY_SLOTS;
    header->scopes.used = STINT_REGISTRY_SCOPES;
    for (size_t i = 0; i < STINT_REGISTRY_SLOTS; i++)
        live(i, "x");
    for (size_t i = 0; i < STINT_REGISTRY_SEQS; i++)
        seqs[i] = 1;
    began_us = mono_now_us();
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(registry_copy_take(registry, &copy, NULL), 0);
    ck_assert_int_lt(mono_now_us() - began_us, 2 * US_PER_S); /* some 3 ms each */
    ck_assert_int_eq(registry_parse(&copy, &v, NULL), 0);
    ck_assert_uint_eq(v.n, 0);
    ck_assert_uint_eq(v.torn, STINT_REGISTRY_SLOTS);
    ck_assert_uint_eq(v.torn_scopes, STINT_REGISTRY_SCOPES);
    registry_view_finish(&v);
    registry_copy_finish(&copy);
}
END_TEST

static atomic_bool enough;

/* Writes one slot as fast as it can: name and token always say the same. */
static void *
writer(void *arg)
{
    struct stint_registry_slot *s = arg;
    _Atomic uint32_t *seq = (_Atomic uint32_t *)&seqs[s - slots];

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
            ck_assert_str_eq(v.threads[0].claim.name, v.threads[0].claim.token);
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
    static unsigned char bytes[256 << 10];
    struct registry_copy copy = {0};
    struct registry_view v;
    unsigned parsed = 0;

    srand(7);
    for (int round = 0; round < 300; round++) {
        struct stint_registry_header h = *header;
        struct stint_registry_table *const tables[] = {&h.slots, &h.scopes, &h.sites};
        size_t n = (size_t)(rand() % 4 == 0 ? rand() % (int)sizeof(bytes) : (int)sizeof(bytes));

        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (unsigned char)rand();
        h.seqs = (struct stint_registry_table){256, 4, 512, 512};
        for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
            tables[i]->offset = 256 + 2048 + (uint32_t)(i * 60000) + (uint32_t)(rand() % 1000) * 4;
            tables[i]->stride = 256 + (uint32_t)(rand() % 4) * 4;
            tables[i]->count = (uint32_t)(rand() % 200);
            tables[i]->used = tables[i]->count;
            for (uint32_t k = 0; k < tables[i]->count; k++) { /* make states and kinds likely */
                uint32_t word = (uint32_t)rand() % 6;

                memcpy(bytes + tables[i]->offset + (size_t)k * tables[i]->stride, &word, 4);
                word = (uint32_t)rand() % 250;
                memcpy(bytes + tables[i]->offset + (size_t)k * tables[i]->stride + 4, &word, 4);
            }
        }
        for (size_t i = 0; i < 512; i++)
            bytes[256 + i * 4] &= 0xfe;
        memcpy(bytes, &h, sizeof(h));
        if (registry_copy_bytes(bytes, n, &copy, NULL) == 0 &&
            registry_parse(&copy, &v, NULL) == 0) {
            registry_view_finish(&v);
            parsed++;
        }
    }
    ck_assert_uint_gt(parsed, 100);
    registry_copy_finish(&copy);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("registry_hostile");
    TCase *t = tcase_create("registry_hostile");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, scopes_in_a_circle_and_indices_that_lead_nowhere_are_seen_through);
    tcase_add_test(t, a_header_that_lies_is_refused);
    tcase_add_test(t, more_used_than_there_are_is_cut_and_not_trusted);
    tcase_add_test(t, hostile_text_and_numbers_become_harmless);
    tcase_add_test(t, holes_punched_into_a_sealed_registry_are_free_slots);
    tcase_add_test(t, a_file_that_is_too_short_is_refused);
    tcase_add_test(t, seqs_that_never_hold_still_cost_little_and_show_nothing);
    tcase_add_test(t, a_slot_that_changes_all_the_time_is_whole_or_torn_never_mixed);
    tcase_add_test(t, what_is_no_registry_is_refused);
    tcase_add_test(t, random_bytes_never_do_harm);
    suite_add_tcase(s, t);
    return unit_main(s);
}
