/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_OPERATOR_IMAGE_H
#define STINT_IO_OPERATOR_IMAGE_H

/* The words of the desk's image: operator_image.c writes them, operator_restore.c reads them. */
#include "supervisor/io/operator_internal.h"

#define OPERATOR_IMAGE_VERSION 1

/* NULL: is never in an image. */
static const char *const image_kinds[TICKET_KIND_COUNT] = {
    [TICKET_RELOAD] = "reload",     [TICKET_START] = "start",     [TICKET_STOP] = "stop",
    [TICKET_STOP_ALL] = "stop_all", [TICKET_UPGRADE] = "upgrade",
};

#endif
