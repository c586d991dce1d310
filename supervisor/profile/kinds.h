/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_KINDS_H
#define STINT_PROFILE_KINDS_H

/*
 * The kinds of profiles, each made by one function in a helper process: it may take as long as it was
 * given, die of what it looks at, and use memory as it needs.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/profile/profile.h"

struct error;

enum profile_kind { PROFILE_CPU, PROFILE_HEAP, PROFILE_THREADS, PROFILE_KIND_COUNT };

struct profile_target {
    pid_t pid;
    unsigned slot;
    uint64_t generation;
    const char *service;  /* NULL: the process is nobody's worker */
    int registry_fd;      /* borrowed; -1: it has none */
    int channel_fd;       /* borrowed; -1: it has none, or it is not to be used */
    int64_t cancelled_us; /* when it was asked to leave, CLOCK_MONOTONIC; 0 = it was not */
    int64_t grace_us;     /* how long it had for that */
};

struct profile_wish {
    int64_t until_us; /* CLOCK_MONOTONIC; of threads: to be told by then */
    void (*progress)(void *env, unsigned percent); /* NULL: nobody is told */
    void *env;
    unsigned hz; /* of cpu; 0: the kind's own */
};

/*
 * Each adds what it saw to @p, which was made by profile_for(). Return: 0, or a negative errno with the
 * sentence, and then @p has what was seen until then.
 */
typedef int profile_kind_fn(struct profile *p, const struct profile_target *t,
                            const struct profile_wish *w, struct error *reterr);
profile_kind_fn profile_cpu;
profile_kind_fn profile_threads;
profile_kind_fn profile_heap;

const char *profile_kind_name(enum profile_kind kind); /* "threads"; static */
/* Return: PROFILE_KIND_COUNT: there is none of that name. */
enum profile_kind profile_kind_named(const char *name);

/* profile_for - an empty profile with the types of @kind. Return: 0 or -ENOMEM. */
int profile_for(enum profile_kind kind, struct profile **ret);

/* profile_take - make one of @kind. -EOPNOTSUPP: this build cannot. */
int profile_take(enum profile_kind kind, struct profile *p, const struct profile_target *t,
                 const struct profile_wish *w, struct error *reterr);

/*
 * profile_whose - the labels that each sample of a worker has: service, generation, slot, pid.
 * Return: how many; they point into @t.
 */
#define PROFILE_TARGET_LABELS 4
size_t profile_whose(const struct profile_target *t,
                     struct profile_label ret[PROFILE_TARGET_LABELS]);

/* What tells one worker from another; without them two generations can be compared. NULL-terminated. */
extern const char *const profile_identity[];

#endif
