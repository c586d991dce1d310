/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_DW_H
#define STINT_PROBE_DW_H

/*
 * Lines of the source, by elfutils' libdw. It is opened when it is needed, in the child of
 * names_resolve(), and never linked: each mapping of the master costs each of its forks. Where it is
 * missing there are functions and offsets, and no lines.
 */
#include <stdint.h>

struct dw;      /* the library */
struct dw_file; /* the debugging information of one file */

/* dw_load - Return: 0, -ELIBACC: it is not installed; -ENOMEM. */
int dw_load(struct dw **ret);

/* dw_file_open - @fd is borrowed until dw_file_close(). Return: 0, -ENODATA: it has none. */
int dw_file_open(const struct dw *dw, int fd, struct dw_file **ret);
void dw_file_close(struct dw_file *file); /* NULL is fine */

struct dw_line {
    char file[128];     /* relative to where it was compiled; a longer one loses its beginning */
    char function[96];  /* that was inlined there by somebody's own code; "" = none was */
    char enclosing[96]; /* the one that has the address, for files without symbols */
    unsigned line;
};

/**
 * dw_line - of the code at @address, as linked.
 *
 * What system headers put inline (std::condition_variable::wait(), a checked read()) is passed over:
 * the line is that of the first caller who is in nobody else's header.
 * Return: 0, or -ENODATA: it is not told.
 */
int dw_line(struct dw_file *file, uint64_t address, struct dw_line *ret);

#endif
