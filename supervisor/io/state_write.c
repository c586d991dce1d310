/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/state_internal.h"

#define HISTORY_LEAST   ((size_t)256 << 10) /* a file this small is never written anew */
#define BATCH_ROOM_KEPT ((size_t)1 << 20)

/* Entries that count no more are freed in one go, now and then. */
static void
index_sweep(struct state *st)
{
    size_t kept = 0;

    for (size_t i = 0; i < st->n; i++) {
        struct entry *e = st->list[i];

        if (e->at) {
            st->list[kept++] = e;
            continue;
        }
        table_remove(&st->index, &e->node);
        free(e);
    }
    st->n = kept;
}

static void
batch_add(struct state *st, const struct record_head *h, const void *bytes)
{
    static const char zero[8];

    if (!st->batch.bytes) {
        const struct batch_head head = {.magic = BATCH_MAGIC};

        text_addn(&st->batch, (const char *)&head, sizeof(head));
    }
    text_addn(&st->batch, (const char *)h, sizeof(*h));
    text_addn(&st->batch, bytes ? bytes : "", h->bytes);
    text_addn(&st->batch, zero, padded(h->bytes) - h->bytes);
}

void
state_put(struct state *st, enum state_kind kind, uint64_t key, const void *bytes, size_t n)
{
    const struct record_head h = {.kind = kind, .key = key, .bytes = n};

    batch_add(st, &h, bytes);
}

void
state_drop(struct state *st, enum state_kind kind, uint64_t key)
{
    const struct record_head h = {.kind = kind, .dropped = 1, .key = key};

    batch_add(st, &h, NULL);
}

void
state_forget(struct state *st)
{
    state_drop(st, STATE_NOTHING, 0);
}

static int
write_all(int fd, const char *bytes, size_t n, size_t at)
{
    while (n > 0) {
        ssize_t part = pwrite(fd, bytes, n, (off_t)at);

        if (part == -1 && errno == EINTR)
            continue;
        if (part <= 0)
            return part == -1 ? -errno : -ENOSPC;
        bytes += part;
        n -= (size_t)part;
        at += (size_t)part;
    }
    return 0;
}

static void
batch_seal(struct text *batch, uint64_t sequence)
{
    struct batch_head h = {.magic = BATCH_MAGIC, .sequence = sequence};

    h.bytes = batch->bytes - sizeof(h);
    h.digest = digest_of(batch->data + sizeof(h), h.bytes);
    memcpy(batch->data, &h, sizeof(h));
}

/* One batch at the end. What lay there, torn, must not come to lie right behind a new one. */
static int
batch_write(struct state *st)
{
    int r;

    if (st->torn && ftruncate(st->fd, (off_t)st->end) == -1)
        return -errno;
    st->torn = false;
    batch_seal(&st->batch, st->sequence + 1);
    EDGE("commit-begun");
    r = write_all(st->fd, st->batch.data, st->batch.bytes, st->end);
    EDGE("commit-written");
    st->torn = r < 0;
    return r;
}

/* What counts, copied behind each other: one batch of a new file. */
static int
gather(const struct state *st, const char *data, struct text *out)
{
    const struct batch_head head = {.magic = BATCH_MAGIC};
    static const char zero[8];

    text_addn(out, (const char *)&head, sizeof(head));
    for (size_t i = 0; i < st->n; i++) {
        const struct entry *e = st->list[i];
        const struct record_head h = {.kind = e->kind, .key = e->key, .bytes = e->bytes};

        text_addn(out, (const char *)&h, sizeof(h));
        text_addn(out, data + e->at, e->bytes);
        text_addn(out, zero, padded(e->bytes) - e->bytes);
    }
    return out->failed ? -ENOMEM : 0;
}

/* Into another memfd, without the history. Return: 1, or negative errno: all goes on as it was. */
static int
rewrite(struct state *st)
{
    auto_text struct text batch = TEXT_INIT;
    auto_fd int fd = state_file_make(NULL);
    char *data;
    int r;

    if (fd < 0)
        return fd;
    index_sweep(st);
    data = mmap(NULL, st->end, PROT_READ, MAP_PRIVATE, st->fd, 0);
    if (data == MAP_FAILED)
        return -errno;
    r = gather(st, data, &batch);
    (void)munmap(data, st->end); /* ours, whole: cannot fail */
    if (r == 0) {
        batch_seal(&batch, 1);
        r = write_all(fd, batch.data, batch.bytes, sizeof(struct file_head));
    }
    if (r < 0)
        return r;
    st->old_fd = st->fd;
    st->old_end = st->end;
    st->fd = steal_fd(fd);
    return 1;
}

void
state_tidy(struct state *st)
{
    st->tidy = true;
}

int
state_commit(struct state *st, struct error *reterr)
{
    int r = st->batch.failed ? -ENOMEM : 0;
    size_t most;

    if (st->batch.bytes == 0 && r == 0)
        return 0;
    if (r == 0)
        r = batch_write(st);
    if (r == 0) {
        r = state_index(st, st->batch.data + sizeof(struct batch_head),
                        st->batch.bytes - sizeof(struct batch_head),
                        st->end + sizeof(struct batch_head));
        st->end += st->batch.bytes;
        st->sequence++;
    }
    if (st->batch.room > BATCH_ROOM_KEPT)
        text_finish(&st->batch);
    text_clear(&st->batch);
    if (r < 0)
        return error_set(reterr, r, "keep the state");
    EDGE("commit-done");
    most = st->tidy ? st->live + HISTORY_LEAST : st->live * 3;
    st->tidy = false;
    if (st->old_fd != -1 || st->end <= HISTORY_LEAST || st->end <= most || st->end < st->patience)
        return 0;
    if (rewrite(st) == 1)
        return 1;
    st->patience = st->end + HISTORY_LEAST; /* it costs too much to be tried with each */
    return 0;
}

void
state_settle(struct state *st, bool kept)
{
    if (st->old_fd == -1)
        return;
    if (!kept) {
        fd_close(st->fd);
        st->fd = st->old_fd;
        st->end = st->old_end;
        st->old_fd = -1;
        st->patience = st->end + HISTORY_LEAST;
        return;
    }
    st->patience = 0;
    st->old_fd = fd_close(st->old_fd);
    /* The index of the new file: records stand there in the order of the list. */
    st->end = sizeof(struct file_head) + sizeof(struct batch_head);
    for (size_t i = 0; i < st->n; i++) {
        struct entry *e = st->list[i];

        e->at = st->end + sizeof(struct record_head);
        st->end = e->at + padded(e->bytes);
    }
    st->sequence = 1;
}
