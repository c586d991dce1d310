/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MODEL_INSIDE_H
#define MODEL_INSIDE_H

/* What the explorer and its threads share. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>
#include <xxhash.h>

#include "tests/model/explore.h"
#include "tests/model/memory.h"

#define STACK_BYTES 32768
#define PAGES_MAX   256
#define DEPTH_MAX   4000
#define SEEN_BITS   26 /* slots for states, 16 bytes each */

struct thread {
    ucontext_t context;
    char *low;              /* what is above belongs to the state */
    const uint32_t *asleep; /* in futex_wait on it; NULL = runs */
    const char *file;       /* of the point it stands at */
    int line;
    unsigned alternatives; /* that it waits for one of */
    unsigned choice;
    bool exists, done, signal_due;
    char *stack;
};

/* The explorer's own: outside of what is saved and restored. */
struct step {
    void *state;
    size_t bytes;
    unsigned pages;               /* of variables in it */
    unsigned next;                /* transition to try */
    unsigned thread, alternative; /* how it was reached */
    const char *file;
    int line;
};

struct explorer {
    ucontext_t home;
    const struct scene *scene;
    struct step steps[DEPTH_MAX];
    unsigned depth;
    uint64_t states, ends;
    XXH128_hash_t *seen;
};

extern struct explorer *mc_explorer; /* mapped: no part of the state */
extern struct thread
    *mc_threads;       /* mapped: part of the state, as are the stacks of those that run */
extern int mc_running; /* index; -1 = the explorer itself */

void *mc_map(size_t bytes); /* zeroes; no part of the state */

/* pages.c */
void mc_pages_open(void);
bool mc_pages_fault(const void *at); /* it is a variable, and part of the state from now on */
unsigned mc_pages_count(void);
struct mc_range mc_pages_range(unsigned i);
void mc_pages_forget(unsigned n); /* all but the first n are as they were in the beginning */

void mc_body(void);
void mc_resume(int i, unsigned choice); /* until its next point */

#endif
