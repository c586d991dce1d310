/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CORE_IMAGE_FIELDS_H
#define STINT_CORE_IMAGE_FIELDS_H

/*
 * What of each life is in an image, as tables: saving and restoring walk over the same rows, so
 * neither can know a member that the other does not. What is derived has no row; a unit test sees
 * to it that every member of these structs is one or the other.
 */
#include <stddef.h>
#include <stdint.h>

enum image_piece { IMAGE_CORE = 1, IMAGE_SERVICE };

/* The first bytes of each piece. */
struct image_head {
    uint32_t version; /* IMAGE_VERSION */
    uint32_t piece;   /* enum image_piece */
};

enum image_kind {
    IMAGE_NUMBER, /* 1, 4 or 8 bytes as they are; from `least` to `most` */
    IMAGE_TIME,   /* int64_t µs; so that no sum of two overflows */
    IMAGE_TEXT    /* char[]: uint16_t length, bytes without the NUL */
};

struct image_field {
    const char *name; /* of the member */
    uint64_t least, most;
    size_t at, bytes; /* in the struct */
    enum image_kind kind;
};

struct image_shape {
    const char *name; /* of the struct */
    const struct image_field *fields;
    size_t n;
};

extern const struct image_shape image_core_shape, image_service_shape, image_reload_shape,
    image_verdict_shape, image_hook_result_shape, image_generation_shape, image_slot_shape,
    image_worker_shape;

/* The number in @bytes (1, 4 or 8) bytes at @at. */
uint64_t image_number(const void *at, size_t bytes);

#endif
