/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_EXPORT_QUEUE_MEMORY_H
#define STINT_EXPORT_QUEUE_MEMORY_H

/* What queue.c (rows) and queue_memory.c (the memfd) share. */
#include "supervisor/export/queue.h"

#define EXPORT_POSITION_MAX (UINT64_C(1) << 62)

bool export_queue_is_sound(struct export_queue *q); /* and what can be derived is set right */

#endif
