/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/pack.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "tests/unit/unit.h"

static struct text packed;

static void
teardown(void)
{
    text_finish(&packed);
}

static struct unpack
reader(void)
{
    return (struct unpack)UNPACK_INIT(packed.data, packed.bytes);
}

/* One value of each kind, in an order that mixes them. */
static void
pack_all(void)
{
    struct strv v = {NULL, 0}, none = {NULL, 0};

    ck_assert_int_eq(strv_add(&v, "A=1"), 0);
    ck_assert_int_eq(strv_add(&v, ""), 0);
    pack_u64(&packed, UINT64_MAX);
    pack_str(&packed, "web");
    pack_i64(&packed, INT64_MIN);
    pack_str(&packed, NULL);
    pack_strv(&packed, &v);
    pack_str(&packed, "");
    pack_bytes(&packed, "a\0b\xff", 4);
    pack_strv(&packed, &none);
    pack_bytes(&packed, NULL, 0);
    pack_u64(&packed, 1);
    pack_str(&packed, "0123456");
    ck_assert(!packed.failed);
    strv_finish(&v);
}

/* What of it can be looked at without knowing whether it is bad. Return: how much was right. */
static unsigned
unpack_all(struct unpack *in)
{
    struct strv v = {NULL, 0}, none = {NULL, 0};
    unsigned right = 0;
    const char *bytes;
    char chars[8];
    char *s;
    size_t n;

    right += unpack_u64(in) == UINT64_MAX;
    s = unpack_str(in);
    right += s && strcmp(s, "web") == 0;
    free(s);
    right += unpack_i64(in) == INT64_MIN;
    s = unpack_str(in);
    right += !s && !in->bad;
    free(s);
    unpack_strv(in, &v);
    right += v.n == 2 && strcmp(v.items[0], "A=1") == 0 && strcmp(v.items[1], "") == 0;
    s = unpack_str(in);
    right += s && strcmp(s, "") == 0;
    free(s);
    bytes = unpack_bytes(in, &n);
    right += n == 4 && memcmp(bytes, "a\0b\xff", 4) == 0;
    unpack_strv(in, &none);
    right += none.n == 0 && !in->bad;
    bytes = unpack_bytes(in, &n);
    ck_assert_ptr_nonnull(bytes);
    right += n == 0 && !in->bad;
    right += unpack_bool(in);
    memset(chars, 'x', sizeof(chars));
    unpack_chars(in, chars, sizeof(chars));
    ck_assert_ptr_nonnull(memchr(chars, '\0', sizeof(chars)));
    right += strcmp(chars, "0123456") == 0;
    strv_finish(&v);
    strv_finish(&none);
    return right;
}

#define ALL 11

START_TEST(what_was_packed_comes_back_and_nothing_is_left_over)
{
    struct unpack in;

    pack_all();
    in = reader();
    ck_assert_uint_eq(unpack_all(&in), ALL);
    ck_assert(unpack_done(&in));
    in = reader();
    in.left--;
    (void)unpack_all(&in);
    ck_assert(!unpack_done(&in));
    pack_u64(&packed, 0); /* one value too many */
    in = reader();
    ck_assert_uint_eq(unpack_all(&in), ALL);
    ck_assert(!in.bad);
    ck_assert(!unpack_done(&in));
}
END_TEST

START_TEST(cut_anywhere_it_is_bad_and_stays_bad)
{
    pack_all();
    for (size_t n = 0; n < packed.bytes; n++) {
        auto_free char *copy = malloc(n + 1); /* of its own size: one byte beyond would be seen */
        struct unpack in = UNPACK_INIT(copy, n);

        memcpy(copy, packed.data, n);
        ck_assert_uint_lt(unpack_all(&in), ALL);
        ck_assert(in.bad);
        in.left = n; /* even if there were more again */
        in.at = copy;
        ck_assert_uint_eq(unpack_u64(&in), 0);
        ck_assert_int_eq(unpack_i64(&in), 0);
        ck_assert(!unpack_bool(&in));
        ck_assert_ptr_null(unpack_str(&in));
        ck_assert(in.bad);
        ck_assert(!unpack_done(&in));
    }
}
END_TEST

START_TEST(any_bytes_are_fine)
{
    unsigned seed = 4711;

    pack_all();
    for (int i = 0; i < 20000; i++) {
        auto_free char *copy = malloc(packed.bytes);
        struct unpack in = UNPACK_INIT(copy, packed.bytes);

        memcpy(copy, packed.data, packed.bytes);
        for (int k = rand_r(&seed) % 4; k >= 0; k--)
            copy[(unsigned)rand_r(&seed) % packed.bytes] = (char)(rand_r(&seed) >> 3);
        (void)unpack_all(&in);
        ck_assert_uint_le(in.left, packed.bytes);
    }
}
END_TEST

START_TEST(a_number_out_of_its_range_is_bad)
{
    struct unpack in;

    pack_u64(&packed, 7);
    in = reader();
    ck_assert_uint_eq(unpack_most(&in, 7), 7);
    ck_assert(unpack_done(&in));
    in = reader();
    ck_assert_uint_eq(unpack_most(&in, 6), 0);
    ck_assert(in.bad);
    in = reader();
    ck_assert(!unpack_bool(&in));
    ck_assert(in.bad);
}
END_TEST

START_TEST(a_text_has_to_fit_and_to_be_one)
{
    struct unpack in;
    char room[4] = "xyz";

    pack_str(&packed, "abc");
    in = reader();
    unpack_chars(&in, room, 4);
    ck_assert_str_eq(room, "abc");
    ck_assert(unpack_done(&in));
    in = reader();
    unpack_chars(&in, room, 3);
    ck_assert_str_eq(room, "");
    ck_assert(in.bad);
    text_clear(&packed);
    pack_bytes(&packed, "a\0c", 3);
    in = reader();
    unpack_chars(&in, room, 4);
    ck_assert_str_eq(room, "");
    ck_assert(in.bad);
    in = reader();
    ck_assert_ptr_null(unpack_str(&in));
    ck_assert(in.bad);
    text_clear(&packed);
    pack_str(&packed, NULL); /* there is no place for it in an array */
    in = reader();
    unpack_chars(&in, room, 4);
    ck_assert(in.bad);
}
END_TEST

START_TEST(a_length_that_is_not_there_costs_no_memory)
{
    static const uint64_t lengths[] = {9, UINT64_C(1) << 40, INT64_MAX, UINT64_MAX - 1};

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct strv v = {NULL, 0};
        struct unpack in;
        size_t n;

        text_clear(&packed);
        pack_u64(&packed, lengths[i]);
        pack_u64(&packed, 0);
        in = reader();
        ck_assert_ptr_null(unpack_str(&in));
        ck_assert(in.bad);
        in = reader();
        ck_assert_ptr_nonnull(unpack_bytes(&in, &n));
        ck_assert_uint_eq(n, 0);
        ck_assert(in.bad);
        in = reader();
        unpack_strv(&in, &v);
        ck_assert_uint_eq(v.n, 0);
        ck_assert(in.bad);
    }
}
END_TEST

START_TEST(a_list_keeps_what_it_had_and_holds_no_null)
{
    struct strv v = {NULL, 0};
    struct unpack in;

    ck_assert_int_eq(strv_add(&v, "before"), 0);
    pack_u64(&packed, 2);
    pack_str(&packed, "one");
    pack_str(&packed, NULL);
    in = reader();
    unpack_strv(&in, &v);
    ck_assert(in.bad);
    ck_assert_uint_eq(v.n, 2);
    ck_assert_str_eq(v.items[0], "before");
    ck_assert_str_eq(v.items[1], "one");
    strv_finish(&v);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("pack");
    TCase *t = tcase_create("pack");

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_test(t, what_was_packed_comes_back_and_nothing_is_left_over);
    tcase_add_test(t, cut_anywhere_it_is_bad_and_stays_bad);
    tcase_add_test(t, any_bytes_are_fine);
    tcase_add_test(t, a_number_out_of_its_range_is_bad);
    tcase_add_test(t, a_text_has_to_fit_and_to_be_one);
    tcase_add_test(t, a_length_that_is_not_there_costs_no_memory);
    tcase_add_test(t, a_list_keeps_what_it_had_and_holds_no_null);
    suite_add_tcase(s, t);
    return unit_main(s);
}
