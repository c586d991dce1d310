/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MODEL_EXPLORE_H
#define MODEL_EXPLORE_H

/* Scenes for the explorer: all interleavings of a few threads in the real code of the library. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MC_THREADS 4

struct scene {
    const char *name;
    bool long_one;                     /* a million states: only when asked for */
    void (*setup)(void);               /* before there are threads */
    void (*threads[MC_THREADS])(void); /* NULL = none */
    void (*handlers[MC_THREADS])(
        void);           /* a signal that thread i gets once, at any of its points or never */
    void (*check)(void); /* after the last one has ended */
};

extern const struct scene mc_scenes[], mc_scenes_callbacks[],
    mc_scenes_any[]; /* end with a NULL name */

/* mc_expect - a violation, told with the way to it, unless @holds. */
#define mc_expect(holds) ((holds) ? (void)0 : mc_violation(#holds))
__attribute__((noreturn)) void mc_violation(const char *what);

unsigned mc_choose(unsigned n);  /* 0 .. n - 1: each is tried */
void mc_others_vanish(void);     /* as a child of fork() finds it */
void mc_clock_set(int64_t usec); /* for all from now on; 0 at first */
size_t mc_blocks(void);          /* of the heap, that nobody has freed */

#endif
