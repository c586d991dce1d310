/* SPDX-License-Identifier: MIT */
#ifndef WEB_CONFIG_H
#define WEB_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

struct config {
    char greeting[256]; /* JSON-safe as it stands: quotes and controls are refused */
    unsigned threads;   /* 1..64 */
    bool leak;          /* plant a thread that ignores its token */
    unsigned start_delay_ms;
    unsigned drain_quiet_ms; /* how long a connection is quiet before a draining worker closes it */
};

/* config_load - read @path into @ret. Every mistake is a line "PATH:LINE: what" on @complaints.
 * Return: the number of mistakes; @ret is whole only when that is 0. */
int config_load(const char *path, struct config *ret, FILE *complaints);

#endif
