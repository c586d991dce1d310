/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_WATCH_SOURCE_H
#define STINT_IO_WATCH_SOURCE_H

/*
 * libinotifytools, and the way around its edges; nobody else may include its header. Only its
 * descriptor, its adding and removing and its buffer are used: names and statistics are ours.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct inotify_event;

/* The library is one global; so is this. Written by source_*() alone. */
struct watch_source {
    int fd;          /* the library's: never close it by hand; -1 = closed */
    unsigned dead;   /* entries the library will not give back before source_close() */
    bool buffered;   /* source_next() may have more without asking the kernel */
    uint32_t serial; /* of the last watch: makes the spelling of its path unique */
};

/* source_open - Return: 0, or a negative errno with nothing left open. */
int source_open(struct watch_source *s, struct error *reterr);
void source_close(struct watch_source *s); /* drops what is queued */

/* source_add - watch the open directory @dirfd (O_PATH will do). Return: its wd, or a negative errno. */
int source_add(struct watch_source *s, int dirfd, uint32_t mask);

/* source_remove - for each of @wds: the kernel's watch and the library's entry, without a word on stderr. */
void source_remove(struct watch_source *s, const int *wds, size_t n);

/* source_next - the next event, valid until the next call, or NULL: nothing more now. Never blocks. */
const struct inotify_event *source_next(struct watch_source *s);

/* source_pending - may events be waiting, besides the farewell of one removed watch? */
bool source_pending(const struct watch_source *s);

#endif
