/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_OUTDATED_H
#define STINT_IO_OUTDATED_H

/*
 * Which processes run code whose file is not there any more: a package upgrade, or a rename over it,
 * replaces a library on disk and not in who has it mapped. Found in /proc/PID/maps, which may wait
 * for the process, so it is read in a short-lived child.
 *
 * What counts is an executable, private mapping of a file that was deleted. Memory that only looks
 * like one does not: memfd, /dev/zero, shared memory, aio rings, and files that a just-in-time
 * compiler makes, maps shared and unlinks at once.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ev_loop;
struct outdated_look;

#define OUTDATED_NAMED 8 /* more are only counted */

/* One process to look at. */
struct outdated_ask {
    uint64_t id; /* echoed */
    pid_t pid;
    const char
        *program; /* borrowed for the call: a deleted mapping of this one does not count; NULL:
                            all do */
};

struct outdated_answer {
    uint64_t id;
    int error;        /* 0, or negative errno: it is not known */
    unsigned n;       /* different files; 0: nothing is outdated */
    char files[1536]; /* the first OUTDATED_NAMED of them, a line each; as the kernel spells them */
};

/* outdated_line - take in one line of a maps file. Pure. Return: it names a deleted file that counts. */
bool outdated_line(const char *line, const char *program, struct outdated_answer *a);

/* outdated_read - look at one process, here and now; what cannot be told is in @ret->error. */
void outdated_read(const struct outdated_ask *ask, struct outdated_answer *ret);

struct outdated_request {
    const struct outdated_ask *asks; /* borrowed for the call of outdated_start() */
    size_t n;
    int64_t deadline_us; /* CLOCK_MONOTONIC; whoever was not looked at by then has no answer */
    /* For each that was looked at, in the order of @asks; then on_end once, whatever happened. */
    void (*on_answer)(void *env, const struct outdated_answer *a);
    void (*on_end)(void *env); /* may start the next look */
    void *env;                 /* borrowed; must outlive the look */
};

/**
 * outdated_start - look at many in a child; the hooks are called from the loop, never within this.
 *
 * Return: 0, or negative errno: then none is called.
 */
int outdated_start(struct ev_loop *loop, const struct outdated_request *req,
                   struct outdated_look **ret);
void outdated_cancel(struct outdated_look *look); /* NULL is fine */

#endif
