/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "supervisor/io/journal_kept.h"
#include "supervisor/io/journal_state.h"

/*
 * Lines of output on their way into the rings: many of one stream at a time, which differ in their bytes and, at
 * most, in their flags and their trace. What is the same in all of them is put together once.
 */

#define LATE_LINES    64 /* fewer at a time go into the ring of their output at once */
#define SERVICE_BYTES 64 /* of a name, at most: longer ones are cut where they are kept, too */

struct same {
    const struct journal_origin *from;
    const struct journal_text *lines;
    uint64_t first; /* number of lines[0] */
    size_t gap;     /* the line behind those that are kept nowhere; 0: there are none */
    size_t service_bytes, prefix_bytes;
    char trace[32];                                            /* of lines without their own */
    char prefix[SERVICE_BYTES + 1 + sizeof(struct kept_head)]; /* what stands before each line */
};

static void
same_init(struct same *s, const struct journal_origin *from, const struct journal_text *lines)
{
    struct kept_head head = {.form = KEPT_RAW, .slot = from->slot, .wall_us = wall_now_us()};

    if (strcmp(from->stream, "stderr") == 0)
        head.flags = KEPT_STDERR;
    memset(s, 0, sizeof(*s));
    s->from = from;
    s->lines = lines;
    s->service_bytes = strnlen(from->service, SERVICE_BYTES);
    memcpy(s->prefix, from->service, s->service_bytes);
    memcpy(s->prefix + s->service_bytes + 1, &head, sizeof(head));
    s->prefix_bytes = s->service_bytes + 1 + sizeof(head);
    if (from->trace)
        memcpy(s->trace, from->trace, strnlen(from->trace, sizeof(s->trace)));
}

static size_t
line_bytes(const struct same *s, size_t i)
{
    return s->prefix_bytes + s->lines[i].n + 1;
}

/* The first of those that will have a place in @r when all of them are in: the ones before it had theirs. */
static size_t
first_that_stays(const struct journal_ring *r, const struct same *s, size_t n)
{
    size_t bytes = 0, first = n;

    while (first > 0 && n - first < r->max) {
        bytes += line_bytes(s, first - 1);
        if (bytes > r->room)
            break;
        first--;
    }
    return first;
}

static uint8_t
flags_of(const struct same *s, size_t i)
{
    unsigned of = s->lines[i].flags;

    return (uint8_t)((of & JOURNAL_OUTPUT_CUT ? KEPT_CUT : 0) |
                     (of & JOURNAL_OUTPUT_LAST ? KEPT_LAST : 0) |
                     (of & JOURNAL_OUTPUT_AGAIN ? KEPT_AGAIN : 0) |
                     (i > 0 && i == s->gap ? KEPT_GAP : 0));
}

/* Return: behind it. */
static char *
put_line(char *to, const struct same *s, size_t i)
{
    const struct journal_text *line = &s->lines[i];
    char *head = to + s->service_bytes + 1;

    memcpy(to, s->prefix, s->prefix_bytes);
    head[offsetof(struct kept_head, flags)] =
        (char)(head[offsetof(struct kept_head, flags)] | flags_of(s, i));
    memcpy(head + offsetof(struct kept_head, trace), line->trace ? line->trace : s->trace,
           sizeof(s->trace));
    to += s->prefix_bytes;
    memcpy(to, line->bytes, line->n);
    to[line->n] = '\0';
    return to + line->n + 1;
}

/* How many of the next lines go into @r one behind the other, before it turns to its start. */
static unsigned
portion_of(const struct journal_ring *r, const struct same *s, size_t i, size_t n,
           size_t *ret_bytes)
{
    size_t bytes = line_bytes(s, i), most = r->room - r->head, next;
    unsigned lines = 1;

    if (most < bytes || most > r->room / 4)
        most = r->room / 4;
    for (; i + lines < n && lines < r->max / 4; lines++) {
        next = bytes + line_bytes(s, i + lines);
        if (next > most)
            break;
        bytes = next;
    }
    *ret_bytes = bytes;
    return lines;
}

/* Lines @i to @n; whoever is killed meanwhile leaves those that are in as a whole. */
static void
put_lines(struct journal_ring *r, const struct same *s, size_t i, size_t n)
{
    while (i < n) {
        size_t bytes, at;
        unsigned lines = portion_of(r, s, i, n, &bytes), slot;
        char *to;

        if (bytes > r->room) { /* a line larger than a ring shows up as lost */
            i++;
            continue;
        }
        at = journal_ring_make_place(r, bytes, lines);
        slot = (unsigned)((r->taken + r->n) % r->max);
        to = r->data + at;
        for (unsigned k = 0; k < lines; k++, i++) {
            char *end = put_line(to, s, i);

            r->slots[slot] = (struct journal_slot){
                .seq = s->first + i,
                .generation = s->from->generation,
                .pid = s->from->pid,
                .at = (uint32_t)(to - r->data),
                .service = (uint32_t)s->service_bytes,
                .json = (uint32_t)(sizeof(struct kept_head) + s->lines[i].n),
            };
            slot = slot + 1 < r->max ? slot + 1 : 0;
            to = end;
        }
        journal_ring_count_in(r, at + bytes, lines);
    }
}

void
journal_settle(const struct journal *j)
{
    const struct journal_late late = *j->settles;

    if (!late.output)
        return;
    *j->settles = (struct journal_late){.output = NULL};
    for (unsigned i = journal_ring_index(&j->recent, late.first - 1); i < j->recent.n; i++) {
        const struct journal_slot *slot = journal_ring_at(&j->recent, i);

        if (slot->seq > late.last)
            return;
        (void)journal_ring_add(&late.output->ring, slot, late.output->service,
                               journal_ring_json(&j->recent, slot), slot->json);
    }
}

/* Lines from @own on are those of @o, of which nothing before them is kept if @own is above 0. */
static void
put_own(struct journal *j, struct output *o, const struct same *s, size_t own, size_t n)
{
    if (own > 0)
        journal_ring_pass(&o->ring, s->first - 1 + own);
    if (n - own >= LATE_LINES && s->gap == own)
        j->late = (struct journal_late){o, s->first + own, s->first + n - 1};
    else
        put_lines(&o->ring, s, own, n);
}

void
journal_keep_output(struct journal *j, const struct journal_origin *from,
                    const struct journal_text *lines, size_t n)
{
    struct output *o = journal_output_make(j, from->service);
    struct same s;
    size_t recent, own;

    same_init(&s, from, lines);
    s.first = j->last_output + 1;
    recent = first_that_stays(&j->recent, &s, n);
    own = o ? first_that_stays(&o->ring, &s, n) : n;
    s.gap = o && own > recent ? own : recent; /* of the ones before nobody would find them */
    if (j->late.output == o && own > 0)
        j->late.output = NULL; /* they lose their place to these */
    journal_settle(j);
    if (recent > 0)
        journal_ring_pass(&j->recent, j->last_output + recent);
    put_lines(&j->recent, &s, s.gap, n);
    if (o)
        put_own(j, o, &s, own, n);
    j->last_output += n;
    j->changes++;
    shared_store(&j->memory.header->last_output, j->last_output);
}

size_t
journal_keep_portion(const struct journal_text *lines, size_t n)
{
    size_t bytes = 0, i = 0;

    do
        bytes += lines[i++].n;
    while (i < n && i < JOURNAL_OUTPUT_LINES / 2 && bytes < JOURNAL_OUTPUT_BYTES / 4);
    return i;
}
