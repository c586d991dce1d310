/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_SPOOL_H
#define STINT_IO_SPOOL_H

/*
 * The master's end of the log files: a spool is what waits for one file (logfile_memory.h), and all
 * spools share one writer process (logfile_writer.h), which is started with the first of them.
 *
 *   spool_put() ──▶ memory ── kick at the end of the turn ──▶ writer ──▶ file
 *
 * Nothing here waits for a disk. A writer that died is replaced; one that hangs in the kernel with one
 * file keeps that file, and another writer gets the others.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "supervisor/io/logfile.h"

struct error;
struct ev_loop;
struct spool;
struct spools;

#define SPOOL_HANG_US INT64_C(5000000) /* at one write for longer than this: it hangs */

struct spools_hooks {
    /* Keep the memory for the next master under this number, or drop it. NULL: nobody keeps it. */
    int (*keep)(void *env, uint64_t id, int fd);
    void (*drop)(void *env, uint64_t id);
    /* What the writer says of a spool with an owner. */
    void (*say)(void *owner, enum logfile_word word, int error, const char *text);
    /* There is room again, after spool_hunger(). */
    void (*room)(void *owner);
    /* About the writer itself. @service: whose file it is about; NULL: all. */
    void (*event)(void *env, const char *name, const char *service, const char *text);
    void *env;
};

int spools_create(struct ev_loop *loop, const struct spools_hooks *hooks, struct spools **ret);
void spools_destroy(struct spools *sp); /* the writer is killed; NULL is fine */

/* spools_flush - before the process ends: wait at most @budget_us until all is in the files. */
void spools_flush(struct spools *sp, int64_t budget_us);

/* spool_create - 0 or negative errno with the sentence. It is nobody's: spool_own(). */
int spool_create(struct spools *sp, const struct logfile_config *c, size_t room, struct spool **ret,
                 struct error *reterr);

/* spool_adopt - that of a master before us, under the number it was kept. @fd: taken over in any case. */
int spool_adopt(struct spools *sp, uint64_t id, int fd, struct spool **ret, struct error *reterr);

/* spool_own - from now on @owner hears; NULL: nobody. */
void spool_own(struct spool *s, void *owner);
void spool_configure(struct spool *s, const struct logfile_config *c);
void spool_reopen(struct spool *s);

/* spool_retire - it gets no more; gone when all is written, or after a while when the file does not work. */
void spool_retire(struct spool *s);

uint64_t spool_id(const struct spool *s);
struct logfile_memory *spool_memory(struct spool *s);                       /* borrowed */
void spool_put(struct spool *s, const struct iovec *parts, size_t n_parts); /* they fit */
void spool_hunger(struct spool *s); /* say when half of the room is free; room() may come at once */

/* spools_next - all of them, in order; @s NULL: the first. NULL: no more. */
struct spool *spools_next(const struct spools *sp, const struct spool *s);

#endif
