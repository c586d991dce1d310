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
#include "base/plain.h"

#define TRIES     3          /* for a slot that changes while it is read */
#define BYTES_MAX (8U << 20) /* of a registry we are willing to copy */

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* Linux 6.3; an older kernel says EINVAL */
#endif

void
registry_view_finish(struct registry_view *v)
{
    free(v->threads);
    *v = (struct registry_view){0};
}

int
registry_create(int *ret_fd, struct error *reterr)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    auto_fd int fd = memfd_create("stint-registry", flags | MFD_NOEXEC_SEAL);

    if (fd == -1 && errno == EINVAL)
        fd = memfd_create("stint-registry", flags);
    if (fd == -1)
        return error_set(reterr, -errno, "create a registry");
    if (ftruncate(fd, (off_t)STINT_REGISTRY_BYTES) == -1 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1)
        return error_set(reterr, -errno, "size and seal a registry");
    *ret_fd = steal_fd(fd);
    return 0;
}

/* header_read - the header, if it is one that can be walked safely in @n bytes. */
static int
header_read(const void *bytes, size_t n, struct stint_registry_header *ret, struct error *reterr)
{
    struct stint_registry_header h;

    if (n < sizeof(h))
        return error_say(reterr, -EPROTO, "the registry has %zu bytes, no room for its header", n);
    memcpy(&h, bytes, sizeof(h));
    if (h.magic == 0)
        return error_say(reterr, -ENODATA, "the worker has not written its registry");
    if (h.magic != STINT_REGISTRY_MAGIC)
        return error_say(reterr, -EPROTO, "the registry's magic number is wrong");
    if (h.major != STINT_REGISTRY_MAJOR)
        return error_say(reterr, -EPROTO, "the registry is of version %u, we know %d",
                         (unsigned)h.major, STINT_REGISTRY_MAJOR);
    if (h.slot_size < sizeof(struct stint_registry_slot) || h.slot_size % 8 != 0)
        return error_say(reterr, -EPROTO, "the registry's slots of %u bytes make no sense",
                         (unsigned)h.slot_size);
    if (h.slots > (n - sizeof(h)) / h.slot_size)
        return error_say(reterr, -EPROTO, "the registry says %u slots, more than fit into it",
                         (unsigned)h.slots);
    *ret = h;
    return 0;
}

/* plain - copy a string of unknown intent so that it can be shown on a terminal and in a log. */
static void
plain(char *to, const char *from, size_t room)
{
    memcpy(to, from, room - 1);
    to[room - 1] = '\0';
    plain_text(to);
}

static int64_t
as_time(uint64_t us)
{
    return us > INT64_MAX ? INT64_MAX : (int64_t)us;
}

static struct registry_thread
thread_of(const struct stint_registry_slot *s)
{
    struct registry_thread t = {
        .tid = s->tid > INT32_MAX ? 0 : (pid_t)s->tid,
        .creator_tid = s->creator_tid > INT32_MAX ? 0 : (pid_t)s->creator_tid,
        .start_time = s->start_time,
        .started_us = as_time(s->started_us),
        .cancelled_us = as_time(s->cancelled_us),
        .deadline_us = s->deadline_us,
        .beats = s->beats,
        .cause = s->token_cause,
        .line = s->line,
        .exempt = s->exempt != 0,
    };

    plain(t.name, s->name, sizeof(t.name));
    plain(t.file, s->file, sizeof(t.file));
    plain(t.function, s->function, sizeof(t.function));
    plain(t.creator_name, s->creator_name, sizeof(t.creator_name));
    plain(t.token, s->token, sizeof(t.token));
    plain(t.wait_site, s->wait_site, sizeof(t.wait_site));
    plain(t.trace_id, s->trace_id, sizeof(t.trace_id));
    plain(t.reason, s->reason, sizeof(t.reason));
    return t;
}

static void
slot_parse(const unsigned char *at, struct registry_view *v)
{
    struct stint_registry_slot s;

    memcpy(&s, at, sizeof(s));
    if (s.seq % 2 != 0)
        v->torn++;
    else if (s.state == STINT_SLOT_DONE)
        v->done++;
    else if (s.state == STINT_SLOT_LIVE)
        v->threads[v->n++] = thread_of(&s);
}

int
registry_parse(const void *bytes, size_t n, struct registry_view *ret, struct error *reterr)
{
    struct stint_registry_header h = {0};
    struct registry_view v = {0};
    const unsigned char *slots = (const unsigned char *)bytes + sizeof(h);
    size_t live = 0;
    int r = header_read(bytes, n, &h, reterr);

    if (r < 0)
        return r;
    for (uint32_t i = 0; i < h.slots; i++) { /* count first: most slots are free */
        uint32_t state;

        memcpy(&state,
               slots + (size_t)i * h.slot_size + offsetof(struct stint_registry_slot, state),
               sizeof(state));
        live += state == STINT_SLOT_LIVE;
    }
    v.threads = calloc(live + 1, sizeof(*v.threads));
    if (!v.threads)
        return error_set(reterr, -ENOMEM, "read a registry of %u slots", (unsigned)h.slots);
    v.slots = h.slots;
    v.overflow = h.overflow;
    for (uint32_t i = 0; i < h.slots; i++)
        slot_parse(slots + (size_t)i * h.slot_size, &v);
    *ret = v;
    return 0;
}

static ssize_t
read_at(int fd, void *buf, size_t bytes, off_t offset)
{
    size_t done = 0;

    while (done < bytes) {
        ssize_t n = pread(fd, (char *)buf + done, bytes - done, offset + (off_t)done);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int
registry_served(int fd, uint64_t *ret)
{
    struct stint_registry_header h;
    ssize_t n = read_at(fd, &h, sizeof(h), 0);

    if (n < 0)
        return (int)n;
    if (n != (ssize_t)sizeof(h) || h.magic == 0)
        return -ENODATA;
    if (h.magic != STINT_REGISTRY_MAGIC || h.major != STINT_REGISTRY_MAJOR)
        return -EPROTO;
    if (h.minor < STINT_REGISTRY_MINOR_SERVED)
        return -EOPNOTSUPP;
    *ret = h.served;
    return 0;
}

/*
 * slot_settle - make the copy of one slot consistent: its seq was copied before the rest, so it has
 * to be even and still the same now. What will not hold still is marked as torn (an odd seq).
 */
static void
slot_settle(int fd, unsigned char *copy, uint32_t slot_size, off_t offset)
{
    const uint32_t torn = 1;
    uint32_t before, now;

    for (int i = 0; i < TRIES; i++) {
        memcpy(&before, copy, sizeof(before));
        if (before % 2 == 0 && read_at(fd, &now, sizeof(now), offset) == sizeof(now) &&
            now == before)
            return;
        if (i + 1 < TRIES && read_at(fd, copy, slot_size, offset) != (ssize_t)slot_size)
            break;
    }
    memcpy(copy, &torn, sizeof(torn));
}

int
registry_read(int fd, struct registry_view *ret, struct error *reterr)
{
    struct stint_registry_header h = {0};
    auto_free unsigned char *copy = NULL;
    struct stat st;
    ssize_t n;
    int r;

    if (fstat(fd, &st) == -1)
        return error_set(reterr, -errno, "read a registry");
    if (!S_ISREG(st.st_mode) || st.st_size > BYTES_MAX)
        return error_say(reterr, -EPROTO, "this is no registry");
    copy = malloc((size_t)st.st_size + 1);
    if (!copy)
        return error_set(reterr, -ENOMEM, "read a registry");
    n = read_at(fd, copy, (size_t)st.st_size, 0);
    if (n < 0)
        return error_set(reterr, (int)n, "read a registry");
    r = header_read(copy, (size_t)n, &h, reterr);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < h.slots; i++) {
        size_t at = sizeof(h) + (size_t)i * h.slot_size;
        uint32_t seq, state;

        memcpy(&seq, copy + at + offsetof(struct stint_registry_slot, seq), sizeof(seq));
        memcpy(&state, copy + at + offsetof(struct stint_registry_slot, state), sizeof(state));
        if (seq % 2 != 0 || state == STINT_SLOT_LIVE)
            slot_settle(fd, copy + at, h.slot_size, (off_t)at);
    }
    return registry_parse(copy, (size_t)n, ret, reterr);
}
