/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "supervisor/io/logs_internal.h"

/*
 * Many lines on their way to a file as they are: they go there by one copy, and only what is kept of them
 * for `stint logs`, and what they say of their trace, is a matter of each.
 */

/* Is it just the next bytes of the file that they are? */
static bool
goes_straight(const struct log *l)
{
    struct logfile_memory *m;

    if (!l->spool || l->format != LOG_LINES_RAW || l->timestamp || l->dropping ||
        l->blocked_us > 0 || l->lost_lines > 0)
        return false;
    m = spool_memory(l->spool);
    return logfile_memory_line_begins(m, atomic_load(&m->shared->put));
}

/* Of whole lines those that there is room for. */
static size_t
that_fit(const struct log *l, const char *bytes, size_t n)
{
    size_t room = logfile_memory_free(spool_memory(l->spool));
    const char *last;

    if (room < LOG_MARKS_BYTES)
        return 0;
    room -= LOG_MARKS_BYTES;
    if (n <= room)
        return n;
    last = memrchr(bytes, '\n', room);
    return last ? (size_t)(last - bytes) + 1 : 0;
}

/* @n bytes of whole lines taken apart, as many as @most. Return: how many; @ret_bytes: theirs. */
static unsigned
split(struct log *l, const struct printed *p, size_t n, unsigned most, struct journal_text *lines,
      size_t *ret_bytes)
{
    const struct lint_origin from = {p->from->generation, p->from->pid, p->registry_fd};
    const char *at = p->bytes, *end = at + n;
    unsigned count = 0;

    log_trace_place(l);
    while (at < end && count < most) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t bytes = (size_t)(newline - at);

        if (bytes > CAPTURE_LINE_MAX)
            break;
        lines[count++] = (struct journal_text){
            .bytes = at,
            .n = (uint32_t)bytes,
            .trace = l->lint ? lint_line(l->lint, &from, at, bytes) : NULL,
        };
        at = newline + 1;
    }
    *ret_bytes = (size_t)(at - p->bytes);
    return count;
}

size_t
log_lines(struct log *l, const struct printed *p, unsigned *lines)
{
    static struct journal_text text[CAPTURE_TURN_LINES]; /* one thread */
    struct iovec part = {(void *)(uintptr_t)p->bytes, 0};
    unsigned most = *lines < CAPTURE_TURN_LINES ? *lines : CAPTURE_TURN_LINES, n;
    size_t fit = goes_straight(l) ? that_fit(l, p->bytes, p->n) : 0;

    n = fit > 0 ? split(l, p, fit, most, text, &part.iov_len) : 0;
    if (n == 0)
        return 0;
    l->lines += n;
    l->bytes += part.iov_len - n;
    l->again = false;
    journal_output_kept(l->logs->journal, p->from, text, n);
    spool_put(l->spool, &part, 1);
    *lines -= n;
    return part.iov_len;
}
