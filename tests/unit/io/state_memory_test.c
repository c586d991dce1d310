/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No memory, or no room in the file: what a master would find is whole, and all is written anew. */
#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/io/state_fixture.h"

static long fail_at = -1; /* this many allocations still succeed, then none; -1: all do */
static bool failed;

static bool
refuse(void)
{
    if (fail_at > 0)
        fail_at--;
    failed = failed || fail_at == 0;
    return fail_at == 0;
}

/* NOLINTBEGIN(readability-identifier-naming): the linker puts it before the C library's (--wrap) */
void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);

void *
__wrap_malloc(size_t bytes)
{
    return refuse() ? NULL : __real_malloc(bytes);
}

void *
__wrap_calloc(size_t n, size_t bytes)
{
    return refuse() ? NULL : __real_calloc(n, bytes);
}

void *
__wrap_realloc(void *p, size_t bytes)
{
    return refuse() ? NULL : __real_realloc(p, bytes);
}
/* NOLINTEND(readability-identifier-naming) */

static char big[8192];

/* Everything, as it is after change(). */
static void
put_everything(void)
{
    state_forget(st);
    for (uint64_t key = 0; key < 100; key++)
        put_text(STATE_SERVICE, key, key % 2 ? "changed" : "as it was");
    for (uint64_t key = 0; key < 100; key++)
        put_text(STATE_EFFECT, key, "new");
    state_put(st, STATE_DESK, 0, big, sizeof(big));
}

static void
put_old(void)
{
    for (uint64_t key = 0; key < 100; key++)
        put_text(STATE_SERVICE, key, "as it was");
    put_text(STATE_CORE, 0, "will be dropped");
    state_put(st, STATE_DESK, 0, big, sizeof(big));
    ck_assert_int_eq(commit(), 0);
}

static void
put_change(void)
{
    state_drop(st, STATE_CORE, 0);
    for (uint64_t key = 1; key < 100; key += 2)
        put_text(STATE_SERVICE, key, "changed");
    for (uint64_t key = 0; key < 100; key++)
        put_text(STATE_EFFECT, key, "new");
}

/* The step is there as a whole or not at all, and then everything is said anew. */
static void
is_whole_after(int r, const char *before, const char *after)
{
    struct state *found;
    size_t n;
    char *bytes = as_bytes(state_fd(st), &n), *is;

    found = adopt_bytes(bytes, n);
    ck_assert_ptr_nonnull(found);
    is = content(found);
    if (r >= 0)
        ck_assert_str_eq(is, after);
    else
        ck_assert_msg(strcmp(is, before) == 0 || strcmp(is, after) == 0, "found: %s", is);
    state_destroy(found);
    free(is);
    free(bytes);
    put_everything();
    (void)commit();
    is_content(st, after);
    found_is(st);
    state_drop(st, STATE_EFFECT, 7);
    (void)commit();
    found_is(st);
}

static char *
content_after(void)
{
    char *is;

    put_everything();
    (void)commit();
    is = content(st);
    teardown();
    setup();
    return is;
}

/* _i: how much of history there is: with much of it the commit writes the file anew. */
START_TEST(without_memory_a_commit_is_there_as_a_whole_or_not_at_all)
{
    char *after = content_after(), *before;
    unsigned refused = 0, good = 0;
    bool more = true;

    for (long k = 1; more; k++) {
        int r;

        put_old();
        for (unsigned i = 0; _i && state_bytes(st) < (size_t)250 << 10; i++) {
            state_put(st, STATE_DESK, 0, big, sizeof(big));
            ck_assert_int_eq(commit(), 0);
        }
        if (_i) /* the next one is too much */
            state_put(st, STATE_DESK, 0, big, sizeof(big));
        before = content(st);
        failed = false;
        fail_at = k;
        put_change();
        r = state_commit(st, &error);
        fail_at = -1;
        more = failed;
        if (r == 1)
            state_settle(st, true);
        ck_assert_int_eq(r, r < 0 ? -ENOMEM : !more && _i);
        refused += r < 0;
        good += r >= 0;
        is_whole_after(r, before, after);
        free(before);
        teardown();
        setup();
    }
    ck_assert_uint_ge(refused, 100); /* the entries alone */
    ck_assert_uint_ge(good, 1U + (unsigned)_i);
    free(after);
}
END_TEST

START_TEST(without_memory_nothing_is_taken_over_and_the_descriptor_stays)
{
    bool more = true;
    int refused = 0;

    put_old();
    for (long k = 1; more; k++) {
        int fd = fcntl(state_fd(st), F_DUPFD_CLOEXEC, 3), r;
        struct state *found = NULL;

        failed = false;
        fail_at = k;
        r = state_adopt(fd, &found, &error);
        fail_at = -1;
        more = failed;
        ck_assert_int_eq(r, more ? -ENOMEM : 0);
        refused += r < 0;
        if (r == 0)
            state_destroy(found);
        else
            ck_assert_int_eq(close(fd), 0);
    }
    ck_assert_int_ge(refused, 100);
}
END_TEST

START_TEST(without_memory_nothing_is_read_or_made)
{
    struct state *other = NULL;
    struct content c = {.text = TEXT_INIT};
    unsigned before = count_fds();
    int each, one, create;

    put_old();
    for (long k = 1; k <= 2; k++) {
        fail_at = k;
        each = state_each(st, STATE_SERVICE, content_add, &c);
        fail_at = -1;
        ck_assert_int_eq(each, -ENOMEM);
    }
    fail_at = 1;
    one = state_one(st, STATE_SERVICE, 1, content_add, &c);
    create = state_create(&other, &error);
    fail_at = -1;
    ck_assert_int_eq(one, -ENOMEM);
    ck_assert_int_eq(create, -ENOMEM);
    ck_assert_ptr_null(other);
    ck_assert_uint_eq(c.text.bytes, 0);
    ck_assert_uint_eq(count_fds(), before);
}
END_TEST

static void
limit_files(rlim_t bytes)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(in_a_full_file_a_commit_is_there_as_a_whole_or_not_at_all)
{
    char *after = content_after(), *before;
    int r = -EFBIG;

    (void)signal(SIGXFSZ, SIG_IGN);
    for (size_t room = 0; r < 0; room += 97) {
        put_old();
        before = content(st);
        put_change();
        limit_files(state_bytes(st) + room);
        r = state_commit(st, &error);
        limit_files(RLIM_INFINITY);
        ck_assert_int_eq(r, r < 0 ? -EFBIG : 0);
        is_whole_after(r, before, after);
        free(before);
        teardown();
        setup();
    }
    free(after);
}
END_TEST

START_TEST(where_no_other_file_can_be_written_the_old_one_goes_on)
{
    struct rlimit old, none;
    bool rewritten = false;

    put_old();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){3, old.rlim_max}; /* no further descriptor */
    for (unsigned i = 0; i < 100; i++) {
        state_put(st, STATE_DESK, 0, big, sizeof(big));
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
        ck_assert_int_eq(state_commit(st, &error), 0);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    }
    ck_assert_uint_gt(state_bytes(st), (size_t)700 << 10);
    found_is(st);
    for (unsigned i = 0; i < 40 && !rewritten; i++) {
        state_put(st, STATE_DESK, 0, big, sizeof(big));
        rewritten = state_commit(st, &error) == 1;
    }
    ck_assert(rewritten);
    state_settle(st, true);
    found_is(st);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("state memory");
    TCase *t = tcase_create("state memory");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, without_memory_a_commit_is_there_as_a_whole_or_not_at_all, 0, 2);
    tcase_add_test(t, without_memory_nothing_is_taken_over_and_the_descriptor_stays);
    tcase_add_test(t, without_memory_nothing_is_read_or_made);
    tcase_add_test(t, in_a_full_file_a_commit_is_there_as_a_whole_or_not_at_all);
    tcase_add_test(t, where_no_other_file_can_be_written_the_old_one_goes_on);
    suite_add_tcase(s, t);
    return unit_main(s);
}
