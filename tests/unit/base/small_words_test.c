/* SPDX-License-Identifier: GPL-2.0-or-later */
/* error, list, digest, clock, mem: too small for a file each. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/list.h"
#include "base/mem.h"
#include "tests/unit/unit.h"

START_TEST(an_error_says_what_failed_and_why)
{
    struct error e = {0};

    ck_assert_int_eq(error_set(&e, -ENOENT, "open '%s'", "x"), -ENOENT);
    ck_assert_int_eq(e.code, -ENOENT);
    ck_assert_str_eq(e.text, "open 'x': No such file or directory");
    ck_assert_int_eq(error_say(&e, -EINVAL, "port %d is taken", 80), -EINVAL);
    ck_assert_str_eq(e.text, "port 80 is taken");
    ck_assert_int_eq(error_wrap(&e, -EIO, "service '%s'", "web"), -EIO);
    ck_assert_str_eq(e.text, "service 'web': port 80 is taken");
    ck_assert_int_eq(e.code, -EIO);
}
END_TEST

START_TEST(without_a_place_for_the_sentence_the_code_still_travels)
{
    ck_assert_int_eq(error_set(NULL, -ENOENT, "x"), -ENOENT);
    ck_assert_int_eq(error_say(NULL, -EINVAL, "x"), -EINVAL);
    ck_assert_int_eq(error_wrap(NULL, -EIO, "x"), -EIO);
}
END_TEST

START_TEST(a_sentence_that_is_too_long_is_cut_not_overrun)
{
    struct error e = {0};
    char big[2000];

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    ck_assert_int_eq(error_set(&e, -EIO, "%s", big), -EIO);
    ck_assert_uint_eq(strlen(e.text), sizeof(e.text) - 1);
    ck_assert_int_eq(error_wrap(&e, -EIO, "%s", big), -EIO);
    ck_assert_uint_eq(strlen(e.text), sizeof(e.text) - 1);
}
END_TEST

struct item {
    int value;
    struct list node;
};

START_TEST(a_list_keeps_order_and_lets_go_twice)
{
    struct list head = LIST_INIT(head);
    struct item items[3] = {{.value = 0}, {.value = 1}, {.value = 2}};
    int seen = 0;

    ck_assert(list_empty(&head));
    for (int i = 0; i < 3; i++)
        list_add(&head, &items[i].node);
    list_del(&items[1].node);
    list_del(&items[1].node); /* harmless */
    list_for_each (pos, &head) {
        ck_assert_int_eq(container_of(pos, struct item, node)->value, seen);
        seen += 2;
    }
    ck_assert_int_eq(seen, 4);
    list_for_each_safe (pos, &head)
        list_del(pos);
    ck_assert(list_empty(&head));
}
END_TEST

START_TEST(a_digest_is_that_of_the_bytes_however_they_come)
{
    const char text[] = "the quick brown fox jumps over the lazy dog";
    char buf[DIGEST_TEXT];
    struct digest d;

    for (size_t cut = 0; cut <= sizeof(text); cut++) {
        struct digest_stream *s = digest_stream_create();

        ck_assert_ptr_nonnull(s);
        digest_stream_update(s, text, cut);
        digest_stream_update(s, text + cut, sizeof(text) - cut);
        ck_assert(digest_equal(digest_stream_finish(s), digest_of(text, sizeof(text))));
    }
    d = digest_of("", 0);
    ck_assert(!digest_none(d)); /* known, and of nothing */
    /* XXH3_128bits of the empty input, from the algorithm's own specification */
    ck_assert_str_eq(digest_format(d, buf), "99aa06d3014798d86001c324468d497f");
    ck_assert(digest_none((struct digest){0, 0}));
}
END_TEST

START_TEST(a_mixed_digest_knows_the_order)
{
    struct digest zero = {0, 0}, a = digest_of("a", 1), b = digest_of("b", 1);

    ck_assert(!digest_equal(a, b));
    ck_assert(
        !digest_equal(digest_mix(digest_mix(zero, a), b), digest_mix(digest_mix(zero, b), a)));
    ck_assert(!digest_equal(digest_mix(zero, a), a));
}
END_TEST

START_TEST(the_monotonic_clock_does_not_go_back)
{
    int64_t before = mono_now_us();

    ck_assert_int_gt(before, 0);
    for (int i = 0; i < 1000; i++) {
        int64_t now = mono_now_us();

        ck_assert_int_ge(now, before);
        before = now;
    }
    ck_assert_int_gt(wall_now_us(), INT64_C(1500000000000000)); /* after 2017, in microseconds */
}
END_TEST

START_TEST(what_was_stolen_is_forgotten)
{
    auto_free char *p = strdup("x");
    char *q = steal(p);

    ck_assert_ptr_null(p);
    ck_assert_str_eq(q, "x");
    free(q);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("small words");
    TCase *c = tcase_create("small words");

    tcase_add_test(c, an_error_says_what_failed_and_why);
    tcase_add_test(c, without_a_place_for_the_sentence_the_code_still_travels);
    tcase_add_test(c, a_sentence_that_is_too_long_is_cut_not_overrun);
    tcase_add_test(c, a_list_keeps_order_and_lets_go_twice);
    tcase_add_test(c, a_digest_is_that_of_the_bytes_however_they_come);
    tcase_add_test(c, a_mixed_digest_knows_the_order);
    tcase_add_test(c, the_monotonic_clock_does_not_go_back);
    tcase_add_test(c, what_was_stolen_is_forgotten);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
