/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/mountinfo.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define FIELD_ROOT  3 /* from 0 */
#define FIELD_POINT 4

static bool
octal(const char *s)
{
    return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7';
}

/* unescape - "\040" is a blank, and so on. Return: false when @room is too small. */
static bool
unescape(const char *s, size_t bytes, char *out, size_t room)
{
    const char *end = s + bytes;

    while (s < end) {
        if (--room == 0)
            return false;
        if (*s == '\\' && end - s >= 4 && octal(s + 1)) {
            *out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 4;
        } else {
            *out++ = *s++;
        }
    }
    *out = '\0';
    return true;
}

/* line_read - "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static bool
line_read(const char *line, const char *end, struct mount_entry *ret)
{
    bool optional_over = false;

    for (unsigned i = 0; line < end; i++) {
        size_t bytes = strcspn(line, " \n");

        if (i == FIELD_ROOT && !unescape(line, bytes, ret->root, sizeof ret->root))
            return false;
        if (i == FIELD_POINT && !unescape(line, bytes, ret->point, sizeof ret->point))
            return false;
        if (optional_over) {
            if (bytes >= sizeof ret->type)
                bytes = sizeof ret->type - 1;
            memcpy(ret->type, line, bytes);
            ret->type[bytes] = '\0';
            return true;
        }
        optional_over = i > FIELD_POINT && bytes == 1 && *line == '-';
        line += bytes + 1;
    }
    return false;
}

const char *
mountinfo_next(const char *text, struct mount_entry *ret)
{
    while (*text) {
        const char *line = text;
        size_t bytes = strcspn(line, "\n");

        text += bytes + (line[bytes] == '\n');
        if (line_read(line, line + bytes, ret))
            return text;
    }
    return NULL;
}
