/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/state_internal.h"

static uint64_t
entry_hash(uint32_t kind, uint64_t key)
{
    return key * STATE_KIND_COUNT + kind;
}

static struct entry *
entry_find(const struct state *st, uint32_t kind, uint64_t key)
{
    for (struct table_node *n = table_find(&st->index, entry_hash(kind, key)); n;
         n = table_next(n)) {
        struct entry *e = container_of(n, struct entry, node);

        if (e->kind == kind && e->key == key)
            return e;
    }
    return NULL;
}

static struct entry *
entry_make(struct state *st, uint32_t kind, uint64_t key)
{
    struct entry *e = entry_find(st, kind, key);

    if (e)
        return e;
    if (st->n == st->room) {
        size_t room = st->room ? st->room * 2 : 64;
        struct entry **bigger = realloc(st->list, room * sizeof(struct entry *));

        if (!bigger)
            return NULL;
        st->list = bigger;
        st->room = room;
    }
    e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->kind = kind;
    e->key = key;
    st->list[st->n++] = e;
    table_add(&st->index, &e->node, entry_hash(kind, key));
    return e;
}

static size_t
entry_cost(const struct entry *e)
{
    return e->at ? sizeof(struct record_head) + padded(e->bytes) : 0;
}

static void
index_forget(struct state *st)
{
    for (size_t i = 0; i < st->n; i++)
        st->list[i]->at = 0;
    st->live = 0;
}

/* One written batch of @bytes whose records begin at @at of the file. They were checked. */
int
state_index(struct state *st, const char *records, size_t bytes, size_t at)
{
    for (size_t used = 0; used < bytes;) {
        struct record_head h;
        struct entry *e;

        memcpy(&h, records + used, sizeof(h));
        used += sizeof(h);
        if (h.kind == STATE_NOTHING) {
            index_forget(st);
            continue;
        }
        e = h.dropped ? entry_find(st, h.kind, h.key) : entry_make(st, h.kind, h.key);
        if (!e && !h.dropped)
            return -ENOMEM;
        if (e) {
            st->live -= entry_cost(e);
            e->at = h.dropped ? 0 : at + used;
            e->bytes = h.bytes;
            st->live += entry_cost(e);
        }
        used += padded(h.bytes);
    }
    return 0;
}

/* The records of a batch are whole and of kinds we know. */
static bool
batch_sound(const char *records, size_t bytes)
{
    size_t used = 0;

    while (used < bytes) {
        struct record_head h;

        if (bytes - used < sizeof(h))
            return false;
        memcpy(&h, records + used, sizeof(h));
        used += sizeof(h);
        if (h.kind >= STATE_KIND_COUNT || (h.kind == STATE_NOTHING && !h.dropped) ||
            h.bytes > STATE_MAX_BYTES || padded(h.bytes) > bytes - used ||
            (h.dropped && h.bytes > 0))
            return false;
        used += padded(h.bytes);
    }
    return true;
}

/* ---- beginnings ------------------------------------------------------------------------------- */

int
state_file_make(struct error *reterr)
{
    const struct file_head head = {STATE_MAGIC, STATE_VERSION, 0};
    auto_fd int fd = memfd_create("stint-state", MFD_CLOEXEC);

    if (fd == -1)
        return error_set(reterr, -errno, "make the state");
    if (pwrite(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
        return error_set(reterr, errno ? -errno : -ENOSPC, "make the state");
    return steal_fd(fd);
}

static struct state *
state_new(int fd)
{
    struct state *st = calloc(1, sizeof(*st));

    if (!st)
        return NULL;
    st->fd = fd;
    st->old_fd = -1;
    st->end = sizeof(struct file_head);
    return st;
}

int
state_create(struct state **ret, struct error *reterr)
{
    auto_fd int fd = state_file_make(reterr);

    if (fd < 0)
        return fd;
    *ret = state_new(fd);
    if (!*ret)
        return error_set(reterr, -ENOMEM, "make the state");
    (void)steal_fd(fd);
    return 0;
}

void
state_destroy(struct state *st)
{
    if (!st)
        return;
    for (size_t i = 0; i < st->n; i++)
        free(st->list[i]);
    free(st->list);
    table_finish(&st->index);
    text_finish(&st->batch);
    fd_close(st->old_fd);
    fd_close(st->fd);
    free(st);
}

/* Batches one after the other, up to the first that is torn: that one was being written. */
static int
state_scan(struct state *st, const char *data, size_t bytes)
{
    while (bytes - st->end >= sizeof(struct batch_head)) {
        struct batch_head h;
        const char *records = data + st->end + sizeof(h);

        memcpy(&h, data + st->end, sizeof(h));
        if (h.magic != BATCH_MAGIC || h.reserved != 0 || h.sequence != st->sequence + 1 ||
            h.bytes > bytes - st->end - sizeof(h) ||
            !digest_equal(h.digest, digest_of(records, h.bytes)) || !batch_sound(records, h.bytes))
            return 0;
        if (state_index(st, records, h.bytes, st->end + sizeof(h)) < 0)
            return -ENOMEM;
        st->end += sizeof(h) + h.bytes;
        st->sequence = h.sequence;
    }
    return 0;
}

static int
head_check(const struct file_head *head, struct error *reterr)
{
    if (head->magic != STATE_MAGIC)
        return error_say(reterr, -EBADMSG, "what was kept as the state is none");
    if (head->version != STATE_VERSION)
        return error_say(reterr, -EPROTO, "the state is of version %u, this stint knows version %d",
                         head->version, STATE_VERSION);
    return 0;
}

int
state_adopt(int fd, struct state **ret, struct error *reterr)
{
    struct file_head head;
    struct stat status;
    struct state *st;
    char *data;
    int r;

    if (fstat(fd, &status) == -1)
        return error_set(reterr, -errno, "read the state");
    if (status.st_size < (off_t)sizeof(head) || (uintmax_t)status.st_size > STATE_MAX_BYTES)
        return error_say(reterr, -EBADMSG, "the state has an impossible size");
    data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return error_set(reterr, -errno, "read the state");
    memcpy(&head, data, sizeof(head));
    st = state_new(fd);
    r = st ? head_check(&head, reterr) : -ENOMEM;
    if (r == 0)
        r = state_scan(st, data, (size_t)status.st_size);
    if (r == -ENOMEM)
        r = error_set(reterr, r, "read the state");
    if (r == 0) /* not cut off now: whoever only tries to read it leaves it alone */
        st->torn = (size_t)status.st_size > st->end;
    (void)munmap(data, (size_t)status.st_size); /* ours, whole: cannot fail */
    if (r < 0) {
        if (st)
            st->fd = -1; /* the caller's still */
        state_destroy(st);
        return r;
    }
    *ret = st;
    return 0;
}

int
state_fd(const struct state *st)
{
    return st->fd;
}

/* ---- reading -------------------------------------------------------------------------------------- */

static int
by_key(const void *a, const void *b)
{
    const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;

    return x->key < y->key ? -1 : x->key > y->key;
}

int
state_each(const struct state *st, enum state_kind kind,
           int (*fn)(void *env, uint64_t key, const void *bytes, size_t n), void *env)
{
    auto_free struct entry **found = calloc(st->n + 1, sizeof(struct entry *));
    auto_free char *bytes = NULL;
    size_t n = 0, most = 1;
    int r = 0;

    if (!found)
        return -ENOMEM;
    for (size_t i = 0; i < st->n; i++) {
        if (st->list[i]->kind != kind || !st->list[i]->at)
            continue;
        found[n++] = st->list[i];
        if (st->list[i]->bytes > most)
            most = st->list[i]->bytes;
    }
    qsort(found, n, sizeof(struct entry *), by_key);
    bytes = malloc(most);
    if (!bytes)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (pread(st->fd, bytes, found[i]->bytes, (off_t)found[i]->at) != (ssize_t)found[i]->bytes)
            return -EIO;
        r = fn(env, found[i]->key, bytes, found[i]->bytes);
    }
    return r;
}

int
state_one(const struct state *st, enum state_kind kind, uint64_t key,
          int (*fn)(void *env, uint64_t key, const void *bytes, size_t n), void *env)
{
    const struct entry *e = entry_find(st, kind, key);
    auto_free char *bytes = e && e->at ? malloc(e->bytes + 1) : NULL;

    if (!e || !e->at)
        return -ENOENT;
    if (!bytes)
        return -ENOMEM;
    if (pread(st->fd, bytes, e->bytes, (off_t)e->at) != (ssize_t)e->bytes)
        return -EIO;
    return fn(env, key, bytes, e->bytes);
}

bool
state_has(const struct state *st, enum state_kind kind, uint64_t key)
{
    const struct entry *e = entry_find(st, kind, key);

    return e && e->at;
}

size_t
state_bytes(const struct state *st)
{
    return st->end;
}

size_t
state_live_bytes(const struct state *st)
{
    return st->live;
}
