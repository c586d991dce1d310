/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "config/spec.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"

/*
 * A thousand services of one program pin one file: one descriptor here, and one at the keeper. While
 * it is open, nothing else can have its device and inode number. A pin is known by the id of the first
 * snapshot that had it.
 */
struct pin {
    struct table_node by_file; /* in master.pins, by inode number */
    dev_t device;
    ino_t inode;
    uint64_t id;
    unsigned refs; /* snapshots that have it */
    int fd;        /* owned */
};

static struct pin *
pin_find(const struct master *m, const struct stat *st)
{
    struct table_node *n = table_find(&m->pins, st->st_ino);

    for (; n; n = table_next(n))
        if (container_of(n, struct pin, by_file)->device == st->st_dev)
            return container_of(n, struct pin, by_file);
    return NULL;
}

/* @fd: taken over in any case. Return: whether it is a new one; NULL in snap->pin: no memory */
static bool
pin_set(struct snapshot *snap, const struct stat *st, uint64_t id, int fd)
{
    struct master *m = snap->master;
    struct pin *pin = pin_find(m, st);
    bool known = pin != NULL;

    if (!known)
        pin = calloc(1, sizeof(*pin));
    if (!known && pin) {
        *pin =
            (struct pin){.device = st->st_dev, .inode = st->st_ino, .id = id, .fd = steal_fd(fd)};
        table_add(&m->pins, &pin->by_file, st->st_ino);
    }
    fd_close(fd);
    if (pin) {
        pin->refs++;
        snap->pin = pin;
        snap->exe_fd = pin->fd;
    }
    return pin && !known;
}

int
pin_take(struct snapshot *snap, int fd)
{
    if (pin_set(snap, &snap->exe_stat, snap->id, fd))
        keep_pin(snap->master, snap->pin->id, snap->pin->fd);
    return snap->pin ? 0 : -ENOMEM;
}

int
pin_restore(struct snapshot *snap, uint64_t id)
{
    char name[KEEPER_NAME_MAX];
    struct stat st;
    int fd = fdstore_take(snap->master->fdstore, fdstore_name(name, "exe", id));

    if (fd >= 0 && fstat(fd, &st) == 0) {
        (void)pin_set(snap, &st, id, fd);
        return snap->pin ? 0 : -ENOMEM;
    }
    fd_close(fd);
    list_for_each (n, &snap->master->snapshots) {
        const struct snapshot *other = container_of(n, struct snapshot, node);

        if (!other->pin || other->pin->id != id)
            continue;
        snap->pin = other->pin;
        snap->pin->refs++;
        snap->exe_fd = snap->pin->fd;
        return 0;
    }
    return -ENOENT;
}

uint64_t
pin_id(const struct snapshot *snap)
{
    return snap->pin ? snap->pin->id : 0;
}

void
pin_drop(struct snapshot *snap)
{
    struct pin *pin = steal(snap->pin);

    snap->exe_fd = -1;
    if (!pin || --pin->refs > 0)
        return;
    keep_drop(snap->master, "exe", pin->id);
    table_remove(&snap->master->pins, &pin->by_file);
    fd_close(pin->fd);
    free(pin);
}

/*
 * What passed the door was this file with these bytes. Until its first worker has started, somebody
 * may write into it; afterwards the kernel sees to that, but for a script, which each start reads anew.
 * A master that took over does not know what was looked at.
 */
int
snapshot_untouched(const struct snapshot *snap, const struct worker *w, struct error *reterr)
{
    const struct stat *then = &snap->exe_stat;
    bool first = w && w->generation->state == GENERATION_STARTING;
    struct stat now;
    int r;

    if (!snap->spec->require_preflight || then->st_ino == 0 || !first)
        return 0;
    r = snap->exe_fd >= 0 ? fstat(snap->exe_fd, &now) : stat(snap->exe_path, &now);
    if (r == 0 && now.st_dev == then->st_dev && now.st_ino == then->st_ino &&
        now.st_size == then->st_size && now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == then->st_mtim.tv_nsec)
        return 0; /* st_ctime is another when it is renamed, and that is fine */
    return error_say(reterr, -ESTALE,
                     "'%s' was written to after it was looked at: what would start now has passed "
                     "no preflight (handoff: {require_preflight: true})",
                     snap->exe_path);
}
