/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/probe/judge_world.h"

static struct thread_facts *
watcher(void)
{
    w_begin();
    w_main(WAIT_SIGNAL, true);
    return registered(w_thread("watch"));
}

START_TEST(a_vital_thread_that_does_not_beat_is_a_dead_watcher)
{
    struct thread_facts *t = watcher();

    t->claim.vital_every_us = 5 * US_PER_S;
    t->claim.beats = t->claim.beats_before = 12;
    t->claim.beats_before_us = NOW_US - 12 * US_PER_S;
    w_judge();
    is_verdict(t, VERDICT_DEAD_WATCHER);
    is_said("no beat for 12.0 s");
    t->claim.beats_before_us = NOW_US - 4 * US_PER_S;
    w_judge();
    is_verdict(t, VERDICT_CLEAN);
    t->claim.beats_before_us = NOW_US - 12 * US_PER_S;
    t->claim.beats++;
    w_judge();
    is_verdict(t, VERDICT_CLEAN);
}
END_TEST

START_TEST(a_vital_thread_that_ended_is_a_dead_watcher_while_its_scope_lives)
{
    struct thread_facts *t = watcher();

    w.n_dead = 1;
    w_dead[0].tid = 4000;
    w_dead[0].claim = t->claim;
    (void)snprintf(w_dead[0].claim.name, sizeof(w_dead[0].claim.name), "config-watch");
    w_dead[0].claim.vital_every_us = 0;
    w_judge();
    ck_assert_uint_eq(js.n, w.n + 1);
    ck_assert_int_eq(js.of[w.n].verdict, VERDICT_DEAD_WATCHER);
    ck_assert_int_eq(js.process, VERDICT_DEAD_WATCHER);
    is_said("thread `config-watch`, started at cache.c:88");
    is_said("which had to live on, is gone");
    w_scopes[0].cancelled_us = NOW_US - US_PER_S;
    w_judge();
    ck_assert_uint_eq(js.n, w.n);
}
END_TEST

START_TEST(who_ended_and_was_not_joined_is_told)
{
    struct thread_facts *t = watcher();

    w.n_dead = 2;
    for (int i = 0; i < 2; i++) {
        w_dead[i].tid = 4000 + i;
        w_dead[i].claim = t->claim;
        w_dead[i].claim.cancelled_us = NOW_US - LONG_AGO;
        w_dead[i].joinable = i == 0;
    }
    w_judge();
    ck_assert_uint_eq(js.n, w.n + 1);
    ck_assert_int_eq(js.of[w.n].verdict, VERDICT_UNJOINED);
    no_leaks();
}
END_TEST

int
main(void)
{
    const TTest *tests[] = {a_vital_thread_that_does_not_beat_is_a_dead_watcher,
                            a_vital_thread_that_ended_is_a_dead_watcher_while_its_scope_lives,
                            who_ended_and_was_not_joined_is_told};

    return unit_main(w_suite("probe: who should live, and does not", tests, ARRAY_LEN(tests)));
}
