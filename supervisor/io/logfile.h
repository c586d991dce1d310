/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LOGFILE_H
#define STINT_IO_LOGFILE_H

/*
 * One log file: lines from its memory to the disk, rotation, and what went wrong. These are plain
 * system calls that may take as long as a disk does, so the writer process makes them and never the
 * master. All that has to be known from one call to the next is in the memory or on the disk:
 * another writer can go on at any point, and two that have the same memory do not disturb each other,
 * since a write is made under a lock of the memfd.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/io/logfile_memory.h"

struct text;

#define LOGFILE_BATCH    ((size_t)128 << 10) /* bytes of one write */
#define LOGFILE_STAMP    23                  /* "20260131T235959.000000Z" */
#define LOGFILE_RETRY_US INT64_C(2000000)    /* the longest wait before another try */

enum logfile_word {
    LOGFILE_FAILED,  /* nothing is written until LOGFILE_WORKS; said once */
    LOGFILE_WORKS,   /* … again */
    LOGFILE_ROTATED, /* text: the name that the old one has now */
    LOGFILE_TROUBLE, /* something beside the lines did not work; they are written */
    LOGFILE_MOVED    /* the file at the path was another one, or gone: it is opened anew */
};

struct logfile {
    struct logfile_config config;
    struct logfile_memory *memory; /* borrowed */
    /* Heard from within the calls below. @text: one sentence, or the name. May be NULL. */
    void (*say)(void *env, enum logfile_word word, int error, const char *text);
    void *env;
    int fd;           /* owned; -1: not open */
    dev_t device;     /* of fd … */
    ino_t inode;      /* … */
    int64_t retry_us; /* CLOCK_MONOTONIC: after an error nothing is tried before */
    int64_t wait_us;  /* … it was waited so long */
    int64_t quiet_us; /* CLOCK_MONOTONIC: troubles are not told before */
    int64_t shift_us; /* … and a rotation that failed is not tried before */
    int64_t age_us;   /* … nor one for its age */
    bool failed;
    bool fresh; /* opened, and nothing was written since */
};

enum logfile_step {
    LOGFILE_EMPTY, /* nothing waits */
    LOGFILE_MORE,  /* there may be more */
    LOGFILE_LATER  /* not before retry_us */
};

void logfile_init(struct logfile *f, struct logfile_memory *memory);
void logfile_finish(struct logfile *f); /* closes the file; the memory is the caller's */

/* logfile_configure - from now on; another path is opened at once, lines that wait go there. */
void logfile_configure(struct logfile *f, const struct logfile_config *c);

/* logfile_step - write one batch, at most. */
enum logfile_step logfile_step(struct logfile *f);

/* logfile_reopen - close it and open what is at the path. */
void logfile_reopen(struct logfile *f);

/* logfile_due_us - CLOCK_MONOTONIC: when logfile_age() has something to do; TIME_NEVER: never. */
int64_t logfile_due_us(const struct logfile *f);
void logfile_age(struct logfile *f); /* rotate it when it is old */

/* ---- parts of it, for tests and for logfile.c */

/* logfile_rotate - rename it to "PATH.STAMP" of now, or a later microsecond, and prune. 0 or -errno. */
int logfile_rotate(struct logfile *f);

/* logfile_prune - remove the oldest "PATH.STAMP" until keep are left. Return: how many; -errno. */
int logfile_prune(const char *path, unsigned keep);

char *logfile_stamp(int64_t wall_us, char buf[LOGFILE_STAMP + 1]);
bool logfile_is_stamp(const char *s);

/* ---- logfile_note.c: what stint itself has to say in the file */

enum logfile_note { LOGFILE_NOTE_DROPPED, LOGFILE_NOTE_REPEATED };

/* logfile_note - a whole line. @lines: 0 with REPEATED: nobody knows how many lines the bytes are. */
void logfile_note(const struct logfile_config *c, enum logfile_note note, uint64_t lines,
                  uint64_t bytes, struct text *out);

#endif
