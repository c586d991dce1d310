/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/logfile_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* Linux 6.3; an older kernel says EINVAL */
#endif

#define MAGIC        "stintlf" /* 8 bytes with its NUL */
#define VERSION      1
#define PAGE_BYTES   ((size_t)4096)
#define HEADER_BYTES ((sizeof(struct logfile_shared) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES)
#define SEALS        (F_SEAL_SHRINK | F_SEAL_GROW)
#define POSITION_MAX (UINT64_C(1) << 62)

static int
map(struct logfile_memory *m, int fd, struct error *reterr)
{
    char *base = mmap(NULL, m->total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (base == MAP_FAILED)
        return error_set(reterr, -errno, "map the memory of a log (%zu bytes)", m->total_bytes);
    /* Best effort: a child has no business here; the writer maps what it is given. */
    (void)madvise(base, m->total_bytes, MADV_DONTFORK);
    m->shared = (void *)base;
    m->data = base + HEADER_BYTES;
    return 0;
}

static int
make_file(size_t bytes, struct error *reterr)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    auto_fd int fd = memfd_create("stint-logfile", flags | MFD_NOEXEC_SEAL);
    struct rlimit limit;

    if (fd == -1 && errno == EINVAL)
        fd = memfd_create("stint-logfile", flags);
    if (fd == -1)
        return error_set(reterr, -errno, "make memory for a log");
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes) /* it would be SIGXFSZ */
        return error_say(reterr, -EFBIG,
                         "the limit for files is lower than the %zu bytes of a log's memory",
                         bytes);
    if (ftruncate(fd, (off_t)bytes) == -1)
        return error_set(reterr, -errno, "make memory for a log (%zu bytes)", bytes);
    if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == -1)
        return error_set(reterr, -errno, "seal the memory of a log");
    return steal_fd(fd);
}

int
logfile_memory_create(struct logfile_memory *m, size_t room, struct error *reterr)
{
    int r;

    *m = (struct logfile_memory){.room = room, .total_bytes = HEADER_BYTES + room, .fd = -1};
    r = m->fd = make_file(m->total_bytes, reterr);
    if (r >= 0)
        r = map(m, m->fd, reterr);
    if (r < 0) {
        logfile_memory_close(m);
        return r;
    }
    m->shared->version = VERSION;
    m->shared->header_bytes = (uint32_t)sizeof(*m->shared);
    m->shared->room = room;
    m->shared->total_bytes = m->total_bytes;
    memcpy(m->shared->magic, MAGIC, sizeof(m->shared->magic));
    return 0;
}

static bool
config_is_sound(const struct logfile_config *c)
{
    return memchr(c->service, '\0', sizeof(c->service)) && memchr(c->path, '\0', sizeof(c->path)) &&
           memchr(c->owner, '\0', sizeof(c->owner)) && memchr(c->group, '\0', sizeof(c->group)) &&
           c->service[0];
}

static bool
positions_are_sound(const struct logfile_memory *m)
{
    uint64_t put = atomic_load(&m->shared->put), done = atomic_load(&m->shared->done);
    uint64_t trying = atomic_load(&m->shared->trying);

    return put < POSITION_MAX && done <= put && put - done < m->room && trying <= put;
}

static int
look_at(struct logfile_memory *m, int fd, struct error *reterr)
{
    struct logfile_shared h;
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals == -1 || (seals & SEALS) != SEALS || fstat(fd, &st) == -1)
        return error_say(reterr, -EBADMSG, "the kept memory of a log is no sealed memory");
    if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
        memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0)
        return error_say(reterr, -EBADMSG, "the kept memory of a log is none");
    if (h.version != VERSION || h.header_bytes != sizeof(h))
        return error_say(reterr, -EPROTO,
                         "the kept memory of a log is of version %u, this stint knows %u",
                         h.version, VERSION);
    if (h.room < LOGFILE_ROOM_MIN || h.room > LOGFILE_ROOM_MAX ||
        h.total_bytes != HEADER_BYTES + h.room || (uint64_t)st.st_size != h.total_bytes)
        return error_say(reterr, -EBADMSG, "the kept memory of a log has an impossible size");
    m->room = (size_t)h.room;
    m->total_bytes = (size_t)h.total_bytes;
    return 0;
}

int
logfile_memory_adopt(struct logfile_memory *m, int fd, struct error *reterr)
{
    int r;

    *m = (struct logfile_memory){.fd = -1};
    r = look_at(m, fd, reterr);
    if (r == 0)
        r = map(m, fd, reterr);
    if (r < 0)
        return r;
    if (!positions_are_sound(m) || !config_is_sound(logfile_memory_config(m))) {
        logfile_memory_close(m);
        return error_say(reterr, -EBADMSG, "the kept memory of a log contradicts itself");
    }
    m->fd = fd;
    return 0;
}

void
logfile_memory_close(struct logfile_memory *m)
{
    if (m->shared)
        (void)munmap(m->shared, m->total_bytes); /* fails for a range that is none only */
    m->shared = NULL;
    m->fd = fd_close(m->fd);
}

/* The one that does not hold is written, then it does: a torn one is never read by a successor. */
void
logfile_memory_configure(struct logfile_memory *m, const struct logfile_config *c)
{
    uint64_t other = (atomic_load(&m->shared->current) & 1) ^ 1;

    m->shared->config[other] = *c;
    atomic_store(&m->shared->current, other);
}

const struct logfile_config *
logfile_memory_config(const struct logfile_memory *m)
{
    return &m->shared->config[atomic_load(&m->shared->current) & 1];
}

size_t
logfile_memory_waiting(const struct logfile_memory *m)
{
    uint64_t done = atomic_load(&m->shared->done);

    return (size_t)(atomic_load(&m->shared->put) - done);
}

size_t
logfile_memory_free(const struct logfile_memory *m)
{
    size_t used = logfile_memory_waiting(m);

    return used < m->room ? m->room - 1 - used : 0;
}

static void
copy_in(struct logfile_memory *m, uint64_t at, const void *bytes, size_t n)
{
    size_t from = (size_t)(at % m->room);
    size_t first = m->room - from < n ? m->room - from : n;

    memcpy(m->data + from, bytes, first);
    memcpy(m->data, (const char *)bytes + first, n - first);
}

bool
logfile_memory_put(struct logfile_memory *m, const struct iovec *parts, size_t n_parts)
{
    uint64_t at = atomic_load(&m->shared->put);

    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].iov_len > 0)
            copy_in(m, at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    atomic_store(&m->shared->put, at);
    return atomic_load(&m->shared->idle) && atomic_exchange(&m->shared->idle, 0);
}

uint64_t
logfile_memory_open_line(const struct logfile_memory *m)
{
    uint64_t put = atomic_load(&m->shared->put);

    return atomic_load(&m->shared->open_at) == put ? atomic_load(&m->shared->open_key) : 0;
}

void
logfile_memory_set_open(struct logfile_memory *m, uint64_t key)
{
    atomic_store(&m->shared->open_at, UINT64_MAX);
    atomic_store(&m->shared->open_key, key);
    atomic_store(&m->shared->open_at, atomic_load(&m->shared->put));
}

bool
logfile_memory_line_begins(const struct logfile_memory *m, uint64_t at)
{
    return at == 0 || m->data[(at - 1) % m->room] == '\n';
}

unsigned
logfile_memory_parts(const struct logfile_memory *m, uint64_t from, uint64_t to,
                     struct iovec part[2])
{
    size_t start = (size_t)(from % m->room), n = (size_t)(to - from);
    size_t first = m->room - start < n ? m->room - start : n;

    part[0] = (struct iovec){m->data + start, first};
    part[1] = (struct iovec){m->data, n - first};
    return n > first ? 2 : 1;
}
