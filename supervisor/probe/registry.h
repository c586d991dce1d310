/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_REGISTRY_H
#define STINT_PROBE_REGISTRY_H

/*
 * The registry of threads that a worker writes and the master reads from outside, without its help,
 * so it works on a dead-locked, stopped or dead worker. Its content is the worker's and may be
 * anything: it is copied by pread(), never mapped, then checked; strings become plain text.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/probe/facts.h"
#include "worker-api/wire.h"

struct error;

/* ---- A copy: short, for whoever is in a hurry ---------------------------------------------- */

/* What was ever used of a registry, at one moment. All zero is an empty one that may be taken into. */
struct registry_copy {
    struct stint_registry_header header; /* checked: its tables lie within the file */
    uint32_t *before, *after; /* owned; seqs of slots, then of scopes; `after` says what is whole */
    unsigned char *slots, *scopes, *sites; /* owned; `used` of each, by their strides */
    size_t room;                           /* in bytes, of all that */
    void *memory;
    bool untrusted; /* its numbers contradict each other, and were cut to what is there */
};

/**
 * registry_copy_take - copy what is in it now; the memory of the copy before is used again.
 *
 * Bounded whatever the worker does: five reads, and three for each of at most 256 that changed just
 * then. 1,024 live slots take some 20 µs on a quiet machine.
 * Return: 0; -ENODATA: the worker has not written a header (yet); -EPROTO: not a registry we
 * understand; or another negative errno. Then @copy is empty or as before.
 */
int registry_copy_take(int fd, struct registry_copy *copy, struct error *reterr);
void registry_copy_finish(struct registry_copy *copy);

/* ---- What it says ---------------------------------------------------------------------------- */

/* A thread as it described itself. A claim, not a proof: the kernel is asked whether it lives. */
struct registry_thread {
    pid_t tid;
    uint64_t alive_ns; /* CLOCK_BOOTTIME when it was alive: with tid the identity */
    uint32_t epoch;    /* of its slot */
    unsigned slot;
    bool main, adopted;
    bool joinable; /* nobody has joined it yet, and somebody should */
    struct claim claim;
};

struct registry_view {
    pid_t pid;                       /* who writes it, by its own account */
    struct registry_thread *threads; /* owned; live ones, by tid and then alive_ns */
    size_t n;
    struct registry_thread *ended; /* owned; those whose slot was not needed since, oldest first */
    size_t n_ended;
    struct scope_facts *scopes; /* owned; by index, of which 0 is always there */
    size_t n_scopes;
    unsigned slots;                                     /* that the registry has */
    unsigned torn, torn_scopes;                         /* that could not be read whole */
    unsigned overflow, overflow_scopes, overflow_sites; /* for which there was no room */
    uint64_t served;                                    /* counted by stint_served() */
    bool untrusted; /* indices that lead nowhere, scopes in a circle, numbers that cannot be */
};

/**
 * registry_read - a copy, and what it says.
 *
 * Return: 0, or as registry_copy_take(), or -ENOMEM; then @ret is untouched.
 */
int registry_read(int fd, struct registry_view *ret, struct error *reterr);

/* registry_parse - the same from a copy that was taken. Pure. Return: 0 or -ENOMEM. */
int registry_parse(const struct registry_copy *copy, struct registry_view *ret,
                   struct error *reterr);

/* registry_copy_bytes - a copy of @n bytes that are a registry, as a test or a fuzzer has them. */
int registry_copy_bytes(const void *bytes, size_t n, struct registry_copy *copy,
                        struct error *reterr);

void registry_view_finish(struct registry_view *v);

/**
 * registry_find - the live thread with this tid that began at @start_time, field 22 of its stat.
 *
 * It began at or before the time at which the slot was written; a thread that got its number later began
 * later. Return: NULL when there is none.
 */
const struct registry_thread *registry_find(const struct registry_view *v, pid_t tid,
                                            uint64_t start_time);

/* registry_create - an empty sealed memfd (no grow, shrink, further seal), CLOEXEC. Return: 0 or negative errno. */
int registry_create(int *ret_fd, struct error *reterr);

/* registry_create_spans - the same with room for finished spans, which the worker is to write: see span_ring.h. */
int registry_create_spans(int *ret_fd, struct error *reterr);

/**
 * registry_served - what the worker has counted by stint_served().
 *
 * Return: 0; -ENODATA: no header yet; or another negative errno.
 */
int registry_served(int fd, uint64_t *ret);

#endif
