/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_IO_JOURNAL_WORLD_H
#define STINT_TESTS_IO_JOURNAL_WORLD_H

#include <ev.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/core/effect.h"
#include "supervisor/io/journal.h"
#include "tests/unit/unit.h"

static struct ev_loop *loop;
static struct journal *journal;
static int ends[2]; /* the log: we read [0] */
static struct text got;

static inline void
open_journal(const struct journal_options *o)
{
    ck_assert_int_eq(journal_create(loop, o, &journal), 0);
}

static inline void
set_up(void)
{
    loop = ev_loop_new(EVFLAG_AUTO);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    got = (struct text)TEXT_INIT;
    journal = NULL;
}

static inline void
tear_down(void)
{
    journal_destroy(journal);
    text_finish(&got);
    close(ends[0]);
    close(ends[1]);
    ev_loop_destroy(loop);
}

static inline void
take(void)
{
    char buf[65536];
    ssize_t n;

    while ((n = read(ends[0], buf, sizeof(buf))) > 0)
        text_addn(&got, buf, (size_t)n);
}

/* Read and turn until nothing more comes. */
static inline void
take_all(void)
{
    struct journal_counters n;

    do {
        take();
        ev_run(loop, EVRUN_NOWAIT);
        journal_counters(journal, &n);
    } while (n.buffered_bytes > 0);
    take();
}

static inline struct record
death(void)
{
    struct record r = {
        .kind = RECORD_EXIT,
        .service = "web",
        .generation = 7,
        .worker = 3,
        .slot = 1,
        .pid = 4711,
        .at_us = mono_now_us(),
        .duration_us = 1500 * US_PER_MS,
        .count = 9, /* as waitpid(2) says it: SIGKILL */
        .warning = true,
        .reload = 12,
        .trace = "0123456789abcdef0123456789abcdef",
        .text = "ended by SIGKILL",
    };

    return r;
}

#endif
