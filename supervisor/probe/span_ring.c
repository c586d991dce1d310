/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/span_ring.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define COUNT_MAX  65536U
#define STRIDE_MAX 4096U
#define JUMP_MAX   (UINT64_C(1) << 32) /* nobody ends so many from one look to the next */
#define BATCH      64                  /* entries copied at a time */

/* What is known of a ring whose numbers make sense. */
struct ring {
    uint64_t begun, seqs_at, spans_at;
    uint32_t count, stride;
    int fd;
};

/* All of @bytes or an error. */
static int
read_at(int fd, void *to, size_t bytes, uint64_t at)
{
    size_t done = 0;

    while (done < bytes) {
        ssize_t n = pread(fd, (char *)to + done, bytes - done, (off_t)(at + done));

        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? -EIO : -errno;
        done += (size_t)n;
    }
    return 0;
}

static int
write_at(int fd, const void *from, size_t bytes, uint64_t at)
{
    ssize_t n = pwrite(fd, from, bytes, (off_t)at);

    if (n == -1)
        return -errno;
    return (size_t)n == bytes ? 0 : -EIO;
}

static bool
fits(const struct stint_registry_table *t, uint64_t size)
{
    return t->offset % 8 == 0 && t->stride % 8 == 0 && t->offset <= size &&
           (uint64_t)t->count * t->stride <= size - t->offset;
}

static int
ring_open(int fd, struct ring *ret, struct stint_registry_header *h)
{
    struct stat st;
    int r;

    *h = (struct stint_registry_header){0};
    if (fstat(fd, &st) == -1)
        return -errno;
    if (st.st_size < (off_t)sizeof(*h))
        return -ENODATA;
    r = read_at(fd, h, sizeof(*h), 0);
    if (r < 0)
        return r;
    if (h->magic != STINT_REGISTRY_MAGIC || h->major != STINT_REGISTRY_MAJOR || h->spans.count == 0)
        return -ENODATA;
    if (h->spans.count > COUNT_MAX || h->spans.count != h->span_seqs.count ||
        h->span_seqs.stride != sizeof(uint64_t) || h->spans.stride > STRIDE_MAX ||
        h->spans.stride < sizeof(struct stint_registry_span) ||
        !fits(&h->spans, (uint64_t)st.st_size) || !fits(&h->span_seqs, (uint64_t)st.st_size))
        return -EPROTO;
    *ret = (struct ring){.begun = h->spans_begun,
                         .seqs_at = h->span_seqs.offset,
                         .spans_at = h->spans.offset,
                         .count = h->spans.count,
                         .stride = h->spans.stride,
                         .fd = fd};
    return 0;
}

bool
span_ring_fits(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_size >= (off_t)STINT_REGISTRY_WITH_SPANS;
}

int
span_ring_want(int fd, bool wanted)
{
    const uint32_t word = wanted;

    if (!span_ring_fits(fd))
        return -ENOENT;
    return write_at(fd, &word, sizeof(word), offsetof(struct stint_registry_header, spans_wanted));
}

void
span_ring_resume(int fd, struct span_ring_at *at)
{
    struct stint_registry_header h;
    struct ring ring = {.fd = fd};

    *at = (struct span_ring_at){0};
    if (ring_open(fd, &ring, &h) == 0 && h.spans_taken <= ring.begun)
        at->next = h.spans_taken;
}

void
span_ring_taken(int fd, const struct span_ring_at *at)
{
    /* Where that fails, another reader is told something twice. */
    (void)write_at(fd, &at->next, sizeof(at->next),
                   offsetof(struct stint_registry_header, spans_taken));
}

/* Where to begin: a ring that goes back, or leaps, is told from its present end on, and lost something: one, for want of
 * a number that could be believed. */
static void
settle(const struct ring *ring, struct span_ring_at *at, struct span_ring_look *look)
{
    if (ring->begun < at->next || ring->begun - at->next > JUMP_MAX) {
        at->next = at->seen = ring->begun;
        look->lost = 1;
        return;
    }
    if (ring->begun - at->next > ring->count) {
        look->lost = ring->begun - at->next - ring->count;
        at->next = ring->begun - ring->count;
    }
}

/* A piece that does not go round. */
struct piece {
    uint64_t before[BATCH], after[BATCH];
    unsigned char entries[BATCH * STRIDE_MAX / 4]; /* of the usual stride twice as many as that */
};

static int
copy(const struct ring *ring, uint64_t from, size_t n, struct piece *piece)
{
    const uint64_t entry = from % ring->count;
    const uint64_t seqs = ring->seqs_at + entry * sizeof(uint64_t);
    int r;

    memset(piece->before, 0, sizeof(piece->before));
    memset(piece->after, 0, sizeof(piece->after));
    r = read_at(ring->fd, piece->before, n * sizeof(uint64_t), seqs);

    if (r == 0)
        r = read_at(ring->fd, piece->entries, n * ring->stride,
                    ring->spans_at + entry * ring->stride);
    if (r == 0)
        r = read_at(ring->fd, piece->after, n * sizeof(uint64_t), seqs);
    return r;
}

static size_t
piece_of(const struct ring *ring, uint64_t from, size_t room)
{
    uint64_t n = ring->begun - from, round = ring->count - from % ring->count;
    size_t fitting = sizeof(((struct piece *)0)->entries) / ring->stride;

    n = n < round ? n : round;
    n = n < room ? n : room;
    n = n < BATCH ? n : BATCH;
    return n < fitting ? (size_t)n : fitting;
}

int
span_ring_look(int fd, struct span_ring_at *at, bool dead, struct stint_registry_span *ret,
               size_t room, struct span_ring_look *look)
{
    struct stint_registry_header h;
    struct piece piece;
    struct ring ring = {.fd = fd};
    int r = ring_open(fd, &ring, &h);

    *look = (struct span_ring_look){.n = 0};
    if (r < 0)
        return r;
    look->count = ring.count;
    settle(&ring, at, look);
    look->drawn = ring.begun > at->seen ? ring.begun - at->seen : 0;
    while (at->next < ring.begun) {
        size_t n = piece_of(&ring, at->next, room - look->n);

        if (n == 0) {
            look->more = true;
            return 0;
        }
        r = copy(&ring, at->next, n, &piece);
        if (r < 0)
            return r;
        for (size_t i = 0; i < n; i++, at->next++) {
            const uint64_t whole = at->next * 2 + 2;

            if (piece.before[i] == whole && piece.after[i] == whole) {
                memcpy(&ret[look->n++], piece.entries + i * ring.stride, sizeof(*ret));
            } else if (piece.after[i] > whole || dead || at->next < at->seen) {
                look->lost++;
            } else {
                at->seen = ring.begun;
                return 0; /* it is being written */
            }
        }
    }
    at->seen = ring.begun;
    return 0;
}
