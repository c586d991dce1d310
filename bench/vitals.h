/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_VITALS_H
#define STINT_BENCH_VITALS_H

#include <sys/types.h>

struct error;

/* What a process holds, as the kernel tells it. */
struct vitals {
    unsigned fds;
    unsigned watches; /* inotify watches, over all its inotify descriptors */
    unsigned threads;
    unsigned children; /* processes it is the parent of */
    long rss_kib;      /* exact: summed over its mappings */
    double waited_ms;  /* of its main thread, ready to run, for a processor, since it began */
};

/* vitals_read - of @pid, which we may inspect. Return: 0 or negative errno. */
int vitals_read(pid_t pid, struct vitals *ret, struct error *reterr);

#endif
