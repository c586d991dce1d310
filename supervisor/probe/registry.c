/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/probe/span_ring.h"

#define TRIES       3          /* for a slot that changes while it is read … */
#define AGAIN_MAX   256        /* … and this many of them; the rest is torn at once */
#define BYTES_MAX   (8U << 20) /* that we are willing to copy */
#define STRIDE_MAX  4096
#define ENTRIES_MAX 65536

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* Linux 6.3; an older kernel says EINVAL */
#endif

static int
create(size_t bytes, bool spans, int *ret_fd, struct error *reterr)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    auto_fd int fd = memfd_create("stint-registry", flags | MFD_NOEXEC_SEAL);
    int r;

    if (fd == -1 && errno == EINVAL)
        fd = memfd_create("stint-registry", flags);
    if (fd == -1)
        return error_set(reterr, -errno, "create a registry");
    if (ftruncate(fd, (off_t)bytes) == -1 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1)
        return error_set(reterr, -errno, "size and seal a registry");
    r = spans ? span_ring_want(fd, true) : 0;
    if (r < 0)
        return error_set(reterr, r, "write into a registry");
    *ret_fd = steal_fd(fd);
    return 0;
}

int
registry_create(int *ret_fd, struct error *reterr)
{
    return create(STINT_REGISTRY_BYTES, false, ret_fd, reterr);
}

int
registry_create_spans(int *ret_fd, struct error *reterr)
{
    return create(STINT_REGISTRY_WITH_SPANS, true, ret_fd, reterr);
}

/* Where the bytes are: in a file, or, for tests, in memory. */
struct source {
    const unsigned char *bytes; /* NULL: fd */
    uint64_t size;
    int fd;
};

/* All of @bytes or an error: a file that says it is long enough may still end early. */
static int
read_at(const struct source *src, void *buf, size_t bytes, uint64_t offset)
{
    size_t done = 0;

    if (offset > src->size || bytes > src->size - offset)
        return -EIO;
    if (src->bytes) {
        if (bytes > 0)
            memcpy(buf, src->bytes + offset, bytes);
        return 0;
    }
    while (done < bytes) {
        ssize_t n = pread(src->fd, (char *)buf + done, bytes - done, (off_t)offset + (off_t)done);

        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? -EIO : -errno;
        done += (size_t)n;
    }
    return 0;
}

/* ---- The header ------------------------------------------------------------------------------ */

static int
table_check(const char *what, struct stint_registry_table *t, size_t least, uint64_t size,
            bool *untrusted, struct error *reterr)
{
    if (t->stride < least || t->stride > STRIDE_MAX || t->stride % 4 != 0)
        return error_say(reterr, -EPROTO, "the registry's %s of %u bytes make no sense", what,
                         (unsigned)t->stride);
    if (t->count > ENTRIES_MAX || t->offset % 4 != 0 || t->offset > size ||
        (uint64_t)t->count * t->stride > size - t->offset)
        return error_say(reterr, -EPROTO, "the registry says %u %s, more than fit into it",
                         (unsigned)t->count, what);
    if (t->used > t->count) {
        *untrusted = true;
        t->used = t->count;
    }
    return 0;
}

static int
header_read(const struct source *src, struct stint_registry_header *ret, struct error *reterr)
{
    struct stint_registry_header h;
    int r;

    if (src->size < sizeof(h))
        return error_say(reterr, -EPROTO, "the registry has %llu bytes, no room for its header",
                         (unsigned long long)src->size);
    r = read_at(src, &h, sizeof(h), 0);
    if (r < 0)
        return error_set(reterr, r, "read a registry");
    if (h.magic == 0)
        return error_say(reterr, -ENODATA,
                         "the worker has not written its registry (it does not call stint_init(), "
                         "or cannot be preloaded)");
    if (h.magic != STINT_REGISTRY_MAGIC)
        return error_say(reterr, -EPROTO, "the registry's magic number is wrong");
    if (h.major != STINT_REGISTRY_MAJOR)
        return error_say(reterr, -EPROTO, "the registry is of version %u, we know %d",
                         (unsigned)h.major, STINT_REGISTRY_MAJOR);
    *ret = h;
    return 0;
}

static int
tables_check(struct stint_registry_header *h, uint64_t size, bool *untrusted, struct error *reterr)
{
    int r = table_check("seqs", &h->seqs, sizeof(uint32_t), size, untrusted, reterr);

    if (r == 0 && h->seqs.stride != sizeof(uint32_t))
        r = error_say(reterr, -EPROTO, "the registry's seqs of %u bytes make no sense",
                      (unsigned)h->seqs.stride);
    if (r == 0)
        r = table_check("slots", &h->slots, sizeof(struct stint_registry_slot), size, untrusted,
                        reterr);
    if (r == 0)
        r = table_check("scopes", &h->scopes, sizeof(struct stint_registry_scope), size, untrusted,
                        reterr);
    if (r == 0)
        r = table_check("sites", &h->sites, sizeof(struct stint_registry_site), size, untrusted,
                        reterr);
    if (r == 0 && (uint64_t)h->slots.count + h->scopes.count > h->seqs.count)
        r = error_say(reterr, -EPROTO, "the registry says %u seqs, too few for %u slots",
                      (unsigned)h->seqs.count, (unsigned)h->slots.count);
    return r;
}

/* ---- The copy -------------------------------------------------------------------------------- */

static size_t
bytes_of(const struct stint_registry_table *t)
{
    return (size_t)t->used * t->stride;
}

/* Room for all tables behind each other; what is there of an earlier copy is good enough if it fits. */
static int
make_room(struct registry_copy *copy, struct error *reterr)
{
    const struct stint_registry_header *h = &copy->header;
    const size_t seqs = ((size_t)h->slots.used + h->scopes.used) * sizeof(uint32_t);
    const size_t aligned = (seqs + 7) & ~(size_t)7;
    const size_t bytes =
        2 * aligned + bytes_of(&h->slots) + bytes_of(&h->scopes) + bytes_of(&h->sites);

    if (bytes > BYTES_MAX)
        return error_say(reterr, -EPROTO, "the registry has %zu bytes, more than anybody needs",
                         bytes);
    if (bytes > copy->room) {
        void *memory = realloc(copy->memory, bytes);

        if (!memory)
            return error_set(reterr, -ENOMEM, "copy a registry");
        copy->memory = memory;
        copy->room = bytes;
    }
    copy->before = copy->memory;
    copy->after = (uint32_t *)(void *)((unsigned char *)copy->memory + aligned);
    copy->slots = (unsigned char *)copy->memory + 2 * aligned;
    copy->scopes = copy->slots + bytes_of(&h->slots);
    copy->sites = copy->scopes + bytes_of(&h->scopes);
    return 0;
}

static int
read_seqs(const struct source *src, const struct stint_registry_header *h, uint32_t *to)
{
    int r = read_at(src, to, h->slots.used * sizeof(*to), h->seqs.offset);

    if (r == 0)
        r = read_at(src, to + h->slots.used, h->scopes.used * sizeof(*to),
                    h->seqs.offset + (uint64_t)h->slots.count * sizeof(*to));
    return r;
}

/*
 * settle - make entry @i of a table consistent, once more and alone. What will not hold still gets an
 * odd seq in `after`: torn.
 */
static void
settle(const struct source *src, const struct stint_registry_table *t, uint32_t i, uint64_t seq_at,
       unsigned char *entry, uint32_t *after)
{
    const uint64_t at = t->offset + (uint64_t)i * t->stride;

    for (int tries = 0; tries < TRIES; tries++) {
        uint32_t before, now;

        if (read_at(src, &before, sizeof(before), seq_at) < 0 ||
            read_at(src, entry, t->stride, at) < 0 || read_at(src, &now, sizeof(now), seq_at) < 0)
            break;
        if (before % 2 == 0 && before == now) {
            *after = now;
            return;
        }
    }
    *after = 1;
}

static void
settle_all(const struct source *src, struct registry_copy *copy)
{
    const struct stint_registry_header *h = &copy->header;
    const uint32_t n = h->slots.used + h->scopes.used;
    unsigned again = 0;

    for (uint32_t i = 0; copy->memory && i < n; i++) {
        const bool scope = i >= h->slots.used;
        const struct stint_registry_table *t = scope ? &h->scopes : &h->slots;
        const uint32_t entry = scope ? i - h->slots.used : i;

        if (copy->before[i] == copy->after[i] && copy->after[i] % 2 == 0)
            continue;
        if (again++ >= AGAIN_MAX)
            copy->after[i] = 1;
        else
            settle(src, t, entry,
                   h->seqs.offset + ((uint64_t)(scope ? h->slots.count : 0) + entry) * 4,
                   (scope ? copy->scopes : copy->slots) + (size_t)entry * t->stride,
                   &copy->after[i]);
    }
}

static int
copy_take(const struct source *src, struct registry_copy *copy, struct error *reterr)
{
    struct stint_registry_header h = {0};
    bool untrusted = false;
    int r = header_read(src, &h, reterr);

    if (r == 0)
        r = tables_check(&h, src->size, &untrusted, reterr);
    if (r < 0)
        return r;
    copy->header = h;
    copy->untrusted = untrusted;
    r = make_room(copy, reterr);
    if (r < 0) {
        copy->header = (struct stint_registry_header){0};
        return r;
    }
    r = read_seqs(src, &h, copy->before);
    if (r == 0)
        r = read_at(src, copy->slots, bytes_of(&h.slots), h.slots.offset);
    if (r == 0)
        r = read_at(src, copy->scopes, bytes_of(&h.scopes), h.scopes.offset);
    if (r == 0)
        r = read_seqs(src, &h, copy->after);
    if (r == 0) /* last: what the others refer to is there */
        r = read_at(src, copy->sites, bytes_of(&h.sites), h.sites.offset);
    if (r < 0) {
        copy->header = (struct stint_registry_header){0};
        return error_set(reterr, r, "read a registry");
    }
    settle_all(src, copy);
    return 0;
}

int
registry_copy_take(int fd, struct registry_copy *copy, struct error *reterr)
{
    struct source src = {.fd = fd};
    struct stat st;

    if (fstat(fd, &st) == -1)
        return error_set(reterr, -errno, "read a registry");
    if (!S_ISREG(st.st_mode))
        return error_say(reterr, -EPROTO, "this is no registry");
    src.size = (uint64_t)st.st_size;
    return copy_take(&src, copy, reterr);
}

int
registry_copy_bytes(const void *bytes, size_t n, struct registry_copy *copy, struct error *reterr)
{
    struct source src = {.bytes = bytes, .size = n, .fd = -1};

    return copy_take(&src, copy, reterr);
}

void
registry_copy_finish(struct registry_copy *copy)
{
    free(copy->memory);
    *copy = (struct registry_copy){0};
}

int
registry_read(int fd, struct registry_view *ret, struct error *reterr)
{
    struct registry_copy copy = {0};
    int r = registry_copy_take(fd, &copy, reterr);

    if (r == 0)
        r = registry_parse(&copy, ret, reterr);
    registry_copy_finish(&copy);
    return r;
}

int
registry_served(int fd, uint64_t *ret)
{
    struct stint_registry_header h;
    ssize_t n = pread(fd, &h, sizeof(h), 0);

    if (n == -1)
        return -errno;
    if (n != sizeof(h) || h.magic == 0)
        return -ENODATA;
    if (h.magic != STINT_REGISTRY_MAGIC || h.major != STINT_REGISTRY_MAJOR)
        return -EPROTO;
    *ret = h.served;
    return 0;
}
