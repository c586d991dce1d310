/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/spans_memory.h"

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

#define MAGIC   "stintsp" /* 8 bytes with its NUL */
#define VERSION 1
#define SEALS   (F_SEAL_SHRINK | F_SEAL_GROW)
#define BYTES   sizeof(struct spans_kept)

static struct spans_kept *
map(int fd)
{
    const int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    struct spans_kept *kept = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);

    if (kept == MAP_FAILED)
        return NULL;
    (void)madvise(kept, BYTES, MADV_DONTFORK); /* a child has no business here */
    return kept;
}

/* Pages exist when they are used. */
static int
make_file(void)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    auto_fd int fd = memfd_create("stint-spans", flags | MFD_NOEXEC_SEAL);
    struct rlimit limit;

    if (fd == -1 && errno == EINVAL)
        fd = memfd_create("stint-spans", flags);
    if (fd == -1 || (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < BYTES) ||
        ftruncate(fd, (off_t)BYTES) == -1 || fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == -1)
        return -1;
    return steal_fd(fd);
}

struct spans_kept *
spans_memory_create(int *ret_fd)
{
    int fd = make_file();
    struct spans_kept *kept = map(fd);

    if (!kept && fd >= 0) {
        fd = fd_close(fd);
        kept = map(fd);
    }
    *ret_fd = fd;
    if (!kept)
        return NULL;
    kept->version = VERSION;
    kept->span_bytes = sizeof(struct span);
    atomic_signal_fence(memory_order_seq_cst); /* it is one when all the rest is there */
    memcpy(kept->magic, MAGIC, sizeof(kept->magic));
    return kept;
}

static int
look_at(int fd, struct error *reterr)
{
    struct {
        char magic[8];
        uint32_t version, span_bytes;
    } head;
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals == -1 || (seals & SEALS) != SEALS || fstat(fd, &st) == -1 ||
        pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0)
        return error_say(reterr, -EBADMSG, "the kept spans are none");
    if (head.version != VERSION || head.span_bytes != sizeof(struct span) ||
        (uint64_t)st.st_size != BYTES)
        return error_say(reterr, -EPROTO,
                         "the kept spans are of version %u and %u bytes each, this stint knows "
                         "%u and %zu",
                         head.version, head.span_bytes, VERSION, sizeof(struct span));
    return 0;
}

static bool
is_text(const char *text, size_t room)
{
    return memchr(text, '\0', room) != NULL;
}

/* Pointers are of another process; none of its own has any. */
static bool
make_sound(struct span *s)
{
    s->of = s->cause = NULL;
    s->of_worker = false;
    s->attributes[0] = '\0';
    return is_text(s->trace, sizeof(s->trace)) && is_text(s->name, sizeof(s->name)) &&
           is_text(s->service, sizeof(s->service)) && is_text(s->text, sizeof(s->text)) &&
           is_text(s->thread, sizeof(s->thread)) && is_text(s->creator, sizeof(s->creator)) &&
           is_text(s->scope, sizeof(s->scope));
}

/* The oldest of a full ring may have been half overwritten: then its number is 0. */
static bool
ring_is_sound(struct spans_kept *kept)
{
    uint64_t n = shared_load(&kept->n), last = shared_load(&kept->last), before = 0;

    if (n > SHARED_MAX || last > SHARED_MAX || shared_load(&kept->settled) > last)
        return false;
    for (uint64_t i = n > SPANS_MAX ? n - SPANS_MAX : 0; i < n; i++) {
        struct span *s = &kept->own[i % SPANS_MAX];

        if (!make_sound(s) || (s->seq <= before && before > 0) || s->seq > last)
            return false;
        before = s->seq;
    }
    return true;
}

struct spans_kept *
spans_memory_adopt(int fd, struct error *reterr)
{
    struct spans_kept *kept = look_at(fd, reterr) == 0 ? map(fd) : NULL;

    if (!kept)
        return NULL;
    if (!ring_is_sound(kept)) {
        shared_store(&kept->n, 0);
        shared_store(&kept->last, 0);
        shared_store(&kept->settled, 0);
    }
    for (unsigned i = 0; i < SPANS_HELD; i++)
        if (!make_sound(&kept->held[i]))
            kept->held[i].generation = 0;
    return kept;
}

void
spans_memory_close(struct spans_kept *kept)
{
    if (kept)
        (void)munmap(kept, BYTES); /* fails for a range that is none only */
}
