/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/draw.h"
#include "tests/unit/profile/fixture.h"

/* Profiles for people. What a function is called is somebody's text. */

static void
stack(struct profile *p, const char *const *names, size_t n, int64_t samples)
{
    struct profile_frame frames[8] = {{0}};
    const int64_t values[] = {samples, samples * 10000000};

    for (size_t i = 0; i < n; i++)
        frames[i] = (struct profile_frame){.address = 0x1000 + i, .function = names[i]};
    ck_assert_int_eq(profile_sample(p, frames, n, values, NULL, 0), 0);
}

#define STACK(p, samples, ...)                        \
    do {                                              \
        const char *const names_[] = {__VA_ARGS__};   \
        stack(p, names_, ARRAY_LEN(names_), samples); \
    } while (0)

START_TEST(functions_are_ranked_by_what_they_have_themselves)
{
    auto_profile struct profile *p = a_profile();
    struct profile_top *top = NULL;
    size_t n = 0;

    STACK(p, 3, "leaf", "main");
    STACK(p, 5, "deep", "deep", "deep", "main"); /* recursion counts once */
    STACK(p, 1, "main");
    ck_assert_int_eq(profile_rank(p, 0, &top, &n), 0);
    ck_assert_uint_eq(n, 3);
    ck_assert_str_eq(top[0].function, "deep");
    ck_assert_int_eq(top[0].flat, 5);
    ck_assert_int_eq(top[0].cum, 5);
    ck_assert_str_eq(top[1].function, "leaf");
    ck_assert_str_eq(top[2].function, "main");
    ck_assert_int_eq(top[2].flat, 1);
    ck_assert_int_eq(top[2].cum, 9);
    free(top);
}
END_TEST

START_TEST(code_without_a_name_is_told_by_its_place)
{
    auto_profile struct profile *p = a_profile();
    const struct profile_mapping m = {.start = 0x400000, .limit = 0x500000, .file = "/usr/bin/web"};
    struct profile_frame f = {.address = 0x400123};
    const int64_t values[] = {1, 1};
    struct profile_top *top = NULL;
    size_t n = 0;

    ck_assert_int_eq(profile_mapping(p, &m, &f.mapping), 0);
    ck_assert_int_eq(profile_sample(p, &f, 1, values, NULL, 0), 0);
    ck_assert_int_eq(profile_rank(p, 0, &top, &n), 0);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(top[0].function, "web 0x400123");
    free(top);
}
END_TEST

START_TEST(a_picture_is_xml_whatever_functions_are_called)
{
    auto_profile struct profile *p = a_profile();
    auto_text struct text svg = TEXT_INIT;

    STACK(p, 7, "]]></script><script>alert(\"1\")</script>", "operator<< & co", "main");
    STACK(p, 3, "\xff\x01 not text", "main");
    ck_assert_int_eq(profile_flamegraph(p, 0, "<web> & \"co\"", &svg), 0);
    has(&svg, "&lt;web&gt; &amp; &quot;co&quot;: 10");
    has(&svg, "<title>]]&gt;&lt;/script&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; (7, "
              "70.00 %)");
    has(&svg, "<title>operator&lt;&lt; &amp; co (7, 70.00 %)");
    has(&svg, "<title>main (10, 100.00 %)");
    has_not(&svg, "<script>alert");
    has_not(&svg, "\xff");
    ck_assert_ptr_eq(strstr(text_str(&svg), "http"),
                     strstr(text_str(&svg), "http://www.w3.org/2000/svg"));
    ck_assert_ptr_null(strstr(strstr(text_str(&svg), "w3.org"), "http")); /* nothing is fetched */
}
END_TEST

START_TEST(a_picture_of_a_difference_has_two_colours)
{
    auto_profile struct profile *p = a_profile(), *base = a_profile();
    auto_text struct text svg = TEXT_INIT;

    STACK(p, 4, "more", "main");
    STACK(base, 3, "less", "main");
    ck_assert_int_eq(profile_merge(p, base, -1), 0);
    ck_assert_int_eq(profile_flamegraph(p, 0, "web", &svg), 0);
    has(&svg, "<title>more (4, 57.14 %)");
    has(&svg, "<title>less (-3, 42.86 %)");
    has(&svg, "rgb(255,70,70)");
    has(&svg, "rgb(70,70,255)");
}
END_TEST

START_TEST(nothing_is_a_picture_too)
{
    auto_profile struct profile *p = a_profile();
    auto_text struct text svg = TEXT_INIT;

    ck_assert_int_eq(profile_flamegraph(p, 1, "web", &svg), 0);
    has(&svg, "<title>all (0, 0.00 %)");
}
END_TEST

START_TEST(amounts_have_units)
{
    char buf[48];

    ck_assert_str_eq(profile_amount(1500000000, "nanoseconds", buf, sizeof(buf)), "1.50 s");
    ck_assert_str_eq(profile_amount(-2097152, "bytes", buf, sizeof(buf)), "-2.00 MiB");
    ck_assert_str_eq(profile_amount(17, "count", buf, sizeof(buf)), "17");
    ck_assert_str_eq(profile_amount(0, "bytes", buf, sizeof(buf)), "0");
    ck_assert_str_eq(profile_amount(INT64_MIN, "count", buf, sizeof(buf)), "-9223372036854775808");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("draw");
    TCase *t = tcase_create("draw");

    tcase_add_test(t, functions_are_ranked_by_what_they_have_themselves);
    tcase_add_test(t, code_without_a_name_is_told_by_its_place);
    tcase_add_test(t, a_picture_is_xml_whatever_functions_are_called);
    tcase_add_test(t, a_picture_of_a_difference_has_two_colours);
    tcase_add_test(t, nothing_is_a_picture_too);
    tcase_add_test(t, amounts_have_units);
    suite_add_tcase(s, t);
    return unit_main(s);
}
