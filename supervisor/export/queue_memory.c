/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/export/queue_memory.h"

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

#define MAGIC        "stintxq" /* 8 bytes with its NUL */
#define VERSION      1
#define PAGE_BYTES   ((size_t)4096)
#define HEADER_BYTES ((sizeof(struct export_shared) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES)
#define SEALS        (F_SEAL_SHRINK | F_SEAL_GROW)

static int
map(struct export_queue *q, int fd, bool write, struct error *reterr)
{
    char *base =
        mmap(NULL, q->total_bytes, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);

    if (base == MAP_FAILED)
        return error_set(reterr, -errno, "map the memory of an export (%zu bytes)", q->total_bytes);
    (void)madvise(base, q->total_bytes, MADV_DONTFORK); /* best effort: no child needs it */
    q->shared = (void *)base;
    q->data = base + HEADER_BYTES;
    return 0;
}

static int
make_file(size_t bytes, struct error *reterr)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    auto_fd int fd = memfd_create("stint-export", flags | MFD_NOEXEC_SEAL);
    struct rlimit limit;

    if (fd == -1 && errno == EINVAL)
        fd = memfd_create("stint-export", flags);
    if (fd == -1)
        return error_set(reterr, -errno, "make memory for an export");
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes) /* it would be SIGXFSZ */
        return error_say(reterr, -EFBIG,
                         "the limit for files is lower than the %zu bytes of an export's memory",
                         bytes);
    if (ftruncate(fd, (off_t)bytes) == -1)
        return error_set(reterr, -errno, "make memory for an export (%zu bytes)", bytes);
    if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == -1)
        return error_set(reterr, -errno, "seal the memory of an export");
    return steal_fd(fd);
}

int
export_queue_create(struct export_queue *q, size_t room, struct error *reterr)
{
    int r;

    room = room / PAGE_BYTES * PAGE_BYTES;
    *q = (struct export_queue){
        .room = room, .total_bytes = HEADER_BYTES + OTLP_SIGNALS * room, .fd = -1};
    r = q->fd = make_file(q->total_bytes, reterr);
    if (r >= 0)
        r = map(q, q->fd, true, reterr);
    if (r < 0) {
        export_queue_close(q);
        return r;
    }
    q->shared->version = VERSION;
    q->shared->header_bytes = (uint32_t)sizeof(*q->shared);
    q->shared->room = room;
    q->shared->total_bytes = q->total_bytes;
    memcpy(q->shared->magic, MAGIC, sizeof(q->shared->magic));
    return 0;
}

static int
look_at(struct export_queue *q, int fd, struct error *reterr)
{
    struct {
        char magic[8];
        uint32_t version, header_bytes;
        uint64_t room, total_bytes;
    } h;
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals == -1 || (seals & SEALS) != SEALS || fstat(fd, &st) == -1)
        return error_say(reterr, -EBADMSG, "the kept memory of an export is no sealed memory");
    if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
        memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0)
        return error_say(reterr, -EBADMSG, "the kept memory of an export is none");
    if (h.version != VERSION || h.header_bytes != sizeof(struct export_shared))
        return error_say(reterr, -EPROTO,
                         "the kept memory of an export is of version %u, this stint knows %u",
                         h.version, VERSION);
    if (h.room < EXPORT_ROOM_MIN || h.room > EXPORT_ROOM_MAX || h.room % PAGE_BYTES ||
        h.total_bytes != HEADER_BYTES + OTLP_SIGNALS * h.room ||
        (uint64_t)st.st_size != h.total_bytes)
        return error_say(reterr, -EBADMSG, "the kept memory of an export has an impossible size");
    q->room = (size_t)h.room;
    q->total_bytes = (size_t)h.total_bytes;
    return 0;
}

int
export_queue_adopt(struct export_queue *q, int fd, bool write, struct error *reterr)
{
    int r;

    *q = (struct export_queue){.fd = -1};
    r = look_at(q, fd, reterr);
    if (r == 0)
        r = map(q, fd, write, reterr);
    if (r < 0)
        return r;
    if (write && !export_queue_is_sound(q)) {
        export_queue_close(q);
        return error_say(reterr, -EBADMSG, "the kept memory of an export contradicts itself");
    }
    q->fd = fd;
    return 0;
}

void
export_queue_close(struct export_queue *q)
{
    if (q->shared)
        (void)munmap(q->shared, q->total_bytes); /* fails for a range that is none only */
    q->shared = NULL;
    q->fd = fd_close(q->fd);
}
