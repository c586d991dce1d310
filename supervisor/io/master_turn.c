/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"

/*
 * How long a turn of the loop takes: what we computed or were blocked in. Time in which the kernel
 * gave the CPU to others while we could run is not ours; it is told apart by /proc/self/schedstat
 * ("CPU-time run-delay slices", in ns) where the kernel has it. That is a text to be written and read,
 * which a loop with a turn for each piece of output would feel: what was read less than a millisecond
 * before a turn began is good for it, too. So of the waiting that is taken off, that much may be older.
 */

#define ACCOUNT_GOOD_US INT64_C(1000)

static struct turn_account
turn_account(const struct master *m)
{
    struct turn_account account = {.at_us = mono_now_us()};
    char text[96], *second;
    ssize_t n = m->schedstat_fd >= 0 ? pread(m->schedstat_fd, text, sizeof(text) - 1, 0) : 0;

    if (n > 0) {
        text[n] = '\0';
        account.computed_us = (int64_t)(strtoull(text, &second, 10) / 1000);
        account.starved_us = (int64_t)(strtoull(second, NULL, 10) / 1000);
    }
    return account;
}

static void
on_woke(EV_P_ ev_check *w, int revents)
{
    struct master *m = container_of(w, struct master, woke);

    (void)loop;
    (void)revents;
    m->turn_at_us = mono_now_us();
    if (m->turn_at_us - m->turn.at_us >= ACCOUNT_GOOD_US)
        m->turn = turn_account(m);
}

static void
on_sleeps(EV_P_ ev_prepare *w, int revents)
{
    struct master *m = container_of(w, struct master, sleeps);
    struct turn_account now = {0};
    int64_t lasted_us;

    (void)loop;
    (void)revents;
    numbers_save(m);
    save_turn(m);
    hands_release(m);
    lasted_us = m->turn_at_us ? mono_now_us() - m->turn_at_us : 0;
    if (lasted_us > STALL_US) {
        now = turn_account(m);
        lasted_us -= now.starved_us - m->turn.starved_us;
    }
    if (lasted_us > m->count.longest_turn_us)
        m->count.longest_turn_us = lasted_us;
    if (lasted_us <= STALL_US)
        return;
    m->count.stalls++;
    journal_say(m->journal, LOG_LEVEL_WARNING, "loop_stall",
                "a turn of the loop took %lld ms, %lld of them in computing",
                (long long)(lasted_us / US_PER_MS),
                (long long)((now.computed_us - m->turn.computed_us) / US_PER_MS));
}

void
turn_init(struct master *m)
{
    m->schedstat_fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC); /* -1: wall time counts */
    ev_check_init(&m->woke, on_woke);
    ev_set_priority(&m->woke, EV_MAXPRI); /* first of the turn … */
    ev_check_start(m->loop, &m->woke);
    ev_prepare_init(&m->sleeps, on_sleeps);
    ev_set_priority(&m->sleeps, EV_MINPRI); /* … and last */
    ev_prepare_start(m->loop, &m->sleeps);
}
