/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CORPUS_PLAY_H
#define STINT_TESTS_CORPUS_PLAY_H

#include "expect.h"

/*
 * play_it - one program under the real stint, driven as its row says, asked for its threads, and what
 * comes of that compared. Once per process. @keep: where the report goes, NULL: nobody wants it.
 * Return: whether it could be played; words are on stderr.
 */
bool play_it(const struct play *p, const char *keep, struct outcome *ret);

/* pool_play - all @n, @jobs at a time, each in a process of its own. @logs: a folder. */
void pool_play(const struct play *plays, struct outcome *outcomes, size_t n, int jobs,
               const char *logs);

enum table_form { TABLE_TEXT, TABLE_MARKDOWN, TABLE_JSON };

/* table_say - Return: whether the targets are met. */
bool table_say(const struct play *plays, const struct outcome *outcomes, size_t n, unsigned seeds,
               enum table_form form);

/* Parts of the page that the figures are on. */
void page_head(void);
void page_anchors(void);
void page_blind(void);
void page_rows(void);

#endif
