/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/io/capture_internal.h"

/* A process was killed while it told what a worker printed: the next one goes on. */

/* It may have been told and not been taken out: at most one piece, which stands at the head. */
static size_t
waiting_bytes(int fd)
{
    int n = 0;

    if (ioctl(fd, FIONREAD, &n) == -1 || n < 0)
        return CAPTURE_TOLD_BYTES;
    return (size_t)n < CAPTURE_TOLD_BYTES ? (size_t)n : CAPTURE_TOLD_BYTES;
}

int
capture_adopt(struct ev_loop *loop, int out_fd, int err_fd, capture_line_fn *on_line, void *env,
              struct capture **ret, struct error *reterr)
{
    struct capture *c = capture_create(loop, on_line, env);
    const int fds[] = {out_fd, err_fd};

    if (!c)
        return error_set(reterr, -ENOMEM, "capture a worker's output");
    for (size_t i = 0; i < ARRAY_LEN(c->streams); i++)
        if (fds[i] >= 0) {
            capture_watch(&c->streams[i], fds[i]);
            c->streams[i].again = waiting_bytes(fds[i]);
        }
    *ret = c;
    return 0;
}

void
capture_kept_by(struct capture *c, const struct capture_keeper *keeper)
{
    c->keeper = keeper;
}

void
capture_none_again(struct capture *c, enum capture_stream stream)
{
    c->streams[stream].again = 0;
}

int
capture_set_rest(struct capture *c, enum capture_stream stream, const char *bytes, size_t n,
                 bool continued)
{
    struct stream *s = &c->streams[stream];

    if (n > CAPTURE_LINE_MAX)
        n = CAPTURE_LINE_MAX;
    s->line = malloc(CAPTURE_LINE_MAX);
    if (!s->line)
        return -ENOMEM;
    memcpy(s->line, bytes, n);
    s->used = n;
    s->continued = continued;
    s->told = s->again_rest = true;
    return 0;
}

const char *
capture_rest(const struct capture *c, enum capture_stream stream, size_t *ret_n,
             bool *ret_continued)
{
    const struct stream *s = &c->streams[stream];

    *ret_n = s->used;
    *ret_continued = s->continued;
    return s->line;
}

int
capture_fd(const struct capture *c, enum capture_stream stream)
{
    return c->streams[stream].read_fd;
}
