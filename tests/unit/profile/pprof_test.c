/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/profile/fixture.h"

/* What `go tool pprof` makes of our profiles. */

static struct profile *
seventy_thirty(void)
{
    struct profile *p = a_profile();

    add(p, 0x400000, "work", 70, 7);
    add(p, 0x400000, "wait", 30, 7);
    profile_period(p, cpu_types[1], 10000000);
    profile_time(p, 1700000000000000000, 30000000000);
    ck_assert_int_eq(profile_comment(p, "3 s only; 30 say more"), 0);
    return p;
}

START_TEST(pprof_reads_each_part_of_it)
{
    auto_profile struct profile *p = seventy_thirty();
    auto_text struct text said = TEXT_INIT;

    pprof("-raw", p, NULL, &said);
    has(&said, "PeriodType: cpu nanoseconds");
    has(&said, "Period: 10000000");
    has(&said, "Duration: 30s");
    has(&said, "samples/count cpu/nanoseconds[dflt]");
    has(&said, "70  700000000: 1 2");
    has(&said, "service:[web]");
    has(&said, "generation:[7] slot:[0 slot]");
    has(&said, "1: 0x400014 M=1 work /src/web.c:12 s=0");
    has(&said, "1: 0x400000/0x404000/0x1000 /usr/bin/web c0ffee [FN][FL][LN]");
}
END_TEST

START_TEST(pprof_ranks_by_any_type)
{
    auto_profile struct profile *p = seventy_thirty();
    auto_text struct text said = TEXT_INIT;

    pprof("-top", p, NULL, &said);
    has(&said, "Type: cpu");
    has(&said, "700ms 70.00% 70.00%      700ms 70.00%  work");
    has(&said, "300ms 30.00%   100%      300ms 30.00%  wait");
    pprof("-top -sample_index=samples", p, NULL, &said);
    has(&said, "70 70.00% 70.00%         70 70.00%  work");
    pprof("-comments", p, NULL, &said);
    has(&said, "3 s only; 30 say more");
    pprof("-tags", p, NULL, &said);
    has(&said, "service: Total 1.0s");
    has(&said, "generation: Total 1.0s");
}
END_TEST

START_TEST(pprof_takes_one_generation_from_the_next)
{
    auto_profile struct profile *now = a_profile(), *before = a_profile();
    auto_text struct text said = TEXT_INIT;

    add(before, 0x7f0000400000, "work", 70, 6);
    add(now, 0x7f0000900000, "work", 70, 7);
    add(now, 0x7f0000900000, "leak", 4, 7);
    pprof("-top -sample_index=samples", now, before, &said);
    has(&said, "4  5.71%  5.71%          4  5.71%  leak");
    has_not(&said, "work");
}
END_TEST

START_TEST(pprof_opens_what_we_subtracted)
{
    auto_profile struct profile *now = a_profile(), *before = a_profile();
    auto_text struct text said = TEXT_INIT;

    add(before, 0x7f0000400000, "work", 5, 6);
    add(now, 0x7f0000900000, "leak", 4, 7);
    ck_assert_int_eq(profile_merge(now, before, -1), 0);
    pprof("-top -sample_index=samples", now, NULL, &said);
    has(&said, "  leak");
    has(&said, "-5 ");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("pprof");
    TCase *t = tcase_create("pprof");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, pprof_reads_each_part_of_it);
    tcase_add_test(t, pprof_ranks_by_any_type);
    tcase_add_test(t, pprof_takes_one_generation_from_the_next);
    tcase_add_test(t, pprof_opens_what_we_subtracted);
    suite_add_tcase(s, t);
    return unit_main(s);
}
