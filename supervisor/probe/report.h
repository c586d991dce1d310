/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_REPORT_H
#define STINT_PROBE_REPORT_H

/*
 * Facts and verdicts as JSON: schema stint.probe/1, described in docs/api.md. Absolute times become
 * ages, so that it may be read on another day; addresses and offsets are texts ("0x7f…"), since not
 * every reader of JSON has 64 bits. Members may be added; whoever reads it passes over what it does
 * not know.
 */
#include <jansson.h>
#include <stdbool.h>

#include "supervisor/probe/facts.h"
#include "supervisor/probe/judge.h"

#define PROBE_REPORT_SCHEMA "stint.probe/1"
#define PROBE_REPORT_BEATS  256
#define PROBE_REPORT_TIDS   16 /* listed of a group; its first member is told in full */

/**
 * probe_report - all that is known of the process.
 * @all: each thread too, not the first of each group only
 *
 * Return: owned by the caller; NULL: no memory.
 */
json_t *probe_report(const struct process_facts *facts, const struct judgements *judgements,
                     bool all);

#endif
