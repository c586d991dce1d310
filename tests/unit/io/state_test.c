/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "tests/unit/io/state_fixture.h"

START_TEST(what_was_committed_is_found_by_the_next_master)
{
    is_content(st, "");
    found_is(st);
    put_text(STATE_SERVICE, 7, "seven");
    put_text(STATE_CORE, 0, "core");
    put_text(STATE_SERVICE, 3, "");
    is_content(st, ""); /* not yet */
    ck_assert_int_eq(commit(), 0);
    is_content(st, "4.0=core 5.3= 5.7=seven ");
    found_is(st);
}
END_TEST

START_TEST(the_newest_of_a_kind_and_key_counts)
{
    put_text(STATE_SERVICE, 1, "old");
    put_text(STATE_EFFECT, 1, "another kind");
    ck_assert_int_eq(commit(), 0);
    put_text(STATE_SERVICE, 1, "newer");
    put_text(STATE_SERVICE, 1, "newest, and longer than what was there");
    ck_assert_int_eq(commit(), 0);
    is_content(st, "5.1=newest, and longer than what was there 6.1=another kind ");
    found_is(st);
}
END_TEST

START_TEST(what_was_dropped_is_gone_and_may_come_again)
{
    put_text(STATE_HAND, 1, "one");
    put_text(STATE_HAND, 2, "two");
    state_drop(st, STATE_HAND, 3); /* never was */
    ck_assert_int_eq(commit(), 0);
    state_drop(st, STATE_HAND, 1);
    ck_assert_int_eq(commit(), 0);
    is_content(st, "9.2=two ");
    ck_assert_int_eq(state_one(st, STATE_HAND, 1, content_add, NULL), -ENOENT);
    found_is(st);
    state_drop(st, STATE_HAND, 2); /* and put again in the same batch */
    put_text(STATE_HAND, 2, "second");
    put_text(STATE_HAND, 1, "again");
    put_text(STATE_HAND, 4, "never seen");
    state_drop(st, STATE_HAND, 4);
    ck_assert_int_eq(commit(), 0);
    is_content(st, "9.1=again 9.2=second ");
    found_is(st);
}
END_TEST

START_TEST(after_forget_only_what_is_put_anew_counts)
{
    put_text(STATE_HAND, 1, "one");
    put_text(STATE_CORE, 0, "core");
    ck_assert_int_eq(commit(), 0);
    put_text(STATE_HAND, 9, "gathered before");
    state_forget(st);
    put_text(STATE_HAND, 2, "two");
    ck_assert_int_eq(commit(), 0);
    is_content(st, "9.2=two ");
    found_is(st);
    state_forget(st);
    ck_assert_int_eq(commit(), 0);
    is_content(st, "");
    ck_assert_uint_eq(state_live_bytes(st), 0);
    found_is(st);
}
END_TEST

START_TEST(nothing_to_write_writes_nothing)
{
    size_t before = state_bytes(st);

    ck_assert_int_eq(commit(), 0);
    ck_assert_uint_eq(state_bytes(st), before);
    put_text(STATE_CORE, 0, "core");
    ck_assert_int_eq(commit(), 0);
    before = state_bytes(st);
    ck_assert_int_eq(commit(), 0);
    ck_assert_uint_eq(state_bytes(st), before);
}
END_TEST

static int
stop_at_two(void *env, uint64_t key, const void *bytes, size_t n)
{
    (void)bytes;
    (void)n;
    ++*(unsigned *)env;
    return key == 2 ? -ECANCELED : 0;
}

START_TEST(a_walk_ends_where_it_is_told_to)
{
    unsigned calls = 0;

    for (uint64_t key = 5; key > 0; key--)
        put_text(STATE_SPEC, key, "x");
    ck_assert_int_eq(commit(), 0);
    ck_assert_int_eq(state_each(st, STATE_SPEC, stop_at_two, &calls), -ECANCELED);
    ck_assert_uint_eq(calls, 2);
    ck_assert_int_eq(state_one(st, STATE_SPEC, 2, stop_at_two, &calls), -ECANCELED);
    ck_assert_int_eq(state_one(st, STATE_SPEC, 5, stop_at_two, &calls), 0);
    ck_assert_int_eq(state_one(st, STATE_DESK, 5, stop_at_two, &calls), -ENOENT);
    ck_assert_uint_eq(calls, 4);
}
END_TEST

START_TEST(one_master_after_the_other_goes_on_in_the_same_file)
{
    for (uint64_t master = 1; master < 20; master++) {
        int fd = fcntl(state_fd(st), F_DUPFD_CLOEXEC, 3);
        char *before;

        put_text(STATE_SERVICE, master, "of this master");
        put_text(STATE_CORE, 0, master % 2 ? "odd" : "even");
        ck_assert_int_eq(commit(), 0);
        put_text(STATE_CORE, 0, "never committed");
        before = content(st);
        state_destroy(st);
        ck_assert_int_eq(state_adopt(fd, &st, &error), 0);
        ck_assert_int_eq(state_fd(st), fd);
        is_content(st, before);
        free(before);
    }
    found_is(st);
}
END_TEST

/* A big number, so that those of kind and key that fall together in the table are told apart. */
START_TEST(keys_that_share_a_place_in_the_index_are_told_apart)
{
    const uint64_t far = UINT64_MAX / STATE_KIND_COUNT + 1;

    for (unsigned kind = 1; kind < STATE_KIND_COUNT; kind++) {
        put_text((enum state_kind)kind, 0, "near");
        put_text((enum state_kind)kind, far, "far");
        put_text((enum state_kind)kind, UINT64_MAX, "last");
    }
    ck_assert_int_eq(commit(), 0);
    state_drop(st, STATE_MASTER, far);
    ck_assert_int_eq(commit(), 0);
    found_is(st);
    ck_assert_int_eq(state_one(st, STATE_MASTER, far, content_add, NULL), -ENOENT);
    ck_assert_uint_eq(st->n, 3 * (size_t)(STATE_KIND_COUNT - 1));
}
END_TEST

START_TEST(a_hundred_thousand_records_cost_what_they_change)
{
    int64_t begin_us = mono_now_us(), took_us;
    struct state *next;
    unsigned n = 0;
    char bytes[64];

    memset(bytes, 'x', sizeof(bytes));
    for (uint64_t key = 1; key <= 100000; key++) {
        state_put(st, STATE_SERVICE, key, bytes, sizeof(bytes));
        if (key % 1000 == 0)
            (void)commit();
    }
    for (uint64_t i = 0; i < 10000; i++) { /* each would take a day if it cost all of them */
        put_text(STATE_EFFECT, i, "to be done");
        (void)commit();
        state_drop(st, STATE_EFFECT, i);
        (void)commit();
    }
    ck_assert_int_eq(state_adopt(fcntl(state_fd(st), F_DUPFD_CLOEXEC, 3), &next, &error), 0);
    ck_assert_int_eq(state_each(next, STATE_SERVICE, stop_at_two, &n), -ECANCELED);
    ck_assert_uint_eq(state_live_bytes(next), 100000 * (sizeof(struct record_head) + 64));
    state_destroy(next);
    took_us = mono_now_us() - begin_us;
    ck_assert_msg(took_us < INT64_C(20) * 1000000, "it took %lld us", (long long)took_us);
}
END_TEST

/* ---- what is none --------------------------------------------------------------------------- */

static void
refused(const void *bytes, size_t n, int want, const char *words)
{
    struct state *found = NULL;
    int fd = file_of(bytes, n);
    unsigned before = count_fds();

    ck_assert_int_eq(state_adopt(fd, &found, &error), want);
    ck_assert_ptr_null(found);
    ck_assert_msg(strstr(error.text, words) != NULL, "said: %s", error.text);
    ck_assert_uint_eq(count_fds(), before); /* it is ours still … */
    ck_assert_int_eq(close(fd), 0);         /* … and open */
}

START_TEST(another_version_and_what_is_no_state_are_refused)
{
    struct file_head head = {STATE_MAGIC, STATE_VERSION, 0};

    refused("", 0, -EBADMSG, "impossible size");
    for (size_t n = 1; n < sizeof(head); n++)
        refused(&head, n, -EBADMSG, "impossible size");
    head.version = STATE_VERSION + 1;
    refused(&head, sizeof(head), -EPROTO, ", this stint knows version ");
    head.magic++;
    refused(&head, sizeof(head), -EBADMSG, "is none");
}
END_TEST

START_TEST(a_descriptor_of_something_else_is_refused)
{
    struct state *found = NULL;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), folder = open("/", O_RDONLY | O_CLOEXEC);
    int ends[2], big = memfd_create("big", MFD_CLOEXEC);

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(ftruncate(big, (off_t)STATE_MAX_BYTES + 1), 0);
    ck_assert_int_eq(state_adopt(null, &found, &error), -EBADMSG);
    ck_assert_int_eq(state_adopt(ends[0], &found, &error), -EBADMSG);
    ck_assert_int_eq(state_adopt(big, &found, &error), -EBADMSG);
    ck_assert_int_lt(state_adopt(folder, &found, &error), 0);
    ck_assert_int_eq(state_adopt(-1, &found, &error), -EBADF);
    ck_assert_ptr_null(found);
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)close(big);
    (void)close(null);
    (void)close(folder);
}
END_TEST

START_TEST(descriptors_come_back)
{
    unsigned before = count_fds();
    struct state *other;

    ck_assert_int_eq(state_create(&other, &error), 0);
    ck_assert_uint_eq(count_fds(), before + 1);
    ck_assert_int_ne(fcntl(state_fd(other), F_GETFD) & FD_CLOEXEC, 0);
    state_destroy(other);
    ck_assert_uint_eq(count_fds(), before);
    state_destroy(NULL);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("state");
    TCase *t = tcase_create("state");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_was_committed_is_found_by_the_next_master);
    tcase_add_test(t, the_newest_of_a_kind_and_key_counts);
    tcase_add_test(t, what_was_dropped_is_gone_and_may_come_again);
    tcase_add_test(t, after_forget_only_what_is_put_anew_counts);
    tcase_add_test(t, nothing_to_write_writes_nothing);
    tcase_add_test(t, a_walk_ends_where_it_is_told_to);
    tcase_add_test(t, one_master_after_the_other_goes_on_in_the_same_file);
    tcase_add_test(t, keys_that_share_a_place_in_the_index_are_told_apart);
    tcase_add_test(t, a_hundred_thousand_records_cost_what_they_change);
    tcase_add_test(t, another_version_and_what_is_no_state_are_refused);
    tcase_add_test(t, a_descriptor_of_something_else_is_refused);
    tcase_add_test(t, descriptors_come_back);
    suite_add_tcase(s, t);
    return unit_main(s);
}
