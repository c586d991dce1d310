/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CANDIDATE_H
#define STINT_IO_CANDIDATE_H

/* What a master would make of a service now, asked by a command that is none. Blocking. */
#include "base/digest.h"

struct error;
struct service_spec;

/**
 * candidate_look - the digest by which the door knows a candidate: of its launch part, its inputs
 * and its executable.
 * @binary:   the executable, absolute; NULL: that of the service
 * @ret_path: of the executable, owned by the caller
 *
 * Return: 0, or a negative errno with a sentence: it cannot be started, or not be read.
 */
int candidate_look(const struct service_spec *spec, const char *binary, struct digest *ret,
                   char **ret_path, struct error *reterr);

#endif
