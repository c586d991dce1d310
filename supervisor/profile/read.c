/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/text.h"

/*
 * A profile comes from anybody: nothing of it is believed. What it takes is bounded by the size of the
 * unpacked file (PROFILE_BYTES_MAX), since all that is kept was in it at some bytes each; numbers
 * of things are looked up and not used as an index, and what refers to what cannot be a circle.
 */

int
read_bad(const struct reading *r, const char *fmt, ...)
{
    char what[160];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return error_say(r->err, -EBADMSG, "not a profile that can be read: %s", what);
}

int
read_text(struct reading *r, uint64_t index, uint32_t *ret)
{
    struct read_string *s;

    if (index >= r->n_strings)
        return read_bad(r, "there is no string %llu", (unsigned long long)index);
    s = &r->strings[index];
    if (s->mine == UINT32_MAX)
        s->mine = s->n == 0 ? 0 : p_string_n(r->p, (const char *)s->at, s->n);
    if (s->mine == UINT32_MAX)
        return -ENOMEM;
    *ret = s->mine;
    return 0;
}

/* ---- what the others need first ------------------------------------------------------------------ */

/* How many of each there are, and that the outermost layer is whole. */
static int
count(const struct reading *r, struct cursor c, size_t n[PROFILE_DEFAULT_TYPE + 1])
{
    struct field f;

    while (cursor_next(&c, &f)) {
        if (f.id > PROFILE_DEFAULT_TYPE)
            continue;
        if (f.id <= PROFILE_STRING && f.kind != WIRE_BYTES)
            return read_bad(r, "field %u is of another kind", (unsigned)f.id);
        n[f.id]++;
    }
    return c.bad ? read_bad(r, "it is cut off, or something else") : 0;
}

static int
read_strings(struct reading *r, struct cursor c, size_t n)
{
    struct field f;

    if (n == 0)
        return read_bad(r, "it has no strings");
    r->strings = calloc(n, sizeof(*r->strings));
    if (!r->strings)
        return -ENOMEM;
    while (cursor_next(&c, &f))
        if (f.id == PROFILE_STRING)
            r->strings[r->n_strings++] =
                (struct read_string){f.body.at, (uint32_t)(f.body.end - f.body.at), UINT32_MAX};
    if (r->strings[0].n > 0)
        return read_bad(r, "its first string is not empty");
    return 0;
}

/* A type and its unit, as the file numbers its strings; the profile is made of them. */
static int
type_of(const struct reading *r, struct cursor c, uint64_t *ret_type, uint64_t *ret_unit)
{
    struct field f;

    while (cursor_next(&c, &f)) {
        if (f.id == VALUE_TYPE)
            *ret_type = f.number;
        else if (f.id == VALUE_UNIT)
            *ret_unit = f.number;
    }
    if (c.bad || *ret_type >= r->n_strings || *ret_unit >= r->n_strings)
        return read_bad(r, "a type of its values cannot be read");
    return 0;
}

static int
read_types(struct reading *r, struct cursor c)
{
    uint64_t types[PROFILE_TYPES_MAX] = {0}, units[PROFILE_TYPES_MAX] = {0};
    const struct profile_type none = {"", ""};
    struct field f;
    size_t n = 0;
    int e = 0;

    while (e == 0 && cursor_next(&c, &f)) {
        if (f.id != PROFILE_SAMPLE_TYPE)
            continue;
        if (n == PROFILE_TYPES_MAX)
            return read_bad(r, "it has more than %d types of values", PROFILE_TYPES_MAX);
        e = type_of(r, f.body, &types[n], &units[n]);
        n++;
    }
    if (e == 0 && n == 0)
        e = read_bad(r, "its values have no types");
    e = e < 0 ? e : profile_new(&r->p, &none, 1, NULL);
    for (size_t i = 0; i < n && e == 0; i++) {
        e = read_text(r, types[i], &r->p->types[i].type);
        e = e < 0 ? e : read_text(r, units[i], &r->p->types[i].unit);
    }
    if (e < 0)
        return e;
    r->n_types = n;
    r->p->n_types = (uint32_t)n;
    return 0;
}

static int
read_period(struct reading *r, const struct field *f)
{
    uint64_t type = 0, unit = 0;
    int e = f->kind == WIRE_BYTES ? type_of(r, f->body, &type, &unit) : 0;

    e = e < 0 ? e : read_text(r, type, &r->p->period_type.type);
    return e < 0 ? e : read_text(r, unit, &r->p->period_type.unit);
}

static int
read_comments(struct reading *r, const struct field *f)
{
    struct cursor c = f->body;
    uint64_t number = f->number;
    bool packed = f->kind == WIRE_BYTES;
    uint32_t text = 0;
    int e = 0;

    while (e == 0 && (!packed || cursor_number(&c, &number))) {
        e = read_text(r, number, &text);
        e = e < 0 ? e : p_comment(r->p, text);
        if (e == 0 && r->p->n_comments > 1024) /* each is compared with those before it */
            e = read_bad(r, "it has too many comments");
        if (!packed)
            break;
    }
    return e;
}

static int
read_head(struct reading *r, struct cursor c)
{
    struct field f;
    int e = 0;

    while (e == 0 && cursor_next(&c, &f)) {
        if (f.id == PROFILE_TIME_NANOS)
            r->p->wall_ns = (int64_t)f.number;
        else if (f.id == PROFILE_DURATION_NANOS)
            r->p->duration_ns = (int64_t)f.number;
        else if (f.id == PROFILE_PERIOD)
            r->p->period = (int64_t)f.number;
        else if (f.id == PROFILE_PERIOD_TYPE)
            e = read_period(r, &f);
        else if (f.id == PROFILE_COMMENT)
            e = read_comments(r, &f);
        else if (f.id == PROFILE_DEFAULT_TYPE)
            e = read_text(r, f.number, &r->p->default_type);
    }
    return e;
}

static int
read_whole(struct reading *r, const uint8_t *bytes, size_t n)
{
    const struct cursor whole = {.at = bytes, .end = bytes + n};
    size_t counts[PROFILE_DEFAULT_TYPE + 1] = {0};
    int e = count(r, whole, counts);

    if (e == 0 && counts[PROFILE_MAPPING] > 16384) /* each is compared with those before it */
        e = read_bad(r, "it has too many mappings");
    e = e < 0 ? e : read_strings(r, whole, counts[PROFILE_STRING]);
    e = e < 0 ? e : read_types(r, whole);
    e = e < 0 ? e : read_head(r, whole);
    e = e < 0 ? e : read_mappings(r, whole, counts[PROFILE_MAPPING]);
    e = e < 0 ? e : read_functions(r, whole, counts[PROFILE_FUNCTION]);
    e = e < 0 ? e : read_locations(r, whole, counts[PROFILE_LOCATION]);
    return e < 0 ? e : read_samples(r, whole);
}

static int
read_plain(struct profile **ret, const uint8_t *bytes, size_t n, struct error *reterr)
{
    struct reading r = {.err = reterr};
    int e = read_whole(&r, bytes, n);

    free(r.strings);
    free(r.mappings.items);
    free(r.functions.items);
    free(r.locations.items);
    free(r.stack);
    free(r.labels);
    if (e == 0)
        *ret = steal(r.p);
    profile_free(r.p);
    return e == -ENOMEM ? error_set(reterr, e, "read a profile") : e;
}

/* ---- gzip ---------------------------------------------------------------------------------------- */

static int
unzip(const uint8_t *bytes, size_t n, struct text *out, struct error *reterr)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)n};
    unsigned char chunk[32768];
    int r = inflateInit2(&z, 15 + 16), e = 0;

    if (r != Z_OK)
        return error_set(reterr, -ENOMEM, "read a profile");
    while (r == Z_OK && e == 0) {
        z.next_out = chunk;
        z.avail_out = sizeof(chunk);
        r = inflate(&z, Z_NO_FLUSH);
        text_addn(out, (const char *)chunk, sizeof(chunk) - z.avail_out);
        if (out->failed)
            e = error_set(reterr, -ENOMEM, "read a profile");
        else if (out->bytes > PROFILE_BYTES_MAX)
            e = error_say(reterr, -EFBIG, "the profile has more than %zu bytes", PROFILE_BYTES_MAX);
        else if (r == Z_STREAM_END &&
                 z.avail_in > 0) /* gzip files may be put one behind the other */
            r = inflateReset(&z);
    }
    (void)inflateEnd(&z);
    if (e == 0 && r != Z_STREAM_END)
        e = error_say(reterr, -EBADMSG,
                      "not a profile that can be read: its gzip is cut off or broken");
    return e;
}

int
profile_read_bytes(struct profile **ret, const void *bytes, size_t n, struct error *reterr)
{
    const uint8_t *data = bytes;
    auto_text struct text plain = TEXT_INIT;
    int r;

    if (n > PROFILE_BYTES_MAX)
        return error_say(reterr, -EFBIG, "the profile has more than %zu bytes", PROFILE_BYTES_MAX);
    if (n < 2 || data[0] != 0x1f || data[1] != 0x8b)
        return read_plain(ret, data, n, reterr);
    r = unzip(data, n, &plain, reterr);
    return r < 0 ? r : read_plain(ret, (const uint8_t *)text_str(&plain), plain.bytes, reterr);
}

int
profile_read(struct profile **ret, int fd, struct error *reterr)
{
    auto_text struct text all = TEXT_INIT;
    char chunk[32768];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(reterr, -errno, "read a profile");
        text_addn(&all, chunk, (size_t)n);
        if (all.failed)
            return error_set(reterr, -ENOMEM, "read a profile");
        if (all.bytes > PROFILE_BYTES_MAX)
            break;
    }
    return profile_read_bytes(ret, text_str(&all), all.bytes, reterr);
}
