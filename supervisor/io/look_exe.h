/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LOOK_EXE_H
#define STINT_IO_LOOK_EXE_H

#include "supervisor/io/look.h"

struct error;

/* exe_open - pin the file at @path: exe_fd, exe_stat and real_path of @a. Return: 0 or negative errno. */
int exe_open(const char *path, struct look_answer *a, struct error *reterr);

/* exe_check - could the kernel run what exe_open() pinned? Fills is_script and interpreter. */
int exe_check(const char *path, struct look_answer *a, struct error *reterr);

#endif
