/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_PRELOAD_H
#define STINT_IO_PRELOAD_H

/* libstint-preload.so, which registers the threads of programs that know nothing of stint. */
#include <sys/stat.h>

struct error;

/**
 * preload_find - its path: beside this program as it was installed or built, or where it was to be installed.
 * Return: malloc()ed; NULL with the sentence in @reterr when it is not there, or $LD_PRELOAD could not name it.
 */
char *preload_find(struct error *reterr);

/* preload_hindrance - why the loader will not load it into this program, in words; NULL: nothing is known. */
const char *preload_hindrance(int exe_fd, const struct stat *exe);

#endif
