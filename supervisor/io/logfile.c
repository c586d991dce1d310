/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/logfile_open.h"

#define RETRY_FIRST_US (100 * US_PER_MS)
#define QUIET_US       (60 * US_PER_S) /* between two lines about trouble of one file */

void
logfile_init(struct logfile *f, struct logfile_memory *memory)
{
    *f = (struct logfile){.memory = memory, .fd = -1, .config = *logfile_memory_config(memory)};
}

void
logfile_finish(struct logfile *f)
{
    f->fd = fd_close(f->fd);
}

static void
say(const struct logfile *f, enum logfile_word word, int error, const char *text)
{
    if (f->say)
        f->say(f->env, word, error, text);
}

/* Beside the lines, which go on: not more often than people read it. */
static void
trouble(struct logfile *f, const struct error *why)
{
    int64_t now_us = mono_now_us();

    if (now_us < f->quiet_us)
        return;
    f->quiet_us = now_us + QUIET_US;
    say(f, LOGFILE_TROUBLE, -why->code, why->text);
}

/* Nothing can be written now. Said once; the times between two tries double. */
static enum logfile_step
fail(struct logfile *f, const struct error *why)
{
    int code = why->code < 0 ? -why->code : EIO;

    if (code != ENOSPC && code != EDQUOT && code != EFBIG)
        f->fd = fd_close(f->fd);
    f->wait_us = f->wait_us == 0 ? RETRY_FIRST_US : f->wait_us * 2;
    if (f->wait_us > LOGFILE_RETRY_US)
        f->wait_us = LOGFILE_RETRY_US;
    f->retry_us = mono_now_us() + f->wait_us;
    if (!f->failed || (int)atomic_load(&f->memory->shared->error) != code)
        say(f, LOGFILE_FAILED, code, why->text);
    f->failed = true;
    atomic_store(&f->memory->shared->error, (uint64_t)code);
    return LOGFILE_LATER;
}

static void
works(struct logfile *f)
{
    f->retry_us = f->wait_us = 0;
    atomic_store(&f->memory->shared->error, 0);
    if (f->failed)
        say(f, LOGFILE_WORKS, 0, f->config.path);
    f->failed = false;
}

void
logfile_configure(struct logfile *f, const struct logfile_config *c)
{
    bool moved = strcmp(f->config.path, c->path) != 0;

    f->config = *c;
    f->shift_us = f->quiet_us = f->retry_us = f->wait_us = 0;
    if (moved)
        f->fd = fd_close(f->fd);
}

/* ---- the lock ------------------------------------------------------------------------------ */

/* Of this process: it is gone with it, but not before a write that hangs in the kernel has ended. */
static bool
lock(const struct logfile *f, short type)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET};

    return fcntl(f->memory->fd, F_SETLK, &l) == 0;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* So many of the next @n bytes that the file does not grow beyond its limit within a line. 0: rotate first. */
static size_t
bytes_that_fit(const struct logfile *f, uint64_t from, size_t n, uint64_t size)
{
    uint64_t most = f->config.max_size;
    size_t room = size < most ? (size_t)(most - size) : 0;
    size_t whole = 0, at = 0;
    struct iovec part[2];
    unsigned parts;

    if (most == 0 || n <= room)
        return n;
    parts = logfile_memory_parts(f->memory, from, from + n, part);
    for (unsigned i = 0; i < parts; i++) {
        const char *bytes = part[i].iov_base, *end;

        for (size_t k = 0; k < part[i].iov_len; k = (size_t)(end - bytes) + 1) {
            end = memchr(bytes + k, '\n', part[i].iov_len - k);
            if (!end)
                break;
            if (at + (size_t)(end - bytes) + 1 > room && whole > 0)
                return whole;
            whole = at + (size_t)(end - bytes) + 1;
            if (whole > room) /* the first line alone is too long */
                return logfile_memory_line_begins(f->memory, from) && size > 0 ? 0 : whole;
        }
        at += part[i].iov_len;
    }
    if (whole > 0)
        return whole;
    return logfile_memory_line_begins(f->memory, from) && size > 0 ? 0 : n;
}

/* The disk took a part of a line: take that back, so that nobody who moves the file now tears it. */
static uint64_t
untear(const struct logfile *f, uint64_t from, uint64_t to, uint64_t size)
{
    uint64_t whole = to;

    while (whole > from && !logfile_memory_line_begins(f->memory, whole))
        whole--;
    if (whole == to || !logfile_memory_line_begins(f->memory, whole))
        return to;
    return ftruncate(f->fd, (off_t)(size + (whole - from))) == 0 ? whole : to;
}

static enum logfile_step
append(struct logfile *f, uint64_t from, size_t n, uint64_t size)
{
    struct logfile_shared *sh = f->memory->shared;
    uint64_t done = from, to = from + n;
    struct error why = {0};
    ssize_t got = 0;

    atomic_store(&sh->try_device, f->device);
    atomic_store(&sh->try_inode, f->inode);
    atomic_store(&sh->try_size, size);
    atomic_store(&sh->try_from, from);
    atomic_store(&sh->trying, to);
    while (done < to) {
        struct iovec part[2];
        unsigned parts = logfile_memory_parts(f->memory, done, to, part);

        got = writev(f->fd, part, (int)parts);
        if (got == -1 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (uint64_t)got;
    }
    if (done < to) {
        (void)error_set(&why, got == 0 ? -EIO : -errno, "write to '%s'", f->config.path);
        done = untear(f, from, done, size);
    }
    atomic_store(&sh->size, size + (done - from));
    atomic_store(&sh->done, done);
    atomic_store(&sh->trying, 0);
    if (done < to)
        return fail(f, &why);
    works(f);
    return LOGFILE_MORE;
}

/* Rotate; when that does not work the file just grows on. */
static bool
shift(struct logfile *f)
{
    int64_t now_us = mono_now_us();
    struct error why = {0};
    int r;

    if (now_us < f->shift_us)
        return false;
    r = logfile_rotate(f);
    if (r == 0) {
        r = logfile_open(f, &why);
        if (r == 0)
            r = logfile_prune(f->config.path, f->config.keep);
        if (r < 0 && f->fd >= 0) {
            (void)error_set(&why, r, "remove old ones of '%s'", f->config.path);
            trouble(f, &why);
        }
        return true;
    }
    f->shift_us = now_us + QUIET_US;
    (void)error_set(&why, r, "rotate '%s', which grows on", f->config.path);
    trouble(f, &why);
    return false;
}

static bool
is_old(const struct logfile *f)
{
    int64_t begun_us = (int64_t)atomic_load(&f->memory->shared->begun_us);

    return f->config.max_age_us > 0 && wall_now_us() - begun_us >= f->config.max_age_us;
}

/* Under the lock: what nobody else changes now. */
static enum logfile_step
step_locked(struct logfile *f)
{
    struct logfile_shared *sh = f->memory->shared;
    struct error why = {0};
    uint64_t size, from;
    size_t n;

    if (logfile_look(f, &size, &why) < 0)
        return fail(f, &why);
    if (logfile_settle(f, size) && logfile_look(f, &size, &why) < 0)
        return fail(f, &why);
    from = atomic_load(&sh->done);
    n = logfile_memory_waiting(f->memory);
    if (n == 0) {
        works(f);
        return LOGFILE_EMPTY;
    }
    if (n > LOGFILE_BATCH)
        n = LOGFILE_BATCH;
    if (size > 0 && logfile_memory_line_begins(f->memory, from) && is_old(f) && shift(f))
        return LOGFILE_MORE;
    n = bytes_that_fit(f, from, n, size);
    if (n == 0 && shift(f))
        return LOGFILE_MORE;
    if (n == 0)
        n = logfile_memory_waiting(f->memory);
    return append(f, from, n > LOGFILE_BATCH ? LOGFILE_BATCH : n, size);
}

enum logfile_step
logfile_step(struct logfile *f)
{
    struct logfile_shared *sh = f->memory->shared;
    enum logfile_step step;
    int64_t now_us = mono_now_us();

    if (logfile_memory_waiting(f->memory) == 0)
        return LOGFILE_EMPTY;
    if (now_us < f->retry_us)
        return LOGFILE_LATER;
    if (!lock(f, F_WRLCK)) { /* a writer before us hangs in the kernel */
        f->retry_us = now_us + RETRY_FIRST_US;
        return LOGFILE_LATER;
    }
    atomic_store(&sh->busy_us, (uint64_t)now_us);
    step = step_locked(f);
    atomic_store(&sh->busy_us, 0);
    (void)lock(f, F_UNLCK);
    return step;
}

void
logfile_reopen(struct logfile *f)
{
    struct error why = {0};
    uint64_t size;

    f->fd = fd_close(f->fd);
    f->retry_us = f->wait_us = f->shift_us = f->quiet_us = 0;
    if (!lock(f, F_WRLCK))
        return; /* the next step opens it */
    atomic_store(&f->memory->shared->busy_us, (uint64_t)mono_now_us());
    if (logfile_look(f, &size, &why) < 0)
        (void)fail(f, &why);
    else
        works(f);
    atomic_store(&f->memory->shared->busy_us, 0);
    (void)lock(f, F_UNLCK);
}

/* ---- age ----------------------------------------------------------------------------------- */

int64_t
logfile_due_us(const struct logfile *f)
{
    int64_t left_us, due_us;

    if (f->config.max_age_us == 0 || f->fd < 0 || atomic_load(&f->memory->shared->size) == 0)
        return TIME_NEVER;
    left_us =
        (int64_t)atomic_load(&f->memory->shared->begun_us) + f->config.max_age_us - wall_now_us();
    due_us = mono_now_us() + (left_us > 0 ? left_us : 0);
    if (due_us < f->shift_us)
        due_us = f->shift_us;
    return due_us > f->age_us ? due_us : f->age_us;
}

void
logfile_age(struct logfile *f)
{
    struct error why = {0};
    uint64_t size;

    f->age_us = mono_now_us() + US_PER_S; /* what does not work now is not tried in a circle */
    if (!is_old(f) || logfile_memory_waiting(f->memory) > 0 || !lock(f, F_WRLCK))
        return; /* what waits sees to it */
    if (logfile_look(f, &size, &why) == 0 && size > 0 && is_old(f) &&
        logfile_memory_line_begins(f->memory, atomic_load(&f->memory->shared->done)))
        (void)shift(f);
    (void)lock(f, F_UNLCK);
}
