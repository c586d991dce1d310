/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_EXPORT_H
#define STINT_IO_MASTER_EXPORT_H

/* The exporter, between master*.c alone, like master_state.h. */
#include "supervisor/io/export.h"

struct master;

int master_export(struct master *m); /* once there are a journal and spans */
json_t *source_export(void *env);

#endif
