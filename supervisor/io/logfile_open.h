/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LOGFILE_OPEN_H
#define STINT_IO_LOGFILE_OPEN_H

/* The file at the path, and what a writer before us left in it. Part of logfile.c. */
#include "supervisor/io/logfile.h"

struct error;

/* logfile_open - f->fd: what is at the path, or a new file. 0 or negative errno with the sentence. */
int logfile_open(struct logfile *f, struct error *reterr);

/* logfile_look - the same unless f->fd is it already: somebody may have moved it. @ret_size: of it. */
int logfile_look(struct logfile *f, uint64_t *ret_size, struct error *reterr);

/*
 * logfile_settle - a writer before us was killed within a write: what of it is in the file is done.
 * Where nobody can tell, the file says so, and it is written again. A last line without its end, of
 * whoever wrote here before, is ended.
 * @size: of the file
 *
 * Return: something was written.
 */
bool logfile_settle(struct logfile *f, uint64_t size);

#endif
