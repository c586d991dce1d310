/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_STINT_CONTROL_H
#define STINT_BENCH_STINT_CONTROL_H

#include <jansson.h>

#include "bench/rival.h"

/**
 * stint_control - one request on the control socket of @b, and its answer.
 * @method_path: "GET /v1/…" or "POST /v1/…"
 * @body:        JSON; NULL: none
 * @ret_body:    may be NULL; a new reference
 *
 * Return: 0, or negative errno with the sentence in @reterr; any status but 200 is an error.
 */
int stint_control(const struct bout *b, const char *method_path, const char *body,
                  json_t **ret_body, struct error *reterr);

#endif
