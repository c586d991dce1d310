// SPDX-License-Identifier: GPL-2.0-or-later
/* The files of a bout: configurations, applications, scripts, and what the servers write themselves. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "bench/rival.h"

const char *
bout_path(const struct bout *b, const char *name, char to[PATH_MAX])
{
    (void)snprintf(to, PATH_MAX, "%.*s/%s", PATH_MAX - 64, b->dir, name);
    return to;
}

/* Without waiting for the disk: nobody reads it after a power cut. */
__attribute__((format(printf, 5, 0))) static int
write_text(const struct bout *b, const char *name, mode_t mode, struct error *reterr,
           const char *fmt, va_list ap)
{
    auto_free char *text = NULL;
    char path[PATH_MAX];

    (void)bout_path(b, name, path);
    if (vasprintf(&text, fmt, ap) < 0) {
        text = NULL;
        return error_set(reterr, -ENOMEM, "write '%s'", path);
    }
    return file_swap(path, text, strlen(text), mode, reterr);
}

int
bout_write(const struct bout *b, const char *name, struct error *reterr, const char *fmt, ...)
{
    va_list ap;
    int r;

    va_start(ap, fmt);
    r = write_text(b, name, 0644, reterr, fmt, ap);
    va_end(ap);
    return r;
}

int
bout_script(const struct bout *b, const char *name, struct error *reterr, const char *fmt, ...)
{
    va_list ap;
    int r;

    va_start(ap, fmt);
    r = write_text(b, name, 0755, reterr, fmt, ap);
    va_end(ap);
    return r;
}

int
bout_folder(const struct bout *b, const char *name, struct error *reterr)
{
    char path[PATH_MAX];

    if (mkdir(bout_path(b, name, path), 0755) == -1 ||
        (b->arena->uid != (uid_t)-1 && chown(path, b->arena->uid, b->arena->gid) == -1))
        return error_set(reterr, -errno, "make '%s'", path);
    return 0;
}

int
bout_generation(const struct bout *b, struct error *reterr)
{
    return bout_write(b, "generation", reterr, "%u\n", b->generation);
}

pid_t
bout_pid_of(const struct bout *b, const char *name)
{
    auto_free char *text = NULL;
    char path[PATH_MAX];
    long pid = 0;
    int r = file_read(bout_path(b, name, path), 64, &text, NULL, NULL);

    if (r == 0)
        pid = strtol(text, NULL, 10);
    return r < 0 ? r : pid > 0 ? (pid_t)pid : -ESRCH;
}

int
bout_say(const struct bout *b, const char *fifo, const char *word, struct error *reterr)
{
    char path[PATH_MAX];
    size_t n = strlen(word);
    auto_fd int fd = open(bout_path(b, fifo, path), O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd == -1 || write(fd, word, n) != (ssize_t)n)
        return error_set(reterr, -errno, "say '%s' to '%s'", word, path);
    return 0;
}
