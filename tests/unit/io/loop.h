/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_LOOP_H
#define STINT_TESTS_UNIT_IO_LOOP_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

static inline void
loop_on_tick(EV_P_ ev_timer *w, int revents)
{
    (void)loop;
    (void)w;
    (void)revents;
}

/**
 * loop_until - run @loop until @done says so or @timeout_us (from now) is over.
 *
 * Return: what @done says at the end. It is asked after each turn; a slow tick wakes the loop so
 * that conditions outside of it (a file, a process) are seen too.
 */
static inline bool
loop_until(struct ev_loop *loop, bool (*done)(void *env), void *env, int64_t timeout_us)
{
    int64_t deadline_us = mono_now_us() + timeout_us;
    ev_timer tick;
    bool yes;

    ev_timer_init(&tick, loop_on_tick, 0.005, 0.005);
    ev_timer_start(loop, &tick);
    while (!(yes = done(env)) && mono_now_us() < deadline_us)
        ev_run(loop, EVRUN_ONCE);
    ev_timer_stop(loop, &tick);
    return yes;
}

#endif
