/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_HELPER_H
#define STINT_IO_HELPER_H

/*
 * A short-lived child of the master for what may take long: it only reads, and tells what it found.
 * A fork without exec: it sees what the master saw when it was started. It leaves no
 * core.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ev_loop;
struct helper;

#define HELPER_KEEPS_MAX 256

enum helper_end {
    HELPER_DONE, /* it told all there is */
    HELPER_DIED, /* it did not get that far */
    HELPER_LATE  /* the deadline came first, and it is being killed */
};

/* Who goes first where there are fewer processors than there is to do. */
enum helper_pace {
    HELPER_WITH_OTHERS,  /* somebody waits for it */
    HELPER_AFTER_OTHERS, /* nice 5 */
    /*
     * On processors that nobody wants: SCHED_IDLE. On a machine that is quiet nobody notices it; on
     * one that is not it may get nowhere, and its kernel does not let it go back.
     */
    HELPER_IDLE
};

struct helper_job {
    const char *name; /* for ps(1), 15 bytes */
    enum helper_pace pace;
    bool expendable; /* when memory runs out, rather this one than whom it looks at */
    /**
     * In the child. @keep: as below, under another number; @out: for what is found; it never blocks.
     * No other descriptor above 2 is open. Return: whether all was told.
     */
    bool (*work)(const void *task, int keep, int out);
    const void *task;    /* borrowed for the call of helper_start() */
    int keep;            /* borrowed; a descriptor the work needs, -1 = none */
    const int *keeps;    /* borrowed; more of them, which keep their numbers; -1 is passed over */
    size_t n_keeps;      /* at most HELPER_KEEPS_MAX */
    int64_t deadline_us; /* CLOCK_MONOTONIC; TIME_NEVER = none */
    /* In the master, once, from the loop; the helper is gone after it. @out: HELPER_DONE: to pread(). */
    void (*on_end)(void *env, enum helper_end how, int out);
    void *env; /* borrowed; must outlive the helper */
};

/**
 * helper_start - Return: 0, or a negative errno (no process, no memory); then on_end is not called.
 * @ret: valid until on_end is called or helper_cancel()
 */
int helper_start(struct ev_loop *loop, const struct helper_job *job, struct helper **ret);

/* helper_cancel - kill and forget it; reaped when the loop sees it dead. NULL is fine. */
void helper_cancel(struct helper *h);

pid_t helper_pid(const struct helper *h);

/* Is @pid a helper, cancelled ones included? So that nobody takes it for a stranger. */
bool helper_knows(pid_t pid);

#endif
