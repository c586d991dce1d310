/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pure parts: the table of descriptors, the ring of obituaries, when to try again, frames. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/keeper/frame.h"
#include "supervisor/keeper/kept.h"
#include "supervisor/keeper/obituaries.h"
#include "supervisor/keeper/restart.h"

static struct kept kept;
static struct obituaries obituaries;

static int
any_fd(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

START_TEST(names_are_small_and_plain)
{
    char longest[KEEPER_NAME_MAX + 1];

    memset(longest, 'x', sizeof longest);
    longest[KEEPER_NAME_MAX - 1] = '\0';
    ck_assert(kept_name_fits(longest));
    longest[KEEPER_NAME_MAX - 1] = 'x';
    longest[KEEPER_NAME_MAX] = '\0';
    ck_assert(!kept_name_fits(longest));
    ck_assert(kept_name_fits("listener.web_2-a"));
    ck_assert(!kept_name_fits(""));
    ck_assert(!kept_name_fits("A"));
    ck_assert(!kept_name_fits("a:b"));
    ck_assert(!kept_name_fits("a\n"));
}
END_TEST

START_TEST(a_descriptor_is_found_by_its_name_until_it_is_dropped_and_closed)
{
    struct kept_entry *e;
    char name[32];
    int fds[100];

    kept.room = 100;
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof name, "fd.%d", i);
        fds[i] = any_fd();
        ck_assert_int_eq(kept_put(&kept, name, fds[i], 0, &e), 0);
    }
    ck_assert_int_eq(kept_put(&kept, "one.too.many", 0, 0, &e), -ENFILE);
    for (int i = 0; i < 100; i += 2) {
        (void)snprintf(name, sizeof name, "fd.%d", i);
        kept_drop(&kept, kept_find(&kept, name));
        ck_assert_int_eq(fcntl(fds[i], F_GETFD), -1);
    }
    ck_assert_uint_eq(kept.n, 50);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof name, "fd.%d", i);
        e = kept_find(&kept, name);
        ck_assert_int_eq(e != NULL, i % 2);
        ck_assert_int_eq(e ? e->fd : fds[i], fds[i]);
    }
    e = kept_find(&kept, "fd.1");
    ck_assert_int_eq(kept_put(&kept, "fd.1", any_fd(), 0, &e), 0);
    ck_assert_uint_eq(kept.n, 50); /* replaced, and the former one closed */
    ck_assert_int_eq(fcntl(e->fd, F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(each_is_given_once_even_when_others_are_dropped_meanwhile)
{
    struct kept_entry *e;
    char name[32];
    int n = 0;

    kept.room = KEPT_MAX;
    for (int i = 0; i < 30; i++) {
        (void)snprintf(name, sizeof name, "fd.%d", i);
        ck_assert_int_eq(kept_put(&kept, name, any_fd(), 1, &e), 0);
    }
    kept_rewind(&kept);
    while ((e = kept_next_to_give(&kept, 2))) {
        e->given = 2;
        if (++n == 10) {
            kept_drop(&kept, kept_find(&kept, "fd.3")); /* the last one takes its place */
            ck_assert_int_eq(kept_put(&kept, "own", any_fd(), 2, &e), 0);
        }
    }
    ck_assert_int_eq(n, 30); /* fd.3 had been given; "own" was not */
    ck_assert_uint_eq(kept.n, 30);
}
END_TEST

START_TEST(all_there_is_room_for_can_be_kept)
{
    struct kept_entry *e;
    char name[32];

    kept.room = KEPT_MAX;
    for (int i = 0; i < KEPT_MAX; i++) {
        (void)snprintf(name, sizeof name, "fd.%d", i);
        ck_assert_int_eq(kept_put(&kept, name, -1, 0, &e), 0);
    }
    ck_assert_int_eq(kept_put(&kept, "one.too.many", -1, 0, &e), -ENFILE);
    ck_assert_ptr_nonnull(kept_find(&kept, "fd.16383"));
    ck_assert_int_eq(kept_put(&kept, "fd.0", -1, 0, &e), 0);
}
END_TEST

static struct keeper_obituary
death(int32_t pid)
{
    return (struct keeper_obituary){.pid = pid, .start_time = 1000U + (unsigned)pid};
}

START_TEST(an_obituary_stays_until_it_is_buried_by_pid_and_start_time)
{
    const struct keeper_obituary *o;
    uint64_t cursor = 0;

    for (int32_t pid = 1; pid <= 3; pid++) {
        struct keeper_obituary d = death(pid);

        obituaries_add(&obituaries, &d);
    }
    obituaries_bury(&obituaries, 2, 1); /* somebody else who had that number */
    obituaries_bury(&obituaries, 2, 1002);
    o = obituaries_from(&obituaries, &cursor);
    ck_assert_int_eq(o->pid, 1);
    cursor++;
    o = obituaries_from(&obituaries, &cursor);
    ck_assert_int_eq(o->pid, 3);
    cursor++;
    ck_assert_ptr_null(obituaries_from(&obituaries, &cursor));
    obituaries_bury(&obituaries, 1, 1001);
    obituaries_bury(&obituaries, 3, 1003);
    ck_assert_uint_eq(obituaries.first, obituaries.next);
}
END_TEST

/* /proc did not show it (hidepid), so when it started nobody knows. */
START_TEST(an_obituary_without_a_start_time_is_buried_by_its_pid)
{
    struct keeper_obituary d = death(4);

    d.start_time = 0;
    obituaries_add(&obituaries, &d);
    obituaries_bury(&obituaries, 5, 1005);
    ck_assert_uint_ne(obituaries.first, obituaries.next);
    obituaries_bury(&obituaries, 4, 1004);
    ck_assert_uint_eq(obituaries.first, obituaries.next);
}
END_TEST

START_TEST(a_full_ring_loses_the_oldest_and_counts_it)
{
    const struct keeper_obituary *o;
    uint64_t cursor = 0;

    for (int32_t pid = 1; pid <= OBITUARIES_MAX + 10; pid++) {
        struct keeper_obituary d = death(pid);

        obituaries_add(&obituaries, &d);
        if (pid == 2)
            obituaries_bury(&obituaries, 1, 1001); /* its place is free, so one less is lost */
    }
    ck_assert_uint_eq(obituaries.lost, 9);
    o = obituaries_from(&obituaries, &cursor);
    ck_assert_int_eq(o->pid, 11);
    ck_assert_uint_eq(obituaries.next - cursor, OBITUARIES_MAX);
}
END_TEST

START_TEST(the_wait_doubles_up_to_ten_seconds_and_a_long_life_forgets_it)
{
    static const int64_t ms[] = {0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000};
    struct restart r = {.stored = true};

    for (size_t i = 0; i < sizeof ms / sizeof ms[0]; i++) {
        ck_assert_int_eq(restart_distrust(&r), i >= 5);
        ck_assert_int_eq(restart_died(&r, US_PER_S, true), ms[i] * US_PER_MS);
    }
    ck_assert_int_eq(restart_died(&r, 15 * US_PER_S, true), 10 * US_PER_S); /* not long enough */
    ck_assert(!restart_distrust(&r)); /* but the state was good for that one */
    ck_assert_int_eq(restart_died(&r, 30 * US_PER_S, true), 0);
    ck_assert_int_eq(restart_died(&r, US_PER_S, true), 0);
    ck_assert_int_eq(restart_died(&r, US_PER_S, true), 100 * US_PER_MS);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_le(restart_died(&r, 0, false), 10 * US_PER_S);
    ck_assert(!restart_give_up(&r)); /* this installation has worked once */
}
END_TEST

START_TEST(it_is_given_up_after_five_that_died_young_without_any_store)
{
    struct restart r = {0};

    for (int i = 0; i < 4; i++) {
        (void)restart_died(&r, 0, false);
        ck_assert(!restart_give_up(&r));
    }
    (void)restart_died(&r, 0, true);
    ck_assert_uint_eq(r.unfinished, 0); /* that one had got as far as END */
    ck_assert(restart_give_up(&r));
}
END_TEST

static int
check(uint16_t type, const char *body, size_t bytes, int fd)
{
    static struct frame_in in;
    struct keeper_frame head = {.type = type, .length = (uint32_t)bytes};

    memset(&in, 'x', sizeof in); /* what was there before */
    memcpy(in.bytes, &head, sizeof head);
    if (bytes > 0)
        memcpy(in.bytes + sizeof head, body, bytes);
    in.n = sizeof head + bytes;
    in.fd = fd;
    in.extra = 0;
    return frame_check(&in);
}

START_TEST(a_frame_is_what_the_contract_says_or_it_is_refused)
{
    static char text[KEEPER_BODY_MAX];

    memset(text, 'a', sizeof text);
    ck_assert_int_eq(check(KEEPER_STORE, "a", 1, 7), KEEPER_STORE);
    ck_assert_int_eq(check(KEEPER_STORE, "a", 2, 7), KEEPER_STORE); /* with its NUL */
    ck_assert_int_eq(check(KEEPER_STORE, "a\0b", 3, 7), -EBADMSG);
    ck_assert_int_eq(check(KEEPER_STORE, "a", 2, -1), -EBADMSG);
    ck_assert_int_eq(check(KEEPER_DROP, "a", 2, 7), -EBADMSG);
    ck_assert_int_eq(check(KEEPER_NOTIFY, text, sizeof text, -1), KEEPER_NOTIFY);
    ck_assert_int_eq(check(KEEPER_NOTIFY, "", 0, -1), -EBADMSG);
    ck_assert_int_eq(check(KEEPER_HELLO, text, sizeof(struct keeper_hello) - 1, -1), -EBADMSG);
    ck_assert_int_eq(check(KEEPER_HELLO, text, 100, -1), KEEPER_HELLO); /* a later one says more */
    ck_assert_int_eq(check(KEEPER_WELCOME, "", 0, -1), 0);              /* ours to say: skipped */
    ck_assert_int_eq(check(0, "", 0, -1), 0);
    ck_assert_int_eq(check(UINT16_MAX, text, 3, 7), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("parts");
    TCase *t = tcase_create("parts");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, names_are_small_and_plain);
    tcase_add_test(t, a_descriptor_is_found_by_its_name_until_it_is_dropped_and_closed);
    tcase_add_test(t, each_is_given_once_even_when_others_are_dropped_meanwhile);
    tcase_add_test(t, all_there_is_room_for_can_be_kept);
    tcase_add_test(t, an_obituary_stays_until_it_is_buried_by_pid_and_start_time);
    tcase_add_test(t, an_obituary_without_a_start_time_is_buried_by_its_pid);
    tcase_add_test(t, a_full_ring_loses_the_oldest_and_counts_it);
    tcase_add_test(t, the_wait_doubles_up_to_ten_seconds_and_a_long_life_forgets_it);
    tcase_add_test(t, it_is_given_up_after_five_that_died_young_without_any_store);
    tcase_add_test(t, a_frame_is_what_the_contract_says_or_it_is_refused);
    suite_add_tcase(s, t);
    return unit_main(s);
}
