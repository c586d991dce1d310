/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "harness_log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "harness.h"

#define BLOCKED_MS 250 /* a disk may take so long while others write; a name server takes seconds */

/* The master's log, as far as it was read. */
static struct {
    int fd;
    struct text all;
    size_t cursor;   /* scn_await() looks behind it */
    char line[8192]; /* the one found last */
} the_log = {.fd = -1};

void
log_open(int fd)
{
    the_log.fd = fd;
    the_log.cursor = 0;
    text_clear(&the_log.all);
}

void
log_close(void)
{
    the_log.fd = fd_close(the_log.fd);
    text_finish(&the_log.all);
}

void
log_dump(void)
{
    (void)fprintf(stderr, "---- the log of the master\n%s----\n", text_str(&the_log.all));
}

/* Take what is there, waiting for it at most until the deadline. Return: false: no more will come. */
bool
log_read(int64_t deadline_us)
{
    char buffer[16384];
    int64_t left_us = deadline_us - mono_now_us();
    struct pollfd p = {.fd = the_log.fd, .events = POLLIN};
    ssize_t n;

    if (the_log.fd < 0)
        return false;
    if (poll(&p, 1, left_us > 0 ? (int)(left_us / US_PER_MS) + 1 : 0) <= 0)
        return true;
    n = read(the_log.fd, buffer, sizeof(buffer));
    if (n > 0)
        text_addn(&the_log.all, buffer, (size_t)n);
    return n > 0 || (n == -1 && (errno == EAGAIN || errno == EINTR));
}

/* Take all that is there now. */
static void
log_drain(void)
{
    size_t before;

    do {
        before = the_log.all.bytes;
        (void)log_read(0);
    } while (the_log.all.bytes > before);
}

/* Is @word a whole field of the line? */
static bool
line_has_word(const char *line, size_t n, const char *word, size_t bytes)
{
    for (size_t i = 0; i + bytes <= n; i++) {
        bool begins = i == 0 || line[i - 1] == ' ';
        bool ends = i + bytes == n || line[i + bytes] == ' ';

        /* a word that ends in '=' or '*' is a prefix */
        if (word[bytes - 1] == '*' && begins && memcmp(line + i, word, bytes - 1) == 0)
            return true;
        if (begins && ends && memcmp(line + i, word, bytes) == 0)
            return true;
    }
    return false;
}

static bool
line_has(const char *line, size_t n, const char *words)
{
    while (*words) {
        size_t bytes = strcspn(words, " ");

        if (words[0] == '~') { /* ~text: anywhere in the line, '+' stands for a blank */
            char part[256];
            char *at;

            (void)snprintf(part, sizeof(part), "%.*s", (int)bytes - 1, words + 1);
            while ((at = strchr(part, '+')))
                *at = ' ';
            if (!memmem(line, n, part, strlen(part)))
                return false;
        } else if (!line_has_word(line, n, words, bytes)) {
            return false;
        }
        words += bytes + (words[bytes] == ' ');
    }
    return true;
}

/* The first line at or behind @from with these words; SIZE_MAX: none. */
static size_t
log_find(const char *words, size_t from, size_t *ret_end)
{
    const char *all = text_str(&the_log.all);

    while (from < the_log.all.bytes) {
        const char *end = memchr(all + from, '\n', the_log.all.bytes - from);

        if (!end)
            break;
        *ret_end = (size_t)(end - all) + 1;
        if (line_has(all + from, *ret_end - 1 - from, words))
            return from;
        from = *ret_end;
    }
    return SIZE_MAX;
}

static const char *
log_await(const char *words, size_t from, int timeout_ms)
{
    int64_t deadline_us = mono_now_us() + (int64_t)SCN_PATIENCE * timeout_ms * US_PER_MS;
    bool more = true;
    size_t end = 0;

    for (;;) {
        size_t at = log_find(words, from, &end);

        if (at == SIZE_MAX && end > from)
            from = end; /* whole lines were looked at: once is enough, logs get long */
        if (at != SIZE_MAX) {
            (void)snprintf(the_log.line, sizeof(the_log.line), "%.*s", (int)(end - at - 1),
                           text_str(&the_log.all) + at);
            the_log.cursor = end;
            return the_log.line;
        }
        if (!more || mono_now_us() > deadline_us)
            break;
        more = log_read(deadline_us);
    }
    log_dump();
    ck_abort_msg("within %d ms no line with: %s", SCN_PATIENCE * timeout_ms, words);
    return NULL;
}

const char *
scn_await(const char *words, int timeout_ms)
{
    return log_await(words, the_log.cursor, timeout_ms);
}

const char *
scn_await_any(const char *words, int timeout_ms)
{
    return log_await(words, 0, timeout_ms);
}

void
scn_rewind(void)
{
    the_log.cursor = 0;
}

void
scn_forget_log(void)
{
    the_log.fd = fd_close(the_log.fd);
}

const char *
scn_log(void)
{
    log_drain();
    return text_str(&the_log.all);
}

unsigned
scn_count(const char *words)
{
    unsigned count = 0;
    size_t from = 0, end = 0;

    log_drain();
    for (; log_find(words, from, &end) != SIZE_MAX; from = end)
        count++;
    return count;
}

void
scn_did_not_block(void)
{
    size_t from = 0, end = 0, at;

    log_drain();
    for (; (at = log_find("event=loop_stall", from, &end)) != SIZE_MAX; from = end) {
        const char *line = text_str(&the_log.all) + at;
        long took = 0, computed = 0;

        ck_assert_int_eq(sscanf(strstr(line, "took "), "took %ld ms, %ld", &took, &computed), 2);
        (void)fprintf(stderr, "%.*s\n", (int)(end - at - 1), line);
        ck_assert_int_lt(took - computed, BLOCKED_MS);
    }
}

bool
scn_before(const char *earlier, const char *later)
{
    size_t end, a = log_find(earlier, 0, &end), b = log_find(later, 0, &end);

    return a != SIZE_MAX && b != SIZE_MAX && a < b;
}

long
scn_field(const char *line, const char *name)
{
    char key[64];
    const char *at;

    (void)snprintf(key, sizeof(key), " %s=", name);
    at = strstr(line, key);
    return at ? strtol(at + strlen(key), NULL, 10) : -1;
}
