/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/error.h"
#include "base/text.h"
#include "supervisor/profile/fields.h"
#include "supervisor/profile/internal.h"

/*
 * profile.proto, then gzip. Each message is made beside the output, since its length comes first. The
 * same profile gives the same bytes: no time and no name in the gzip header.
 */

#define GZIP_WINDOW (15 + 16) /* zlib: a gzip header, not its own */

struct out {
    struct text whole;   /* not yet handed to zlib */
    struct text message; /* the one being made … */
    struct text inner;   /* … and one in it */
    z_stream zip;
    int fd;
};

/* ---- the wire format --------------------------------------------------------------------------- */

static void
varint(struct text *t, uint64_t n)
{
    char bytes[10];
    size_t i = 0;

    while (n >= 0x80) {
        bytes[i++] = (char)(n | 0x80);
        n >>= 7;
    }
    bytes[i++] = (char)n;
    text_addn(t, bytes, i);
}

static void
tag(struct text *t, unsigned field, enum wire_kind kind)
{
    varint(t, (uint64_t)field << 3 | (unsigned)kind);
}

/* 0 is what is read where nothing is. */
static void
number(struct text *t, unsigned field, uint64_t n)
{
    if (n == 0)
        return;
    tag(t, field, WIRE_VARINT);
    varint(t, n);
}

static void
bytes(struct text *t, unsigned field, const char *data, size_t n)
{
    tag(t, field, WIRE_BYTES);
    varint(t, n);
    text_addn(t, data, n);
}

static void
message(struct text *t, unsigned field, struct text *of)
{
    bytes(t, field, text_str(of), of->bytes);
    t->failed = t->failed || of->failed;
    text_clear(of);
}

/* ---- gzip -------------------------------------------------------------------------------------- */

static int
put(int fd, const unsigned char *data, size_t n)
{
    ssize_t r;

    for (; n > 0; data += r, n -= (size_t)r) {
        r = write(fd, data, n);
        if (r < 0 && errno == EINTR)
            r = 0;
        else if (r <= 0)
            return r < 0 ? -errno : -EIO;
    }
    return 0;
}

static int
squeeze(struct out *o, int flush)
{
    unsigned char chunk[16384];
    int r;

    if (o->whole.failed)
        return -ENOMEM;
    o->zip.next_in = (Bytef *)o->whole.data;
    o->zip.avail_in = (uInt)o->whole.bytes;
    do {
        o->zip.next_out = chunk;
        o->zip.avail_out = sizeof(chunk);
        (void)deflate(&o->zip, flush); /* Z_BUF_ERROR only says that there was nothing to do */
        r = put(o->fd, chunk, sizeof(chunk) - o->zip.avail_out);
        if (r < 0)
            return r;
    } while (o->zip.avail_out == 0);
    text_clear(&o->whole);
    return 0;
}

/* A message of the profile is whole. */
static int
close_message(struct out *o, unsigned field)
{
    message(&o->whole, field, &o->message);
    return o->whole.bytes < 65536 && !o->whole.failed ? 0 : squeeze(o, Z_NO_FLUSH);
}

/* ---- the messages -------------------------------------------------------------------------------- */

static int
write_types(struct out *o, const struct profile *p)
{
    int r = 0;

    for (uint32_t i = 0; i < p->n_types && r == 0; i++) {
        number(&o->message, VALUE_TYPE, p->types[i].type);
        number(&o->message, VALUE_UNIT, p->types[i].unit);
        r = close_message(o, PROFILE_SAMPLE_TYPE);
    }
    return r;
}

static int
write_sample(struct out *o, const struct profile *p, const struct p_sample *s)
{
    bool any = false;

    for (uint32_t i = 0; i < p->n_types; i++)
        any = any || s->values[i] != 0;
    if (!any)
        return 0;
    for (uint32_t i = 0; i < s->n_locations; i++)
        varint(&o->inner, s->locations[i]);
    if (s->n_locations > 0)
        message(&o->message, SAMPLE_LOCATION, &o->inner);
    for (uint32_t i = 0; i < p->n_types; i++)
        varint(&o->inner, (uint64_t)s->values[i]);
    message(&o->message, SAMPLE_VALUE, &o->inner);
    for (uint32_t i = 0; i < s->n_labels; i++) {
        number(&o->inner, LABEL_KEY, s->labels[i].key);
        number(&o->inner, LABEL_TEXT, s->labels[i].text);
        if (s->labels[i].text == 0) { /* 0 is said, too: some readers take no number for no label */
            tag(&o->inner, LABEL_NUMBER, WIRE_VARINT);
            varint(&o->inner, (uint64_t)s->labels[i].number);
        }
        number(&o->inner, LABEL_UNIT, s->labels[i].unit);
        message(&o->message, SAMPLE_LABEL, &o->inner);
    }
    return close_message(o, PROFILE_SAMPLE);
}

static int
write_mapping(struct out *o, const struct p_mapping *m, uint32_t id)
{
    number(&o->message, MAPPING_ID, id);
    number(&o->message, MAPPING_START, m->start);
    number(&o->message, MAPPING_LIMIT, m->limit);
    number(&o->message, MAPPING_OFFSET, m->offset);
    number(&o->message, MAPPING_FILE, m->file);
    number(&o->message, MAPPING_BUILD_ID, m->build_id);
    number(&o->message, MAPPING_HAS_FUNCTIONS, m->has_functions);
    number(&o->message, MAPPING_HAS_FILES, m->has_files);
    number(&o->message, MAPPING_HAS_LINES, m->has_lines);
    number(&o->message, MAPPING_HAS_INLINES, m->has_inlines);
    return close_message(o, PROFILE_MAPPING);
}

static int
write_location(struct out *o, const struct p_location *l)
{
    number(&o->message, LOCATION_ID, l->id);
    number(&o->message, LOCATION_MAPPING, l->mapping);
    number(&o->message, LOCATION_ADDRESS, l->address);
    for (uint32_t i = 0; i < l->n_lines; i++) {
        number(&o->inner, LINE_FUNCTION, l->lines[i].function);
        number(&o->inner, LINE_LINE, (uint64_t)l->lines[i].line);
        message(&o->message, LOCATION_LINE, &o->inner);
    }
    return close_message(o, PROFILE_LOCATION);
}

static int
write_function(struct out *o, const struct p_function *f)
{
    number(&o->message, FUNCTION_ID, f->id);
    number(&o->message, FUNCTION_NAME, f->name);
    number(&o->message, FUNCTION_SYSTEM_NAME, f->name);
    number(&o->message, FUNCTION_FILE, f->file);
    number(&o->message, FUNCTION_START_LINE, (uint64_t)f->start_line);
    return close_message(o, PROFILE_FUNCTION);
}

static int
write_rest(struct out *o, const struct profile *p)
{
    for (uint32_t i = 0; i < p->strings.n; i++) {
        const char *s = p_text(p, i);

        bytes(&o->whole, PROFILE_STRING, s, strlen(s));
    }
    number(&o->whole, PROFILE_TIME_NANOS, (uint64_t)p->wall_ns);
    number(&o->whole, PROFILE_DURATION_NANOS, (uint64_t)p->duration_ns);
    if (p->period_type.type > 0) {
        number(&o->message, VALUE_TYPE, p->period_type.type);
        number(&o->message, VALUE_UNIT, p->period_type.unit);
        message(&o->whole, PROFILE_PERIOD_TYPE, &o->message);
    }
    number(&o->whole, PROFILE_PERIOD, (uint64_t)p->period);
    for (uint32_t i = 0; i < p->n_comments; i++) {
        tag(&o->whole, PROFILE_COMMENT, WIRE_VARINT);
        varint(&o->whole, p->comments[i]);
    }
    number(&o->whole, PROFILE_DEFAULT_TYPE, p->default_type);
    return squeeze(o, Z_FINISH);
}

static int
write_all_of(struct out *o, const struct profile *p)
{
    int r = write_types(o, p);

    for (uint32_t i = 0; i < p->samples.n && r == 0; i++)
        r = write_sample(o, p, p_sample_at(p, i));
    for (uint32_t i = 0; i < p->n_mappings && r == 0; i++)
        r = write_mapping(o, &p->mappings[i], i + 1);
    for (uint32_t i = 0; i < p->locations.n && r == 0; i++)
        r = write_location(o, p_location_at(p, i + 1));
    for (uint32_t i = 0; i < p->functions.n && r == 0; i++)
        r = write_function(o, p_function_at(p, i + 1));
    return r < 0 ? r : write_rest(o, p);
}

int
profile_write(const struct profile *p, int fd, struct error *reterr)
{
    struct out o = {.fd = fd};
    int r;

    if (deflateInit2(&o.zip, 6, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return error_set(reterr, -ENOMEM, "write the profile");
    r = write_all_of(&o, p);
    (void)deflateEnd(&o.zip);
    text_finish(&o.whole);
    text_finish(&o.message);
    text_finish(&o.inner);
    return r < 0 ? error_set(reterr, r, "write the profile") : 0;
}
