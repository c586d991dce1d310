/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/probe/registry_fixture.h"

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

START_TEST(live_threads_are_read_and_those_that_ended_too)
{
    struct registry_view v;

    header->overflow = 3;
    header->overflow_scopes = 4;
    header->overflow_sites = 5;
    header->pid = 77;
    site(0, STINT_SITE_BIRTH, "", "cache.c", 88);
    live(0, "main");
    slots[0].flags = STINT_SLOT_MAIN;
    live(7, "flush-2");
    slots[7].birth_site = 1;
    slots[7].cancelled_us = 5;
    slots[7].flags = STINT_SLOT_JOINABLE;
    slots[7].trace_id[0] = 0xaf;
    slots[8].state = STINT_SLOT_DONE;
    slots[8].tid = 8;
    slots[9].state = STINT_SLOT_LIVE;
    seqs[9] = 3; /* its writer died in the middle of it */
    live(16, "behind what was ever used");
    v = reads();
    ck_assert_int_eq(v.pid, 77);
    ck_assert_uint_eq(v.n, 2);
    ck_assert_str_eq(v.threads[0].claim.name, "main");
    ck_assert(v.threads[0].main && !v.threads[0].joinable);
    ck_assert_str_eq(v.threads[1].claim.name, "flush-2");
    ck_assert_str_eq(v.threads[1].claim.creator_file, "cache.c");
    ck_assert_str_eq(v.threads[1].claim.creator_function, "f");
    ck_assert_uint_eq(v.threads[1].claim.creator_line, 88);
    ck_assert_int_eq(v.threads[1].claim.cancelled_us, 5);
    ck_assert_str_eq(v.threads[1].claim.trace_id, "af000000000000000000000000000000");
    ck_assert_str_eq(v.threads[0].claim.trace_id, "");
    ck_assert_int_eq(v.threads[1].claim.vital_every_us, -1);
    ck_assert_int_eq(v.threads[1].tid, 1007);
    ck_assert(v.threads[1].joinable);
    ck_assert_uint_eq(v.slots, STINT_REGISTRY_SLOTS);
    ck_assert_uint_eq(v.n_ended, 1);
    ck_assert_int_eq(v.ended[0].tid, 8);
    ck_assert_uint_eq(v.torn, 1);
    ck_assert_uint_eq(v.overflow, 3);
    ck_assert_uint_eq(v.overflow_scopes, 4);
    ck_assert_uint_eq(v.overflow_sites, 5);
    ck_assert(!v.untrusted);
    registry_view_finish(&v);
}
END_TEST

/* The thread with this tid that was alive when the slot was written, and not its successor. */
START_TEST(a_thread_is_found_by_its_tid_and_a_time_when_it_lived)
{
    const uint64_t tick_ns = 1000000000U / (uint64_t)sysconf(_SC_CLK_TCK);
    struct registry_view v;

    live(2, "one");
    slots[2].alive_ns = 500 * tick_ns;
    live(3, "two");
    slots[3].tid = slots[2].tid;
    slots[3].alive_ns = 900 * tick_ns;
    live(4, "other");
    v = reads();
    ck_assert_ptr_nonnull(registry_find(&v, 1002, 900));
    ck_assert_str_eq(registry_find(&v, 1002, 900)->claim.name, "two");
    ck_assert_str_eq(registry_find(&v, 1002, 0)->claim.name, "two");
    ck_assert_ptr_null(registry_find(&v, 1002, 901)); /* began later */
    ck_assert_ptr_null(registry_find(&v, 1003, 0));
    ck_assert_ptr_null(registry_find(&v, 1005, 0));
    registry_view_finish(&v);
}
END_TEST

START_TEST(what_a_thread_waits_for_is_told_by_kind)
{
    struct registry_view v;

    site(0, STINT_SITE_WAIT, "for a job", "queue.c", 41);
    site(1, STINT_SITE_JOIN, "join", "", 0);
    site(2, STINT_SITE_SCOPE, "scope", "", 0);
    scope(0, 0, "root");
    scope(1, 0, "web");
    for (size_t i = 0; i < 5; i++)
        live(i, i == 0 ? "main" : "x");
    slots[0].wait_site = 1;
    slots[0].wait_object = 0x1000;
    slots[1].wait_site = 2;
    slots[1].wait_object = 1000; /* main */
    slots[2].wait_site = 3;
    slots[2].wait_object = 1;
    slots[3].wait_site = 3;
    slots[3].wait_object = UINT64_MAX;
    slots[4].wait_site = STINT_SITE_UNKNOWN;
    v = reads();
    ck_assert_uint_eq(v.n, 5);
    ck_assert_str_eq(v.threads[0].claim.wait_text, "for a job");
    ck_assert_str_eq(v.threads[0].claim.wait_file, "queue.c");
    ck_assert_uint_eq(v.threads[0].claim.wait_line, 41);
    ck_assert_uint_eq(v.threads[0].claim.wait_object, 0x1000);
    ck_assert_str_eq(v.threads[1].claim.wait_text, "join of main");
    ck_assert_int_eq(v.threads[1].claim.awaits_tid, 1000);
    ck_assert_uint_eq(v.threads[1].claim.wait_object, 0);
    ck_assert_str_eq(v.threads[2].claim.wait_text, "end of scope root/web");
    ck_assert_str_eq(v.threads[3].claim.wait_text, "end of scope ?");
    ck_assert_str_eq(v.threads[4].claim.wait_text, "");
    ck_assert(!v.untrusted);
    registry_view_finish(&v);
}
END_TEST

START_TEST(scopes_have_paths_and_lend_their_cancel_and_grace)
{
    struct registry_view v;
    const struct claim *c;

    scope(0, 0, "root");
    scope(1, 0, "web");
    scope(2, 1, "requests");
    scopes[1].cancelled_us = 40;
    scopes[1].cause = 7;
    scopes[1].grace_us = 500;
    scopes[1].generation = 3;
    scopes[2].generation = 3;
    scopes[1].state = STINT_SCOPE_RETIRED;
    strcpy(scopes[1].text, "reloaded");
    strcpy(scopes[1].who, "main");
    live(0, "a");
    slots[0].scope = 2;
    live(1, "own cancel came first");
    slots[1].scope = 2;
    slots[1].cancelled_us = 30;
    slots[1].cause = 6;
    live(2, "of the process");
    v = reads();
    ck_assert_uint_eq(v.n_scopes, 8);
    ck_assert_str_eq(v.scopes[2].path, "root/web/requests");
    ck_assert(v.scopes[1].retired && !v.scopes[1].closed && !v.scopes[2].retired);
    ck_assert(v.scopes[5].closed); /* never used */
    c = &v.threads[0].claim;
    ck_assert_str_eq(c->scope, "root/web/requests");
    ck_assert_uint_eq(c->scope_index, 2);
    ck_assert_uint_eq(c->generation, 3);
    ck_assert_int_eq(c->grace_us, 500);
    ck_assert_int_eq(c->cancelled_us, 40);
    ck_assert_uint_eq(c->cause, 7);
    ck_assert_str_eq(c->cause_text, "reloaded");
    ck_assert_str_eq(c->cause_who, "main");
    c = &v.threads[1].claim;
    ck_assert_int_eq(c->cancelled_us, 30);
    ck_assert_uint_eq(c->cause, 6);
    ck_assert_str_eq(c->cause_text, "");
    ck_assert_str_eq(v.threads[2].claim.scope, "root");
    ck_assert_int_eq(v.threads[2].claim.grace_us, INT64_MAX);
    ck_assert(!v.untrusted);
    registry_view_finish(&v);
}
END_TEST

START_TEST(a_long_path_of_scopes_keeps_its_end)
{
    struct registry_view v;
    char name[40];

    scope(0, 0, "root");
    for (size_t i = 1; i < 8; i++) {
        memset(name, 'a' + (int)i, sizeof(name));
        name[sizeof(name) - 1] = '\0';
        scope(i, (uint32_t)i - 1, name);
    }
    v = reads();
    ck_assert_uint_eq(strlen(v.scopes[7].path), sizeof(v.scopes[7].path) - 1);
    ck_assert_str_eq(v.scopes[7].path + sizeof(v.scopes[7].path) - 40, name);
    ck_assert(!v.untrusted);
    registry_view_finish(&v);
}
END_TEST

START_TEST(a_later_minor_version_with_larger_slots_is_read)
{
    struct registry_view v;

    header->minor = 9;
    header->slots.stride = sizeof(*slots) + 64;
    header->slots.count = 4;
    header->slots.used = 2;
    struct stint_registry_slot *second = (void *)((char *)slots + header->slots.stride);

    second->state = STINT_SLOT_LIVE;
    second->tid = 77;
    v = reads();
    ck_assert_uint_eq(v.n, 1);
    ck_assert_int_eq(v.threads[0].tid, 77);
    registry_view_finish(&v);
}
END_TEST

START_TEST(what_was_served_is_known_from_those_that_count_and_from_no_other)
{
    uint64_t served = 7;

    header->served = UINT64_C(1) << 40;
    ck_assert_int_eq(registry_served(registry, &served), 0);
    ck_assert(served == UINT64_C(1) << 40);
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
    tcase_add_test(t, live_threads_are_read_and_those_that_ended_too);
    tcase_add_test(t, a_thread_is_found_by_its_tid_and_a_time_when_it_lived);
    tcase_add_test(t, what_a_thread_waits_for_is_told_by_kind);
    tcase_add_test(t, scopes_have_paths_and_lend_their_cancel_and_grace);
    tcase_add_test(t, a_long_path_of_scopes_keeps_its_end);
    tcase_add_test(t, a_later_minor_version_with_larger_slots_is_read);
    tcase_add_test(t, what_was_served_is_known_from_those_that_count_and_from_no_other);
    suite_add_tcase(s, t);
    return unit_main(s);
}
