/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/ledger_internal.h"
#include "supervisor/probe/history_json.h"

/* The file of the books. It is never waited for: losing it costs the history and nothing else. */

#define READ_MAX (4 * LEDGER_BYTES)

__attribute__((format(printf, 2, 3))) static void
say(struct ledger *l, const char *fmt, ...)
{
    char sentence[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof(sentence), fmt, ap);
    va_end(ap);
    if (l->say)
        l->say(l->env, sentence);
}

static void
cannot_write(struct ledger *l, int r)
{
    struct error err;

    (void)error_set(&err, r, "%s", l->path);
    if (!l->loud)
        say(l, "the history of leaks is kept in memory only: %s", err.text);
    l->loud = true;
}

static void
file_open(struct ledger *l)
{
    struct stat st;

    l->fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (l->fd == -1)
        cannot_write(l, -errno);
    else if (fstat(l->fd, &st) == 0)
        l->bytes = (size_t)st.st_size;
}

/* ---- anew, in short ---------------------------------------------------------------------------- */

static bool
add_line(json_t *line, struct text *out)
{
    char *bytes = line ? json_dumps(line, JSON_COMPACT) : NULL;

    json_decref(line);
    if (bytes)
        text_addf(out, "%s\n", bytes);
    free(bytes);
    return bytes != NULL;
}

static bool
add_book(const struct ledger_book *b, struct text *out)
{
    return add_line(
               json_pack("{s:s, s:o}", "service", b->service, "history", history_save(&b->history)),
               out) &&
           (!b->overruns || add_line(ledger_overruns_save(b), out));
}

/* What is no longer there when it does not fit: the books that were begun first. */
static void
file_rewrite(struct ledger *l)
{
    auto_text struct text all = TEXT_INIT;
    struct error err = {0};
    int r;

    list_for_each (n, &l->books)
        if (!add_book(container_of(n, struct ledger_book, node), &all) || all.failed)
            return; /* no memory: it goes on growing, and the next line tries again */
    r = file_swap(l->path, text_str(&all), all.bytes, 0640, &err);
    if (r < 0) {
        cannot_write(l, r);
        return;
    }
    l->fd = fd_close(l->fd);
    file_open(l);
}

void
ledger_write(struct ledger *l, const json_t *line)
{
    char *bytes = l->fd >= 0 ? json_dumps(line, JSON_COMPACT) : NULL;
    size_t n = bytes ? strlen(bytes) : 0;
    ssize_t r;

    if (n > 0 && n < LEDGER_LINE) {
        bytes[n] = '\n'; /* in the place of the NUL: one write, so no line is half there */
        r = write(l->fd, bytes, n + 1);
        if (r != (ssize_t)n + 1)
            cannot_write(l, r == -1 ? -errno : -ENOSPC);
        if (r > 0)
            l->bytes += (size_t)r;
    }
    free(bytes);
    if (l->bytes > LEDGER_BYTES)
        file_rewrite(l);
}

/* ---- at the start ------------------------------------------------------------------------------- */

static void
take_line(struct ledger *l, const char *bytes, size_t n)
{
    json_t *line = json_loadb(bytes, n, 0, NULL);

    if (!line || !ledger_take(l, line, NULL))
        l->left_out++;
    json_decref(line);
}

void
ledger_read(struct ledger *l)
{
    auto_free char *data = NULL;
    struct error err = {0};
    size_t bytes = 0;
    int r = file_read(l->path, READ_MAX, &data, &bytes, &err);

    if (r < 0 && r != -ENOENT)
        say(l, "the history of leaks begins anew: %s", err.text);
    for (char *at = data; at && at < data + bytes;) {
        char *end = memchr(at, '\n', (size_t)(data + bytes - at));
        size_t n = end ? (size_t)(end - at) : (size_t)(data + bytes - at);

        if (n > 0)
            take_line(l, at, n);
        at += n + 1;
    }
    if (l->left_out > 0)
        say(l, "%s: %u lines make no sense and were left out", l->path, l->left_out);
    file_open(l);
    /* A last line that is torn would spoil the next one, too. */
    if (l->fd >= 0 && (l->left_out > 0 || l->bytes > LEDGER_BYTES || r == -EFBIG))
        file_rewrite(l);
}
