/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_WIRE_READ_H
#define STINT_PROFILE_WIRE_READ_H

/* Protocol buffers' wire format, read field by field out of bytes that may be anything. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/profile/fields.h"

struct cursor {
    const uint8_t *at, *end;
    bool bad; /* it ended within a field, or a field is of no kind there is */
};

struct field {
    uint64_t number;    /* the value, of one that is a number */
    struct cursor body; /* … of one that has a length */
    uint32_t id;
    enum wire_kind kind;
};

/* cursor_next - the next field. False: that was the last, or the bytes are bad. */
bool cursor_next(struct cursor *c, struct field *ret);

/* cursor_number - a number out of a packed body. False: as above. */
bool cursor_number(struct cursor *c, uint64_t *ret);

#endif
