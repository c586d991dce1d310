/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A state whose history is larger than what counts: it is written anew into another file. */
#include "base/mem.h"
#include "tests/unit/io/state_fixture.h"

#define KEYS 40

static char filler[16384];

/* churn - commits that leave history behind, until one of them says that the file is another. */
static void
churn(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(filler, sizeof(filler), "round %u", i);
        state_put(st, STATE_SERVICE, i % 4, filler, sizeof(filler));
        if (i % 3 == 0)
            state_drop(st, STATE_SERVICE, (i + 1) % 4);
        if (state_commit(st, &error) == 1)
            return;
    }
    ck_abort_msg("the file was never written anew");
}

static struct state *
adopt_dup(int fd)
{
    struct state *found = NULL;

    ck_assert_msg(state_adopt(fcntl(fd, F_DUPFD_CLOEXEC, 3), &found, &error) == 0, "%s",
                  error.text);
    return found;
}

static void
fd_is(int fd, const char *want)
{
    struct state *found = adopt_dup(fd);

    is_content(found, want);
    state_destroy(found);
}

static off_t
state_end_of(int fd)
{
    struct stat status;

    ck_assert_int_eq(fstat(fd, &status), 0);
    return status.st_size;
}

START_TEST(until_it_is_settled_the_old_and_the_new_file_say_the_same)
{
    int old = fcntl(state_fd(st), F_DUPFD_CLOEXEC, 3);
    struct stat before, after;
    struct state *next;
    char *is;

    put_text(STATE_MASTER, 0, "there from the beginning");
    churn();
    ck_assert_int_eq(fstat(old, &before), 0);
    ck_assert_int_eq(fstat(state_fd(st), &after), 0);
    ck_assert(before.st_ino != after.st_ino);
    ck_assert_int_lt(after.st_size * 3, before.st_size);
    next = adopt_dup(old); /* a master that is killed here leaves the keeper with one of them */
    is = content(next);
    fd_is(state_fd(st), is);
    state_settle(st, true);
    is_content(st, is);
    found_is(st);
    ck_assert_uint_eq(state_bytes(st), (size_t)after.st_size);
    put_text(STATE_CORE, 0, "later");
    ck_assert_int_eq(commit(), 0);
    found_is(st);
    fd_is(old, is); /* nobody writes there any more */
    state_destroy(next);
    (void)close(old);
    free(is);
}
END_TEST

START_TEST(when_nobody_keeps_the_new_file_the_old_one_goes_on)
{
    int old = fcntl(state_fd(st), F_DUPFD_CLOEXEC, 3);
    struct stat before, after;
    char *is;

    churn();
    state_settle(st, false);
    ck_assert_int_eq(fstat(old, &before), 0);
    ck_assert_int_eq(fstat(state_fd(st), &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    found_is(st);
    put_text(STATE_CORE, 0, "later");
    ck_assert_int_eq(state_commit(st, &error), 0); /* it does not ask with each commit … */
    is = content(st);
    fd_is(old, is);
    churn(); /* … but after a while */
    ck_assert_int_ge(state_end_of(old), before.st_size + ((off_t)250 << 10));
    state_settle(st, false);
    found_is(st);
    churn();
    state_settle(st, true);
    found_is(st);
    free(is);
    is = content(st);
    fd_is(old, is); /* what was written there last is what the new one began with */
    (void)close(old);
    free(is);
}
END_TEST

START_TEST(settling_what_asked_for_nothing_does_nothing)
{
    put_text(STATE_CORE, 0, "core");
    ck_assert_int_eq(state_commit(st, &error), 0);
    state_settle(st, true);
    state_settle(st, false);
    found_is(st);
    put_text(STATE_CORE, 0, "core again");
    ck_assert_int_eq(commit(), 0);
    found_is(st);
}
END_TEST

/* What the state should hold, kept by other means. */
static struct {
    bool is;
    size_t n;
    char fill;
} model[2][KEYS];

static void
matches_model(const struct state *of)
{
    static const enum state_kind kinds[] = {STATE_SERVICE, STATE_REST};
    auto_text struct text want = TEXT_INIT;

    for (size_t k = 0; k < 2; k++) {
        for (size_t key = 0; key < KEYS; key++) {
            if (!model[k][key].is)
                continue;
            memset(filler, model[k][key].fill, sizeof(filler));
            text_addf(&want, "%d.%zu=", (int)kinds[k], key);
            text_addn(&want, filler, model[k][key].n);
            text_add(&want, " ");
        }
    }
    is_content(of, text_str(&want));
}

START_TEST(through_many_rewrites_kept_or_not_nothing_is_lost_or_comes_back)
{
    unsigned seed = 77 + (unsigned)_i, kept = 0, refused = 0;

    memset(model, 0, sizeof(model));
    for (unsigned i = 0; i < 3000; i++) {
        unsigned k = (unsigned)rand_r(&seed) % 2, key = (unsigned)rand_r(&seed) % KEYS;
        enum state_kind kind = k ? STATE_REST : STATE_SERVICE;

        if (rand_r(&seed) % 200 == 0) {
            state_forget(st);
            memset(model, 0, sizeof(model));
        }
        model[k][key].is = rand_r(&seed) % 4 != 0;
        model[k][key].n = (unsigned)rand_r(&seed) % 3000;
        model[k][key].fill = (char)('a' + i % 26);
        memset(filler, model[k][key].fill, model[k][key].n);
        if (model[k][key].is)
            state_put(st, kind, key, filler, model[k][key].n);
        else
            state_drop(st, kind, key);
        if (rand_r(&seed) % 3 == 0)
            continue;
        if (state_commit(st, &error) == 1) {
            bool keep = rand_r(&seed) % 3 != 0;

            state_settle(st, keep);
            kept += keep;
            refused += !keep;
            found_is(st);
        }
        if (i % 50 == 0) {
            (void)commit();
            matches_model(st);
            found_is(st);
        }
    }
    (void)commit();
    matches_model(st);
    found_is(st);
    ck_assert_uint_gt(kept, 3);
    ck_assert_uint_gt(refused, 1);
}
END_TEST

START_TEST(a_small_file_is_left_alone_and_a_large_one_stays_in_bounds)
{
    unsigned rewrites = 0;
    size_t most = 0;

    for (unsigned i = 0; i < 20000; i++) {
        size_t before = state_bytes(st);

        state_put(st, STATE_CORE, 0, filler, 100);
        if (commit() == 1) {
            rewrites++;
            ck_assert_uint_gt(before, (size_t)255 << 10);
        }
        if (state_bytes(st) > most)
            most = state_bytes(st);
    }
    ck_assert_uint_lt(most, (size_t)257 << 10);
    ck_assert_uint_ge(rewrites, 10);
    found_is(st);
}
END_TEST

START_TEST(told_that_much_is_over_it_leaves_the_history_behind_at_once_and_once)
{
    size_t before;

    for (unsigned round = 0; round < 2; round++)
        for (uint64_t i = 0; i < 4000; i++)
            state_put(st, STATE_SERVICE, i, filler, 100);
    ck_assert_int_eq(commit(), 0); /* as much history as it has content: that is no reason */
    before = state_bytes(st);
    state_tidy(st);
    state_put(st, STATE_SERVICE, 0, filler, 100);
    ck_assert_int_eq(commit(), 1);
    ck_assert_uint_lt(state_bytes(st), before * 6 / 10);
    for (uint64_t i = 0; i < 4000; i++)
        state_put(st, STATE_SERVICE, i, filler, 100);
    ck_assert_int_eq(commit(), 0); /* and then it is as ever */
    found_is(st);
}
END_TEST

START_TEST(descriptors_of_files_left_behind_are_closed)
{
    unsigned before = count_fds();

    churn();
    ck_assert_uint_eq(count_fds(), before + 1);
    state_settle(st, true);
    ck_assert_uint_eq(count_fds(), before);
    churn();
    state_settle(st, false);
    ck_assert_uint_eq(count_fds(), before);
    churn();
    state_destroy(st); /* in between: both go */
    ck_assert_uint_eq(count_fds(), before - 1);
    setup();
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("state rewrite");
    TCase *t = tcase_create("state rewrite");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, until_it_is_settled_the_old_and_the_new_file_say_the_same);
    tcase_add_test(t, when_nobody_keeps_the_new_file_the_old_one_goes_on);
    tcase_add_test(t, settling_what_asked_for_nothing_does_nothing);
    tcase_add_loop_test(t, through_many_rewrites_kept_or_not_nothing_is_lost_or_comes_back, 0, 3);
    tcase_add_test(t, a_small_file_is_left_alone_and_a_large_one_stays_in_bounds);
    tcase_add_test(t, told_that_much_is_over_it_leaves_the_history_behind_at_once_and_once);
    tcase_add_test(t, descriptors_of_files_left_behind_are_closed);
    suite_add_tcase(s, t);
    return unit_main(s);
}
