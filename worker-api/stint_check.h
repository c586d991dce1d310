/* SPDX-License-Identifier: MIT */
#ifndef STINT_CHECK_H
#define STINT_CHECK_H

/*
 * The part of <stint.h> for tests of programs that use it: does a test leave threads behind?
 * Needs no supervisor and no stint_init(). Included by <stint.h>, whose conventions hold here.
 *
 *     struct stint_leak_baseline *before = stint_leak_baseline();
 *     ... the test ...
 *     assert(stint_leak_check(before, NULL, NULL, NULL) == 0);    // says on stderr who is still there
 *     stint_leak_baseline_free(before);
 *
 * Tests that run beside each other in one process are told apart by the scope, or the token,
 * that each of them gives its threads: see only_scope and only_token.
 */
#include <stddef.h>
#include <stdint.h>

#include "stint_threads.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct stint_leak_baseline;

/* stint_leak_baseline - remember the threads that are there now, registered or not.
 * Return: to be freed by stint_leak_baseline_free(), NULL without memory. */
struct stint_leak_baseline *stint_leak_baseline(void);
void stint_leak_baseline_free(struct stint_leak_baseline *baseline); /* NULL is fine */

struct stint_leak_options {
    size_t size;                         /* sizeof(struct stint_leak_options), set by the caller */
    int64_t patience_us;                 /* duration; 0 = 440 ms; less than 0: look once */
    struct stint_token *only_token;      /* only threads that obey it or one below; NULL = all */
    struct stint_scope *only_scope;      /* only threads in it or within; NULL = all */
    const char *const *ignore_names;     /* of threads; patterns of fnmatch(3), NULL at the end */
    const char *const *ignore_functions; /* the same, of where they were started */
};

/**
 * stint_leak_check - which threads are there that were not at the baseline?
 * @baseline: NULL: none were but the calling thread
 * @options:  NULL = defaults
 * @report:   called for each of them, with no lock held; NULL: a line on stderr for each
 *
 * A thread that is about to end is given time: it is looked again after 1 µs, 2 µs and so on,
 * up to every 100 ms, until nobody is there or the patience is over. A thread is known again by
 * its id and the time of its start, so one that got the id of another is not taken for it. Not
 * counted are the calling thread, the main thread, those that are exempt at this time, the
 * library's own, and the background thread of a sanitizer. Threads that libstint did not start
 * count as well, by the name the kernel has for them; but not where @options ask for a scope or
 * a token, since they have none.
 *
 * After a fork() nothing of the parent's is there: the child may check with the parent's
 * baseline.
 *
 * Return: how many there are; -ENOMEM.
 */
int stint_leak_check(struct stint_leak_baseline *baseline, const struct stint_leak_options *options,
                     void (*report)(void *env, const struct stint_straggler *thread), void *env);

/* stint_snapshot - call @each for every thread of this process, with no lock held. `line` is 0 and
 * `file` empty for those that libstint did not start. Return: how many; -ENOMEM. */
int stint_snapshot(void (*each)(void *env, const struct stint_straggler *thread), void *env);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
