/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_HISTORY_JSON_H
#define STINT_PROBE_HISTORY_JSON_H

/*
 * The book of judge_history.h as JSON, schema stint.history/1 of docs/api.md: how it outlives a master,
 * and what stint leaks shows. What is read may be anything: it is bounded like the book itself, and
 * what makes no sense is left out.
 */
#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/probe/judge_history.h"

#define HISTORY_SCHEMA "stint.history/1"

json_t *history_save(const struct history *h); /* the caller's; NULL: no memory */

/**
 * history_load - what history_save() made, or somebody else.
 * @ret: on success the caller's; else untouched
 *
 * Return: 0; -EINVAL: not of this schema; -ENOMEM.
 */
int history_load(const json_t *saved, struct history *ret);

/**
 * sight_read - what a report (schema stint.probe/1) says, for history_look().
 *
 * Return: 0; -EINVAL: not a report; -ENOMEM.
 */
int sight_read(const json_t *report, uint64_t generation, pid_t pid, int64_t at_wall_us,
               struct sight *ret);

/**
 * retained_load - an entry of `processes` of a report, or of `retained` of a history, for history_retain().
 * @generation: 0: as it says
 *
 * Return: 0; -EINVAL: it is not one; -ENOMEM.
 */
int retained_load(const json_t *saved, uint64_t generation, int64_t at_wall_us, struct history *h);

json_t *certificate_save(const struct certificate *c);
int certificate_load(const json_t *saved, struct certificate *ret); /* 0 or -EINVAL */

#endif
