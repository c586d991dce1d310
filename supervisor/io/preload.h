/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_PRELOAD_H
#define STINT_IO_PRELOAD_H

/*
 * What is loaded into programs that know nothing of stint: libstint-preload.so, which registers their
 * threads, and libstint-heap.so, which samples their heap.
 */
#include <sys/stat.h>

struct error;
struct service_spec;

/**
 * preload_find - what the service asks for, as $LD_PRELOAD wants it: paths with colons between them.
 *
 * Each is looked for beside this program as it was installed or built, and where it was to be installed.
 * @ret: malloc()ed; NULL: it asks for none
 * Return: 0; -ENOENT: one is not there; -EINVAL: $LD_PRELOAD could not name it; -ENOMEM.
 */
int preload_find(const struct service_spec *spec, char **ret, struct error *reterr);

/* preload_hindrance - why the loader will not load it into this program, in words; NULL: nothing is known. */
const char *preload_hindrance(int exe_fd, const struct stat *exe);

/* preload_for - as preload_find(), for one start; @exe_fd: -1: not known. malloc()ed; NULL: nothing is asked for, is
 * there, or would let the program start. */
char *preload_for(const struct service_spec *spec, int exe_fd, const struct stat *exe);

#endif
