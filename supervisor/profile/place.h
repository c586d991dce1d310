/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_PLACE_H
#define STINT_PROFILE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/probe/names.h"
#include "supervisor/profile/profile.h"

/**
 * place_frame - the code at @pc of a process as a frame, with the file it lies in.
 *
 * @names: resolved; NULL: the process was gone before its maps could be read
 * @call: @pc is a return address
 * @place: room for the texts that @ret points to
 * Return: 0 or -ENOMEM
 */
int place_frame(struct profile *p, struct names *names, uint64_t pc, bool call, struct place *place,
                struct profile_frame *ret);

#endif
