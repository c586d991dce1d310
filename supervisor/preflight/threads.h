/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_THREADS_H
#define STINT_PREFLIGHT_THREADS_H

/* Private to preflight/: threads by kind, as the caged supervisor sees them from outside. */
#include <jansson.h>
#include <stdint.h>

#include "base/text.h"

struct cage;
struct error;

/* threads_take - what `stint threads` knows now. Return: 0 with *ret owned by the caller, or -errno. */
int threads_take(const struct cage *c, json_t **ret, struct error *reterr);

/* threads_leaked - how many should be gone; what is said of the worst kind is added to @words. Pure. */
int64_t threads_leaked(const json_t *threads, struct text *words);

/**
 * threads_grown - the kinds of which there are more in @now than in @then: "watch-*, started at
 * config.c:88 (watch_start): 1, then 11". Pure.
 *
 * Return: how many threads more there are, of those kinds.
 */
int64_t threads_grown(const json_t *then, const json_t *now, struct text *words);

#endif
