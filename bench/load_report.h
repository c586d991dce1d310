/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_LOAD_REPORT_H
#define STINT_BENCH_LOAD_REPORT_H

#include "bench/load_stats.h"

struct text;
struct error;

/* load_report_json - all the accounts as one JSON object with a newline; times in µs. */
void load_report_json(const struct load_stats *s, struct text *out);

/* load_report_text - for people; its last line is "requests N, failed M (kind a, …)". */
void load_report_text(const struct load_stats *s, struct text *out);

/* load_report_live - "requests N failed M", one line, for scripts. */
void load_report_live(const struct load_stats *s, struct text *out);

/**
 * load_report_swap - put @out where readers of @path see the old or the new text, never a part.
 *
 * Unlike file_replace() it does not wait for the disk: it is called many times a second between
 * requests. Return: 0 or negative errno with the sentence in @reterr.
 */
int load_report_swap(const char *path, const struct text *out, struct error *reterr);

#endif
