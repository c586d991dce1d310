/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/journal_line.h"
#include "supervisor/io/journal_native.h"

#define PREFIX       "STINT_"
#define PREFIX_BYTES (sizeof(PREFIX) - 1)
#define NAME_BYTES   64 /* journald's limit */

/* Keys that journald has a name for; all others are STINT_KEY. */
static const struct {
    const char *key, *name;
} names[] = {
    {"level", "PRIORITY"        },
    {"msg",   "MESSAGE"         },
    {"gen",   "STINT_GENERATION"},
};

/* As in syslog.h. */
static const char priorities[] = {
    [LOG_LEVEL_DEBUG] = '7',
    [LOG_LEVEL_INFO] = '6',
    [LOG_LEVEL_WARNING] = '4',
    [LOG_LEVEL_ERROR] = '3',
};

static void
add_name(struct text *out, const char *key)
{
    char name[NAME_BYTES] = PREFIX;
    size_t n = PREFIX_BYTES;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(key, names[i].key) == 0) {
            text_add(out, names[i].name);
            return;
        }
    for (; *key && n < sizeof(name); n++, key++)
        name[n] = (char)toupper((unsigned char)*key);
    text_addn(out, name, n);
}

static bool
is_plain(const char *value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)value[i];

        if (c != '\t' && (c < 0x20 || c > 0x7e))
            return false;
    }
    return true;
}

void
journal_native_field(struct text *out, const char *key, const char *value, size_t bytes)
{
    const uint64_t length = htole64(bytes);

    add_name(out, key);
    if (is_plain(value, bytes)) {
        text_add(out, "=");
    } else {
        text_add(out, "\n");
        text_addn(out, (const char *)&length, sizeof(length));
    }
    text_addn(out, value, bytes);
    text_add(out, "\n");
}

void
journal_native_level(struct text *out, enum log_level level)
{
    journal_native_field(out, "level", &priorities[level], 1);
}

/* One field of a record; both point into it. */
struct field {
    const char *name, *value;
    size_t name_bytes, value_bytes;
};

static bool
take_bytes(const char **at, const char *end, struct field *ret)
{
    uint64_t length;

    if ((size_t)(end - *at) < sizeof(length))
        return false;
    memcpy(&length, *at, sizeof(length));
    length = le64toh(length);
    *at += sizeof(length);
    if (length >= (uint64_t)(end - *at) || (*at)[length] != '\n')
        return false;
    ret->value = *at;
    ret->value_bytes = (size_t)length;
    return true;
}

static bool
take_plain(const char *at, const char *end, struct field *ret)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));

    ret->value = at;
    ret->value_bytes = newline ? (size_t)(newline - at) : 0;
    return newline != NULL;
}

/* The field at *@at, which moves on. False: the end, or bytes that are none of ours. */
static bool
take_field(const char **at, const char *end, struct field *ret)
{
    const char *stop = *at;
    bool is_field;

    while (stop < end && *stop != '=' && *stop != '\n')
        stop++;
    if (stop == end)
        return false;
    ret->name = *at;
    ret->name_bytes = (size_t)(stop - *at);
    *at = stop + 1;
    is_field = *stop == '=' ? take_plain(*at, end, ret) : take_bytes(at, end, ret);
    if (is_field)
        *at = ret->value + ret->value_bytes + 1;
    return is_field;
}

static bool
is_named(const struct field *f, const char *name)
{
    return f->name_bytes == strlen(name) && memcmp(f->name, name, f->name_bytes) == 0;
}

/* The key as in logfmt, behind @before. False: this field has none. */
static bool
add_key(struct text *out, const struct field *f, const char *before)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (is_named(f, names[i].name)) {
            text_addf(out, "%s%s=", before, names[i].key);
            return true;
        }
    if (f->name_bytes <= PREFIX_BYTES || memcmp(f->name, PREFIX, PREFIX_BYTES) != 0)
        return false;
    text_add(out, before);
    for (size_t i = PREFIX_BYTES; i < f->name_bytes; i++)
        text_addf(out, "%c", tolower((unsigned char)f->name[i]));
    text_add(out, "=");
    return true;
}

static void
add_value(struct text *out, const struct field *f)
{
    const char *at = f->value_bytes == 1 && is_named(f, "PRIORITY")
                         ? memchr(priorities, f->value[0], sizeof(priorities))
                         : NULL;

    if (at)
        text_add(out, log_level_name((enum log_level)(at - priorities)));
    else
        text_add_value(out, f->value, f->value_bytes);
}

void
journal_native_line(const char *record, size_t bytes, bool again, struct text *out)
{
    const char *end = record + bytes;
    const char *before = "";
    struct field f;

    while (take_field(&record, end, &f)) {
        if (!add_key(out, &f, before))
            continue;
        add_value(out, &f);
        before = " ";
    }
    if (again)
        text_addf(out, "%srepeated=1", before);
    text_add(out, "\n");
}
