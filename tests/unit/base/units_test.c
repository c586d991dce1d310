/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/units.h"

#include <errno.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

static const struct {
    const char *text;
    int64_t us;
} durations[] = {
    {"0",            0                           },
    {"0s",           0                           },
    {"10us",         10                          },
    {"250ms",        250000                      },
    {"30s",          30 * US_PER_S               },
    {"1.5s",         1500000                     },
    {"0.1s",         100000                      }, /* exactly */
    {"5m",           300 * US_PER_S              },
    {"1h",           3600 * US_PER_S             },
    {"2d",           172800 * US_PER_S           },
    {"0.999999999d", INT64_C(86399999913)        },
    {"106751991d",   INT64_C(9223372022400000000)},
};

START_TEST(a_duration_reads_exactly)
{
    int64_t us = -1;

    ck_assert_int_eq(duration_parse(durations[_i].text, &us), 0);
    ck_assert_int_eq(us, durations[_i].us);
}
END_TEST

static const struct {
    const char *text;
    int code;
} not_durations[] = {
    {"",                      -EINVAL},
    {"30",                    -EINVAL}, /* no unit */
    {"s",                     -EINVAL},
    {"1.s",                   -EINVAL},
    {".5s",                   -EINVAL},
    {"-1s",                   -EINVAL},
    {"+1s",                   -EINVAL},
    {" 1s",                   -EINVAL},
    {"1s ",                   -EINVAL},
    {"1 s",                   -EINVAL},
    {"1S",                    -EINVAL},
    {"1sec",                  -EINVAL},
    {"1e3s",                  -EINVAL},
    {"106751992d",            -ERANGE},
    {"99999999999999999999s", -ERANGE},
    {"9223372036854775808us", -ERANGE},
};

START_TEST(what_is_no_duration_is_refused_and_changes_nothing)
{
    int64_t us = 7;

    ck_assert_int_eq(duration_parse(not_durations[_i].text, &us), not_durations[_i].code);
    ck_assert_int_eq(us, 7);
}
END_TEST

START_TEST(every_duration_is_written_so_that_it_reads_back)
{
    uint64_t state = 88172645463325252ULL; /* xorshift: the same numbers each time */
    char buf[32];

    for (int i = 0; i < 20000; i++) {
        int64_t us, again = -1;

        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        us = (int64_t)(state >> (1 + state % 60));
        if (i % 3 == 0)
            us -= us % US_PER_S;
        ck_assert_int_eq(duration_parse(duration_format(us, buf, sizeof(buf)), &again), 0);
        ck_assert_int_eq(again, us);
    }
}
END_TEST

START_TEST(a_duration_is_written_with_its_largest_exact_unit)
{
    char buf[32];

    ck_assert_str_eq(duration_format(0, buf, sizeof(buf)), "0");
    ck_assert_str_eq(duration_format(1, buf, sizeof(buf)), "1us");
    ck_assert_str_eq(duration_format(1500000, buf, sizeof(buf)), "1500ms");
    ck_assert_str_eq(duration_format(60 * US_PER_S, buf, sizeof(buf)), "1m");
    ck_assert_str_eq(duration_format(86400 * US_PER_S, buf, sizeof(buf)), "1d");
}
END_TEST

START_TEST(people_read_about_three_digits)
{
    char buf[32];

    ck_assert_str_eq(duration_human(17, buf, sizeof(buf)), "17 µs");
    ck_assert_str_eq(duration_human(12300, buf, sizeof(buf)), "12.3 ms");
    ck_assert_str_eq(duration_human(123400, buf, sizeof(buf)), "123 ms");
    ck_assert_str_eq(duration_human(3210000, buf, sizeof(buf)), "3.21 s");
    ck_assert_str_eq(duration_human(45600000, buf, sizeof(buf)), "45.6 s");
    ck_assert_str_eq(duration_human(600 * US_PER_S, buf, sizeof(buf)), "10 min");
    ck_assert_str_eq(duration_human(9000 * US_PER_S, buf, sizeof(buf)), "2.5 h");
    ck_assert_str_eq(duration_human(259200 * US_PER_S, buf, sizeof(buf)), "3.0 d");
}
END_TEST

START_TEST(sizes_read_and_write_exactly)
{
    uint64_t v = 0;
    char buf[32];

    ck_assert_int_eq(size_parse("512", &v), 0);
    ck_assert_uint_eq(v, 512);
    ck_assert_int_eq(size_parse("512B", &v), 0);
    ck_assert_uint_eq(v, 512);
    ck_assert_int_eq(size_parse("64KiB", &v), 0);
    ck_assert_uint_eq(v, 65536);
    ck_assert_int_eq(size_parse("1.5MiB", &v), 0);
    ck_assert_uint_eq(v, 1572864);
    ck_assert_int_eq(size_parse("2GiB", &v), 0);
    ck_assert_str_eq(size_format(v, buf, sizeof(buf)), "2GiB");
    ck_assert_str_eq(size_format(1000, buf, sizeof(buf)), "1000B");
    ck_assert_str_eq(size_format(0, buf, sizeof(buf)), "0B");
    ck_assert_int_eq(size_parse("4K", &v), -EINVAL);
    ck_assert_int_eq(size_parse("", &v), -EINVAL);
    ck_assert_int_eq(size_parse("4 KiB", &v), -EINVAL);
    ck_assert_int_eq(size_parse("8589934592GiB", &v), -ERANGE);
    ck_assert_int_eq(size_parse("11111111111111111111111111111111111111", &v), -ERANGE);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("units");
    TCase *c = tcase_create("units");

    tcase_add_loop_test(c, a_duration_reads_exactly, 0, (int)ARRAY_LEN(durations));
    tcase_add_loop_test(c, what_is_no_duration_is_refused_and_changes_nothing, 0,
                        (int)ARRAY_LEN(not_durations));
    tcase_add_test(c, every_duration_is_written_so_that_it_reads_back);
    tcase_add_test(c, a_duration_is_written_with_its_largest_exact_unit);
    tcase_add_test(c, people_read_about_three_digits);
    tcase_add_test(c, sizes_read_and_write_exactly);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
