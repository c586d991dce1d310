/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "supervisor/io/capture_internal.h"

/*
 * From bytes to lines, one by one or many at once, and how large a piece is. One that floods has large ones, so that its bytes
 * cost few system calls; when a turn of the loop has had enough of them, everybody else gets a small one,
 * so that a thousand who flood do not make a turn of seconds.
 */
#define PIECE_MIN  ((size_t)16 << 10)
#define TURN_BYTES ((size_t)1 << 20) /* … after which pieces are small */

static struct {
    const struct ev_loop *loop; /* borrowed: only compared */
    unsigned number;            /* of its turn */
    size_t bytes;               /* taken in this one */
} turn;

size_t
capture_piece(const struct stream *s)
{
    const struct ev_loop *loop = s->capture->loop;
    unsigned number = ev_iteration(s->capture->loop);

    if (turn.loop != loop || turn.number != number) {
        turn.loop = loop;
        turn.number = number;
        turn.bytes = 0;
    }
    return turn.bytes < TURN_BYTES && s->piece > PIECE_MIN ? s->piece : PIECE_MIN;
}

void
capture_piece_done(struct stream *s, size_t seen, size_t taken, bool out_of_lines)
{
    size_t asked = s->piece > PIECE_MIN ? s->piece : PIECE_MIN;

    turn.bytes += taken;
    if (out_of_lines) /* short ones: what was seen beyond them was seen in vain */
        s->piece = taken;
    else if (seen == asked && asked < CAPTURE_READ_BYTES)
        s->piece = asked * 2;
}

/* ---- one by one ------------------------------------------------------------------------------- */

static void
emit(struct stream *s, const char *bytes, size_t n, unsigned flags)
{
    struct capture *c = s->capture;

    if (!(flags & CAPTURE_CONTINUED)) /* of a long line its beginning is kept */
        capture_keep(&c->kept, bytes, n);
    c->on_line(c->env, s->name, bytes, n, flags);
}

/* The end of a line has come: what was put aside, then @bytes. */
void
capture_emit_rest(struct stream *s, unsigned flags)
{
    size_t n = s->used;

    if (s->continued)
        flags |= CAPTURE_CONTINUED;
    s->used = 0;
    s->continued = false;
    emit(s, s->line, n, flags);
}

static bool
has_room(struct stream *s, size_t n)
{
    struct capture *c = s->capture;

    s->waits = c->keeper && c->keeper->has_room && !c->keeper->has_room(c->env, n);
    return !s->waits;
}

/* A piece goes out only when a further byte of the same line needs its room. */
static bool
make_place(struct stream *s)
{
    if (s->used < CAPTURE_LINE_MAX)
        return true;
    if (!has_room(s, s->used))
        return false;
    capture_emit_rest(s, CAPTURE_CUT);
    s->continued = true;
    return true;
}

/*
 * What there is of a line, at most up to its newline: put aside, and told when it ends with @newline.
 * Return: bytes that were taken, the newline not counted; less than @n: there may be no room.
 */
static size_t
take_part(struct stream *s, const char *bytes, size_t n, bool newline, unsigned again)
{
    size_t part;

    if (!s->line && n > 0)
        s->line = malloc(CAPTURE_LINE_MAX);
    if (!s->line &&
        n > 0) { /* nothing to put it aside in: it goes out in pieces, but it goes out */
        emit(s, bytes, n, CAPTURE_CUT | (s->continued ? CAPTURE_CONTINUED : 0u));
        s->continued = true;
        part = n;
    } else {
        if (n > 0 && !make_place(s))
            return 0;
        part = CAPTURE_LINE_MAX - s->used;
        if (part > n)
            part = n;
        if (part > 0)
            memcpy(s->line + s->used, bytes, part);
        s->used += part;
    }
    if (!newline || part < n)
        return part;
    if (!has_room(s, s->used)) {
        s->used -= s->line ? part : 0;
        return 0;
    }
    capture_emit_rest(s, again);
    return part;
}

/* ---- many at once ----------------------------------------------------------------------------- */

/* The newest ones, in their order. @bytes: whole lines. */
static void
keep_newest(struct capture_kept *k, const char *bytes, size_t n)
{
    const char *end = bytes + n, *from = end, *newline;

    for (unsigned lines = 0; from > bytes && lines < CAPTURE_KEEP; lines++) {
        newline = memrchr(bytes, '\n', (size_t)(from - bytes) - 1);
        from = newline ? newline + 1 : bytes;
    }
    for (; from < end; from = newline + 1) {
        newline = memchr(from, '\n', (size_t)(end - from));
        capture_keep(k, from, (size_t)(newline - from));
    }
}

/* Told at once. Return: bytes of them; 0: none could be. */
static size_t
whole_lines(struct stream *s, const char *bytes, size_t n, unsigned *lines)
{
    struct capture *c = s->capture;
    const char *last;
    size_t taken;

    if (!c->keeper || !c->keeper->on_lines || s->used > 0 || s->continued || s->again > 0)
        return 0;
    last = memrchr(bytes, '\n', n);
    if (!last)
        return 0;
    taken = c->keeper->on_lines(c->env, s->name, bytes, (size_t)(last - bytes) + 1, lines);
    if (taken > 0)
        keep_newest(&c->kept, bytes, taken);
    return taken;
}

/* The beginning of a line behind whole ones stays in the pipe: most likely its end comes meanwhile. */
static bool
can_stay(const struct stream *s, size_t taken)
{
    return taken > 0 && s->capture->keeper && s->capture->keeper->on_lines;
}

size_t
capture_feed(struct stream *s, const char *bytes, size_t n, unsigned *lines)
{
    size_t taken = 0;

    while (*lines > 0 && taken < n) {
        const char *at = bytes + taken, *newline;
        size_t part = whole_lines(s, at, n - taken, lines), line;
        unsigned again;

        taken += part;
        if (part > 0)
            continue;
        newline = memchr(at, '\n', n - taken);
        if (!newline && can_stay(s, taken))
            break;
        line = part = newline ? (size_t)(newline - at) : n - taken;
        again = newline && s->again > line ? CAPTURE_AGAIN : 0u;
        --*lines;
        if (newline && s->used == 0 && !s->continued && line <= CAPTURE_LINE_MAX) {
            if (!has_room(s, line))
                break;
            emit(s, at, line, again); /* the common case: a whole line at once, not copied */
        } else {
            part = take_part(s, at, line, newline != NULL, again);
        }
        if (newline && part == line && !s->waits)
            part++;
        s->again -= s->again < part ? s->again : part;
        s->again_rest = false;
        taken += part;
        if (s->waits)
            break;
    }
    return taken;
}
