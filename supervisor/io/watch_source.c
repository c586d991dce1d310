/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/watch_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inotifytools/inotifytools.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"

#define FDINFO_MAX (16U << 20)
#define DRAIN_MAX  (1 << 16) /* events; the kernel's queue holds 16384 */

/*
 * The library tells nobody its descriptor. It is the lowest free number, which a dup() finds
 * beforehand; /proc says whether that is what came. Nothing else opens files meanwhile.
 */
int
source_open(struct watch_source *s, struct error *reterr)
{
    char path[64], target[64];
    int probe = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (probe == -1)
        return error_set(reterr, -errno, "open the watch");
    (void)close(probe);      /* opened a moment ago, nothing in it to lose */
    if (probe >= FD_SETSIZE) /* the library would abort the process in its select() */
        return error_say(reterr, -EMFILE, "the watch has to be opened before %d other files",
                         FD_SETSIZE);
    errno = 0;
    if (!inotifytools_initialize())
        return error_set(reterr, errno ? -errno : -EMFILE, "start inotify");
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", probe);
    n = readlink(path, target, sizeof(target) - 1);
    target[n > 0 ? n : 0] = '\0';
    if (strstr(target, "inotify") == NULL || fd_cloexec(probe, 1) < 0 || fd_nonblock(probe) < 0) {
        inotifytools_cleanup();
        return error_say(reterr, -EBADF, "the descriptor of inotify was not found");
    }
    s->fd = probe;
    s->dead = 0;
    return 0;
}

void
source_close(struct watch_source *s)
{
    if (s->fd == -1)
        return;
    /* else its buffer would hand old events to the next instance; bounded: somebody may write on */
    for (int i = 0; i < DRAIN_MAX && source_next(s); i++)
        ;
    inotifytools_cleanup();
    s->fd = -1;
}

/*
 * Each watch gets a path that was never used before: the library finds a path it knows already at
 * its old wd, though the directory is another one by now, and leaks what it was given. "./" and
 * "/" spell the bits of the serial number; the kernel reads over them.
 */
static void
spell(char *path, size_t room, int dirfd, uint32_t serial)
{
    int n = snprintf(path, room, "/proc/self/fd/%d/", dirfd);

    for (uint32_t bits = serial; bits != 0 && n > 0 && (size_t)n + 3 < room; bits >>= 1) {
        const char *bit = bits & 1 ? "./" : "//";

        memcpy(path + n, bit, 3);
        n += 2;
    }
}

int
source_add(struct watch_source *s, int dirfd, uint32_t mask)
{
    char path[128];
    int wd;

    if (s->fd == -1)
        return -EMFILE;
    spell(path, sizeof(path), dirfd, ++s->serial);
    if (!inotifytools_watch_file(path, (int)mask))
        return inotifytools_error() > 0 ? -inotifytools_error() : -EIO;
    wd = inotifytools_wd_from_filename(path);
    return wd > 0 ? wd : -EIO;
}

/* known - is @wd among the kernel's watches, as fdinfo lists them ("inotify wd:1f ino:…")? */
static bool
known(const char *fdinfo, int wd)
{
    char line[32];

    (void)snprintf(line, sizeof(line), "\ninotify wd:%x ", (unsigned)wd);
    return strstr(fdinfo, line) != NULL;
}

/* The library complains on stderr, and keeps its entry, about a watch the kernel dropped already. */
void
source_remove(struct watch_source *s, const int *wds, size_t n)
{
    char path[64];
    auto_free char *fdinfo = NULL;

    if (s->fd == -1 || n == 0)
        return;
    (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", s->fd);
    if (file_read(path, FDINFO_MAX, &fdinfo, NULL, NULL) < 0) {
        s->dead += (unsigned)n;
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (!known(fdinfo, wds[i]) || !inotifytools_remove_watch_by_wd(wds[i]))
            s->dead++;
}

const struct inotify_event *
source_next(struct watch_source *s)
{
    const struct inotify_event *e = NULL;

    if (s->fd != -1)
        e = inotifytools_next_events(0, 1); /* the only arguments that neither block nor spin */
    s->buffered = e != NULL;
    return e;
}

bool
source_pending(const struct watch_source *s)
{
    int bytes = 0;

    return s->buffered || ioctl(s->fd, FIONREAD, &bytes) == -1 ||
           (size_t)bytes > sizeof(struct inotify_event);
}
