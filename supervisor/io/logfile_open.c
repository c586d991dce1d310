/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/logfile_open.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "base/units.h"

static const char *
kind_of(mode_t mode)
{
    return S_ISDIR(mode)    ? "a directory"
           : S_ISFIFO(mode) ? "a FIFO"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISLNK(mode)  ? "a symbolic link"
                            : "a device";
}

/* Our own or the name service's: whoever is slow here holds up the writer and nobody else. */
static bool
id_of(const char *name, bool group, uint32_t *ret)
{
    const struct passwd *pw;
    const struct group *gr;

    *ret = UINT32_MAX;
    if (!name[0])
        return true;
    if (name[strspn(name, "0123456789")] == '\0') {
        *ret = (uint32_t)strtoul(name, NULL, 10);
        return true;
    }
    pw = group ? NULL : getpwnam(name);
    gr = group ? getgrnam(name) : NULL;
    *ret = pw ? pw->pw_uid : gr ? gr->gr_gid : UINT32_MAX;
    return pw || gr;
}

static void
give_away(const struct logfile *f)
{
    const struct logfile_config *c = &f->config;
    struct error why = {0};
    uint32_t uid, gid;

    if (!c->owner[0] && !c->group[0])
        return;
    if (!id_of(c->owner, false, &uid) || !id_of(c->group, true, &gid))
        (void)error_say(&why, -ENOENT, "'%s': there is no such owner or group", c->path);
    else if (fchown(f->fd, uid, gid) == -1)
        (void)error_set(&why, -errno, "give '%s' to its owner", c->path);
    if (why.code && f->say)
        f->say(f->env, LOGFILE_TROUBLE, -why.code, why.text);
}

/* When it was begun, for max_age: known from before, or by the file system, or now. */
static void
note_beginning(struct logfile *f, const struct stat *st, bool made)
{
    struct logfile_shared *sh = f->memory->shared;
    struct statx x;
    int64_t begun_us = wall_now_us();

    if (!made && atomic_load(&sh->begun_inode) == st->st_ino && atomic_load(&sh->begun_us) > 0)
        return;
    if (!made && st->st_size > 0) {
        begun_us = st->st_mtim.tv_sec * US_PER_S + st->st_mtim.tv_nsec / 1000;
        if (statx(f->fd, "", AT_EMPTY_PATH, STATX_BTIME, &x) == 0 && x.stx_mask & STATX_BTIME)
            begun_us = x.stx_btime.tv_sec * US_PER_S + x.stx_btime.tv_nsec / 1000;
    }
    atomic_store(&sh->begun_us, (uint64_t)begun_us);
    atomic_store(&sh->begun_inode, st->st_ino);
}

int
logfile_open(struct logfile *f, struct error *reterr)
{
    /* A FIFO without a reader must not hold us up, and a link may lead where its owner must not write. */
    const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW;
    const char *path = f->config.path;
    struct stat st;
    bool made;
    auto_fd int fd = open(path, flags | O_CREAT | O_EXCL, f->config.mode);

    made = fd >= 0;
    if (fd == -1 && errno == EEXIST)
        fd = open(path, flags);
    if (fd == -1 && (errno == ELOOP || errno == EISDIR || errno == ENXIO) &&
        lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return error_say(reterr, -EINVAL, "'%s' is %s; a log wants a file", path,
                         kind_of(st.st_mode));
    if (fd == -1)
        return error_set(reterr, -errno, "open '%s'", path);
    if (fstat(fd, &st) == -1)
        return error_set(reterr, -errno, "look at '%s'", path);
    if (!S_ISREG(st.st_mode))
        return error_say(reterr, -EINVAL, "'%s' is %s; a log wants a file", path,
                         kind_of(st.st_mode));
    (void)fd_close(f->fd);
    f->fd = steal_fd(fd);
    f->device = st.st_dev;
    f->inode = st.st_ino;
    if (made)
        give_away(f);
    f->fresh = !made;
    note_beginning(f, &st, made);
    atomic_store(&f->memory->shared->size, (uint64_t)st.st_size);
    return 0;
}

int
logfile_look(struct logfile *f, uint64_t *ret_size, struct error *reterr)
{
    bool was_open = f->fd >= 0;
    struct stat st;
    int r;

    if (was_open && lstat(f->config.path, &st) == 0 && st.st_dev == f->device &&
        st.st_ino == f->inode) {
        *ret_size = (uint64_t)st.st_size;
        return 0;
    }
    if (was_open && f->say)
        f->say(f->env, LOGFILE_MOVED, 0, f->config.path);
    r = logfile_open(f, reterr);
    if (r < 0)
        return r;
    *ret_size = atomic_load(&f->memory->shared->size);
    return 0;
}

/* ---- what a writer before us left ------------------------------------------------------------- */

/* How many of the bytes from @from to @to stand in the file behind @size; -1: something else does. */
static int64_t
count_written(const struct logfile *f, uint64_t from, uint64_t to, uint64_t size, uint64_t now)
{
    auto_fd int fd = open(f->config.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    uint64_t n = now - size;
    struct stat st;
    struct iovec part[2];
    unsigned parts;

    if (now < size || n > to - from)
        return -1;
    if (n == 0)
        return 0;
    if (fd == -1 || fstat(fd, &st) == -1 || st.st_ino != f->inode)
        return -1;
    parts = logfile_memory_parts(f->memory, from, from + n, part);
    for (unsigned i = 0; i < parts; i++) {
        const char *want = part[i].iov_base;
        size_t left = part[i].iov_len;
        char bytes[4096];

        while (left > 0) {
            ssize_t got =
                pread(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes), (off_t)size);

            if (got <= 0 || memcmp(bytes, want, (size_t)got) != 0)
                return -1;
            want += got;
            size += (uint64_t)got;
            left -= (size_t)got;
        }
    }
    return (int64_t)n;
}

/* Written again, and the file says so. A line that was begun is ended first. */
static void
say_repeated(const struct logfile *f, uint64_t bytes)
{
    auto_text struct text note = TEXT_INIT;

    text_add(&note, "\n");
    logfile_note(&f->config, LOGFILE_NOTE_REPEATED, 0, bytes, &note);
    if (!note.failed && write(f->fd, note.data, note.bytes) == -1)
        return; /* as the lines themselves would: the next write says why */
}

/* Return: whether the file says so now. */
static bool
settle_doubt(const struct logfile *f, uint64_t size)
{
    struct logfile_shared *sh = f->memory->shared;
    uint64_t done = atomic_load(&sh->done), trying = atomic_load(&sh->trying);
    int64_t n = -1;

    if (trying <= done || atomic_load(&sh->try_from) != done) {
        atomic_store(&sh->trying, 0);
        return false;
    }
    if (atomic_load(&sh->try_device) == f->device && atomic_load(&sh->try_inode) == f->inode)
        n = count_written(f, done, trying, atomic_load(&sh->try_size), size);
    if (n < 0)
        say_repeated(f, trying - done);
    if (n > 0)
        atomic_store(&sh->done, done + (uint64_t)n);
    atomic_store(&sh->trying, 0);
    return n < 0;
}

static bool
ends_within_a_line(const struct logfile *f, uint64_t size)
{
    auto_fd int fd = open(f->config.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char last = '\n';

    return size > 0 && fd >= 0 && pread(fd, &last, 1, (off_t)size - 1) == 1 && last != '\n';
}

bool
logfile_settle(struct logfile *f, uint64_t size)
{
    bool written = atomic_load(&f->memory->shared->trying) > 0 && settle_doubt(f, size);

    if (f->fresh && !written &&
        logfile_memory_line_begins(f->memory, atomic_load(&f->memory->shared->done)) &&
        ends_within_a_line(f, size))
        written = write(f->fd, "\n", 1) == 1;
    f->fresh = false;
    return written;
}
