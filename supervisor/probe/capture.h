/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_CAPTURE_H
#define STINT_PROBE_CAPTURE_H

/*
 * Look at a process from outside, twice, and note what is seen: facts.h. It is not stopped, not
 * traced and not signalled; what it waits in it goes on waiting in.
 *
 * This sleeps between the samples and may take longer with a large process: for a helper process
 * (io/helper.h), not for a loop. It is bounded by deadline_us whatever the process does.
 */
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/probe/facts.h"

struct error;

#define PROBE_BETWEEN_US (100 * INT64_C(1000)) /* shorter pauses prove nothing: see `still` */

struct probe_request {
    pid_t pid;
    int registry_fd;      /* borrowed; -1: it has none */
    int64_t cancelled_us; /* passed on to the facts, as is grace_us */
    int64_t grace_us;
    int64_t between_us;  /* from sample to sample; 0: one sample, so nothing is `still` */
    int64_t deadline_us; /* CLOCK_MONOTONIC; 0 = none. What is not seen by then is left out */
};

/**
 * probe_capture - fill in the facts.
 * @ret: on success the caller's, to be given to process_facts_finish(); else untouched
 *
 * What is not permitted lowers facts.grade, and facts.note says what would help.
 * Return: 0; -ESRCH: no such process, or nothing of it is alive; -EACCES: not even its list of
 * threads may be read; -ENOMEM.
 */
int probe_capture(const struct probe_request *req, struct process_facts *ret, struct error *reterr);

#endif
