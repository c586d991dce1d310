/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/watch_dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define MASK_SELF (IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
/* No IN_MODIFY: a change is complete when it is closed or renamed, and a busy log would wake us. */
#define MASK_FULL \
    (MASK_SELF | IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB)

/* Not in linux/magic.h of Debian 12. */
#define CIFS_MAGIC   0xff534d42L
#define CEPH_MAGIC   0x00c36400L
#define LUSTRE_MAGIC 0x0bd00bd0L
#define GFS2_MAGIC   0x01161970L

void
dirs_init(struct watch_dirs *d)
{
    *d = (struct watch_dirs){.source = {.fd = -1}};
    for (size_t i = 0; i < WATCH_BUCKETS; i++) {
        list_init(&d->by_wd[i]);
        list_init(&d->by_identity[i]);
    }
}

static void
dir_destroy(struct watch_dirs *d, struct watch_dir *dir)
{
    list_for_each_safe (pos, &dir->needs) {
        list_del(pos);
    }
    list_del(&dir->by_wd);
    list_del(&dir->by_identity);
    free(dir->path);
    free(dir);
    d->n--;
}

void
dirs_forget(struct watch_dirs *d, struct watch_dir *dir)
{
    dir_destroy(d, dir);
    d->source.dead++; /* the library keeps its entry */
}

void
dirs_finish(struct watch_dirs *d)
{
    for (size_t i = 0; i < WATCH_BUCKETS; i++) {
        list_for_each_safe (pos, &d->by_identity[i]) {
            dir_destroy(d, container_of(pos, struct watch_dir, by_identity));
        }
    }
}

static struct list *
wd_bucket(struct watch_dirs *d, int wd)
{
    return &d->by_wd[(unsigned)wd % WATCH_BUCKETS];
}

struct watch_dir *
dirs_find(struct watch_dirs *d, int wd)
{
    list_for_each (pos, wd_bucket(d, wd)) {
        struct watch_dir *dir = container_of(pos, struct watch_dir, by_wd);

        if (dir->wd == wd)
            return dir;
    }
    return NULL;
}

static struct watch_dir *
find_identity(struct watch_dirs *d, const struct stat *st)
{
    list_for_each (pos, &d->by_identity[st->st_ino % WATCH_BUCKETS]) {
        struct watch_dir *dir = container_of(pos, struct watch_dir, by_identity);

        if (dir->dev == st->st_dev && dir->ino == st->st_ino)
            return dir;
    }
    return NULL;
}

static int
dir_create(struct watch_dirs *d, const char *path, const struct stat *st, struct watch_dir **ret)
{
    auto_free struct watch_dir *dir = calloc(1, sizeof(*dir));
    auto_free char *copy = strdup(path);

    if (!dir || !copy)
        return -ENOMEM;
    list_init(&dir->needs);
    list_init(&dir->by_wd);
    dir->dev = st->st_dev;
    dir->ino = st->st_ino;
    dir->wd = -1;
    dir->path = steal(copy);
    list_add(&d->by_identity[st->st_ino % WATCH_BUCKETS], &dir->by_identity);
    d->n++;
    *ret = steal(dir);
    return 0;
}

/* dir_arm - watch it, or watch more of it: then by a new watch, the library has no way to widen one. */
static int
dir_arm(struct watch_dirs *d, struct watch_dir *dir, int dirfd, bool full)
{
    int wd;

    if (dir->wd != -1 && (dir->full || !full))
        return 0;
    if (dir->wd != -1) {
        list_del(&dir->by_wd);
        source_remove(&d->source, &dir->wd, 1);
        d->doubt =
            d->doubt || source_pending(&d->source); /* under the old number: not for us now */
        dir->wd = -1;
    }
    wd = source_add(&d->source, dirfd, full ? MASK_FULL : MASK_SELF);
    if (wd < 0)
        return wd;
    dir->wd = wd;
    dir->full = full;
    list_add(wd_bucket(d, wd), &dir->by_wd);
    return 0;
}

static bool
remote(int dirfd)
{
    static const long magic[] = {NFS_SUPER_MAGIC, SMB_SUPER_MAGIC,  SMB2_SUPER_MAGIC,
                                 CIFS_MAGIC,      V9FS_MAGIC,       FUSE_SUPER_MAGIC,
                                 AFS_SUPER_MAGIC, CODA_SUPER_MAGIC, CEPH_MAGIC,
                                 LUSTRE_MAGIC,    GFS2_MAGIC,       OCFS2_SUPER_MAGIC};
    struct statfs fs;

    if (fstatfs(dirfd, &fs) == -1)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(magic); i++)
        if ((fs.f_type & 0xffffffffL) == magic[i]) /* some kernels sign-extend CIFS */
            return true;
    return false;
}

int
dirs_need(struct watch_dirs *d, const struct watch_place *place, struct watch_need *need,
          bool *ret_remote)
{
    auto_fd int fd = open(place->directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct watch_dir *dir;
    struct stat st;
    int r = 0;

    if (fd == -1 || fstat(fd, &st) == -1)
        return -errno;
    if (remote(fd))
        *ret_remote = true;
    dir = find_identity(d, &st);
    if (!dir)
        r = dir_create(d, place->directory, &st, &dir);
    if (r == 0)
        r = dir_arm(d, dir, fd, !place->self);
    if (r < 0)
        return r;
    list_add(&dir->needs, &need->in_dir);
    return 0;
}

/* One look at the kernel's list for all that go, in portions. */
void
dirs_sweep(struct watch_dirs *d)
{
    int wds[64];
    size_t n = 0;

    for (size_t i = 0; i < WATCH_BUCKETS; i++) {
        list_for_each_safe (pos, &d->by_identity[i]) {
            struct watch_dir *dir = container_of(pos, struct watch_dir, by_identity);

            if (!list_empty(&dir->needs))
                continue;
            if (dir->wd != -1)
                wds[n++] = dir->wd;
            dir_destroy(d, dir);
            if (n == ARRAY_LEN(wds)) {
                source_remove(&d->source, wds, n);
                n = 0;
            }
        }
    }
    source_remove(&d->source, wds, n);
}
