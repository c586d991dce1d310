/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/journal_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "supervisor/io/journal.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* Linux 6.3; an older kernel says EINVAL */
#endif

#define MAGIC      "stintlog" /* 8 bytes, without its NUL */
#define VERSION    1
#define PAGE_BYTES ((size_t)4096)
#define HEADER_BYTES \
    ((uint32_t)offsetof(struct journal_header, telling)) /* as said; the page has room for more */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

static size_t
whole_pages(size_t bytes)
{
    return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

/* Lay the areas out from @base; NULL: only their total. */
static void
lay_out(struct journal_memory *m, char *base, size_t queue_bytes)
{
    size_t queue = whole_pages(sizeof(struct journal_header));
    size_t event_slots = queue + whole_pages(queue_bytes);
    size_t event_data = event_slots + whole_pages(JOURNAL_EVENTS_MAX * sizeof(struct journal_slot));
    size_t output_slots = event_data + MEMORY_EVENT_BYTES;
    size_t output_data =
        output_slots + whole_pages(MEMORY_OUTPUT_LINES * sizeof(struct journal_slot));

    m->queue_bytes = queue_bytes;
    m->total_bytes = output_data + MEMORY_OUTPUT_BYTES;
    if (!base)
        return;
    m->header = (void *)base;
    m->queue = base + queue;
    m->event_slots = (void *)(base + event_slots);
    m->event_data = base + event_data;
    m->output_slots = (void *)(base + output_slots);
    m->output_data = base + output_data;
}

static int
map(struct journal_memory *m, int fd, struct error *reterr)
{
    const int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    char *base = mmap(NULL, m->total_bytes, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, fd, 0);

    if (base == MAP_FAILED)
        return error_set(reterr, -errno, "map the memory of the log (%zu bytes)", m->total_bytes);
    /* Best effort: a child has no business here, and does not look for any either. */
    (void)madvise(base, m->total_bytes, MADV_DONTFORK);
    lay_out(m, base, m->queue_bytes);
    return 0;
}

/* All pages exist from here on, or the answer is no. */
static int
populate(int fd, size_t bytes, struct error *reterr)
{
    int r;

    do
        r = fallocate(fd, 0, 0, (off_t)bytes);
    while (r == -1 && errno == EINTR);
    return r == -1 ? error_set(reterr, -errno, "reserve %zu bytes for the log", bytes) : 0;
}

static int
make_file(size_t bytes, struct error *reterr)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    auto_fd int fd = memfd_create("stint-log", flags | MFD_NOEXEC_SEAL);
    struct rlimit limit;
    int r;

    if (fd == -1 && errno == EINVAL)
        fd = memfd_create("stint-log", flags);
    if (fd == -1)
        return error_set(reterr, -errno, "make memory for the log that outlives the process");
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes) /* it would be SIGXFSZ */
        return error_say(reterr, -EFBIG,
                         "the limit for files is lower than the %zu bytes of the log", bytes);
    if (ftruncate(fd, (off_t)bytes) == -1)
        return error_set(reterr, -errno, "make memory for the log (%zu bytes)", bytes);
    r = populate(fd, bytes, reterr);
    if (r < 0)
        return r;
    if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == -1)
        return error_set(reterr, -errno, "seal the memory of the log");
    return steal_fd(fd);
}

/* What @fd says about itself. Nothing in it is believed but what ends in the same size. */
static int
look_at(struct journal_memory *m, int fd, struct error *reterr)
{
    struct journal_header h;
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals == -1 || (seals & SEALS) != SEALS)
        return error_set(reterr, -EBADMSG, "the kept log is no sealed memory");
    if (fstat(fd, &st) == -1)
        return error_set(reterr, -errno, "look at the kept log");
    if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
        memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0)
        return error_set(reterr, -EBADMSG, "the kept log is none");
    if (h.version != VERSION || h.header_bytes != HEADER_BYTES)
        return error_set(reterr, -EPROTO, "the kept log is of version %u, this stint knows %u",
                         h.version, VERSION);
    if (h.queue_bytes < MEMORY_QUEUE_MIN || h.queue_bytes > MEMORY_QUEUE_MAX)
        return error_set(reterr, -EBADMSG, "the kept log has a queue of an impossible size");
    lay_out(m, NULL, (size_t)h.queue_bytes);
    if (h.total_bytes != m->total_bytes || (uint64_t)st.st_size != m->total_bytes)
        return error_set(reterr, -EBADMSG, "the kept log has not the size it should have");
    return populate(fd, m->total_bytes, reterr); /* whoever had it might have made holes */
}

static int
adopt(struct journal_memory *m, int fd, struct error *reterr)
{
    int r = look_at(m, fd, reterr);

    if (r == 0)
        r = map(m, fd, reterr);
    if (r == 0) {
        m->fd = fd;
        m->adopted = true;
    }
    return r;
}

static void
write_header(struct journal_memory *m)
{
    struct journal_header *h = m->header;

    h->version = VERSION;
    h->header_bytes = HEADER_BYTES;
    h->total_bytes = m->total_bytes;
    h->queue_bytes = m->queue_bytes;
    atomic_signal_fence(memory_order_seq_cst); /* it is one when all the rest is there */
    memcpy(h->magic, MAGIC, sizeof(h->magic));
}

int
journal_memory_open(struct journal_memory *m, int fd, size_t queue_bytes, struct error *reterr)
{
    auto_fd int kept = fd;
    int r = 0;

    *m = (struct journal_memory){.fd = -1};
    if (kept >= 0) {
        r = adopt(m, kept, reterr);
        if (r == 0) {
            (void)steal_fd(kept);
            return 0;
        }
    }
    lay_out(m, NULL, queue_bytes);
    m->fd = make_file(m->total_bytes, r < 0 ? NULL : reterr);
    if (m->fd < 0) {
        r = r < 0 ? r : m->fd;
        m->fd = -1;
    }
    if (map(m, m->fd, r < 0 ? NULL : reterr) < 0) {
        m->fd = fd_close(m->fd);
        if (map(m, -1, NULL) < 0)
            return -ENOMEM;
        r = r < 0 ? r : -ENOMEM;
    }
    write_header(m);
    return r < 0 ? 1 : 0;
}

void
journal_memory_close(struct journal_memory *m)
{
    if (m->header)
        (void)munmap(m->header, m->total_bytes); /* fails for a range that is none only */
    m->fd = fd_close(m->fd);
    m->header = NULL;
}
