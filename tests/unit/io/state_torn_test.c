/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A state whose writer was killed in the middle of it, or that somebody scribbled on. */
#include "base/mem.h"
#include "tests/unit/io/state_fixture.h"

static char *bytes; /* the file, whole … */
static size_t n;    /* … and how long it is */
static size_t last; /* where its last batch begins */
static char *before, *after;

static void
begin(void)
{
    setup();
    put_text(STATE_MASTER, 0, "master");
    put_text(STATE_SERVICE, 1, "one");
    put_text(STATE_SERVICE, 2, "two");
    put_text(STATE_HAND, 5, "a hand");
    ck_assert_int_eq(commit(), 0);
    put_text(STATE_SERVICE, 2, "two, again");
    ck_assert_int_eq(commit(), 0);
    before = content(st);
    last = state_bytes(st);
    put_text(STATE_SERVICE, 1, "changed");
    state_drop(st, STATE_HAND, 5);
    put_text(STATE_EFFECT, 12, "to be done");
    ck_assert_int_eq(commit(), 0);
    after = content(st);
    ck_assert_str_ne(before, after);
    bytes = as_bytes(state_fd(st), &n);
    ck_assert_uint_eq(n, state_bytes(st));
}

static void
end(void)
{
    free(bytes);
    free(before);
    free(after);
    teardown();
}

/* A master reads it, goes on with it, and the one after it reads that. */
static void
goes_on(struct state *found)
{
    ck_assert_msg(found != NULL, "%s", error.text);
    state_put(found, STATE_CONFIG, 0, "of the next", 11);
    ck_assert_int_eq(state_commit(found, &error), 0);
    found_is(found);
    state_destroy(found);
}

static void
reads_back_as(const char *data, size_t size, const char *want)
{
    struct state *found = adopt_bytes(data, size);

    ck_assert_msg(found != NULL, "%s", error.text);
    is_content(found, want);
    goes_on(found);
}

START_TEST(cut_at_any_byte_the_last_batch_was_never_there)
{
    for (size_t cut = last; cut < n; cut++)
        reads_back_as(bytes, cut, before);
    reads_back_as(bytes, n, after);
}
END_TEST

/* The pages of a file are there before what is written into them: the rest of it is zero. */
START_TEST(written_up_to_any_byte_the_last_batch_was_never_there)
{
    for (size_t cut = last; cut < n; cut++) {
        auto_free char *torn = calloc(1, n);

        memcpy(torn, bytes, cut);
        if (memcmp(torn, bytes, n) == 0) /* what is missing was zero: padding, and so it is whole */
            reads_back_as(torn, n, after);
        else
            reads_back_as(torn, n, before);
    }
}
END_TEST

START_TEST(scribbled_on_at_any_byte_the_last_batch_was_never_there)
{
    static const unsigned char scribbles[] = {0x01, 0x80, 0xff};

    for (size_t at = last; at < n; at++) {
        for (size_t k = 0; k < ARRAY_LEN(scribbles); k++) {
            bytes[at] = (char)((unsigned char)bytes[at] ^ scribbles[k]);
            reads_back_as(bytes, n, before);
            bytes[at] = (char)((unsigned char)bytes[at] ^ scribbles[k]);
        }
    }
}
END_TEST

/*
 * Of what comes behind a hole nothing counts, not even when a new batch fills the hole just so that
 * the old ones come to lie behind it.
 */
START_TEST(nothing_counts_behind_a_batch_that_is_torn)
{
    size_t first = sizeof(struct file_head);

    for (size_t at = first; at < last; at++) {
        struct state *found;
        char *is;

        bytes[at] ^= 1;
        found = adopt_bytes(bytes, n);
        ck_assert_ptr_nonnull(found);
        is = content(found);
        ck_assert_ptr_null(strstr(is, "to be done"));
        ck_assert_uint_lt(state_bytes(found), last);
        free(is);
        goes_on(found);
        bytes[at] ^= 1;
    }
}
END_TEST

/* A longer batch was being written when its master was killed; the next one writes a shorter. */
START_TEST(remains_of_a_torn_batch_behind_a_shorter_one_are_not_read)
{
    for (size_t cut = last + 1; cut < n; cut++) {
        struct state *found = adopt_bytes(bytes, cut);

        state_drop(found, STATE_SERVICE, 2);
        ck_assert_int_eq(state_commit(found, &error), 0);
        found_is(found);
        state_put(found, STATE_SERVICE, 3, "three", 5);
        ck_assert_int_eq(state_commit(found, &error), 0);
        found_is(found);
        state_destroy(found);
    }
}
END_TEST

/* ---- hostile: as if the checksum were right ---------------------------------------------------- */

static void
seal(char *file, size_t size)
{
    uint64_t sequence = 0;
    size_t at = sizeof(struct file_head);

    while (size - at >= sizeof(struct batch_head)) {
        struct batch_head h;

        memcpy(&h, file + at, sizeof(h));
        if (h.bytes > size - at - sizeof(h))
            return;
        h.magic = BATCH_MAGIC;
        h.reserved = 0;
        h.sequence = ++sequence;
        h.digest = digest_of(file + at + sizeof(h), h.bytes);
        memcpy(file + at, &h, sizeof(h));
        at += sizeof(h) + h.bytes;
    }
}

START_TEST(any_bytes_under_a_right_checksum_are_read_or_refused)
{
    unsigned seed = 1000 + (unsigned)_i, adopted = 0;

    for (int i = 0; i < 3000; i++) {
        auto_free char *copy = malloc(n); /* of its own size: one byte beyond would be seen */
        size_t size = n - (i % 3 ? 0 : (unsigned)rand_r(&seed) % n);
        struct state *found;

        memcpy(copy, bytes, n);
        for (int k = rand_r(&seed) % 5; k >= 0; k--) {
            size_t at = (unsigned)rand_r(&seed) % n;

            if (rand_r(&seed) % 2) /* in a number: high and low ones */
                at = at / 8 * 8 + (rand_r(&seed) % 2 ? 7 : 0);
            copy[at] = (char)(rand_r(&seed) >> 5);
        }
        if (size > sizeof(struct file_head))
            seal(copy, size);
        found = adopt_bytes(copy, size);
        if (!found)
            continue;
        adopted++;
        ck_assert_uint_le(state_live_bytes(found), size);
        goes_on(found);
    }
    ck_assert_uint_gt(adopted, 1000); /* most of them get past the first look */
}
END_TEST

START_TEST(records_that_cannot_be_end_the_reading)
{
    static const struct record_head wrong[] = {
        {STATE_KIND_COUNT, 0, 1, 0             },
        {UINT32_MAX,       0, 1, 0             },
        {STATE_NOTHING,    0, 0, 0             }, /* forgets nothing: it is no drop */
        {STATE_HAND,       1, 1, 8             }, /* dropped, and has content */
        {STATE_HAND,       0, 1, 9             }, /* beyond the batch, by its padding */
        {STATE_HAND,       0, 1, 1 << 20       },
        {STATE_HAND,       0, 1, UINT64_MAX    }, /* … and by what overflows */
        {STATE_HAND,       0, 1, UINT64_MAX - 7},
        {STATE_HAND,       0, 1, INT64_MAX     },
    };

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        auto_free char *copy = malloc(n);
        size_t at = last + sizeof(struct batch_head);
        struct record_head h;

        memcpy(copy, bytes, n);
        memcpy(&h, copy + at, sizeof(h));
        ck_assert_uint_eq(h.bytes, strlen("changed"));
        /* the last record, so that nothing but its own length is wrong */
        at = n - sizeof(h) - padded(strlen("to be done"));
        memcpy(&h, copy + at, sizeof(h));
        ck_assert_uint_eq(h.kind, STATE_EFFECT);
        h = wrong[i];
        if (h.bytes == 9)
            h.bytes = padded(strlen("to be done")) + 1;
        memcpy(copy + at, &h, sizeof(h));
        seal(copy, n);
        reads_back_as(copy, n, before);
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("state torn");
    TCase *t = tcase_create("state torn");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, cut_at_any_byte_the_last_batch_was_never_there);
    tcase_add_test(t, written_up_to_any_byte_the_last_batch_was_never_there);
    tcase_add_test(t, scribbled_on_at_any_byte_the_last_batch_was_never_there);
    tcase_add_test(t, nothing_counts_behind_a_batch_that_is_torn);
    tcase_add_test(t, remains_of_a_torn_batch_behind_a_shorter_one_are_not_read);
    tcase_add_loop_test(t, any_bytes_under_a_right_checksum_are_read_or_refused, 0, 4);
    tcase_add_test(t, records_that_cannot_be_end_the_reading);
    suite_add_tcase(s, t);
    return unit_main(s);
}
