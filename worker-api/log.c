/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "worker-api/state.h"

/* One line, built on the stack and written at once. Nothing here but vsnprintf() is not AS-safe. */
#define LINE_MAX_ PIPE_BUF
#define TAIL_ROOM 16 /* for the end of the line, and the mark of one that was cut */

struct line {
    char text[LINE_MAX_];
    size_t used;
    bool cut, json;
};

static int log_fd = STDERR_FILENO; /* written before there are threads, as the next */
static enum stint_log_form log_form = STINT_LOG_LOGFMT;

void
stint_log_to(int fd, enum stint_log_form form)
{
    log_fd = fd;
    log_form = form;
}

static void
put(struct line *l, const char *bytes, size_t n)
{
    if (l->cut || l->used + n > sizeof(l->text) - TAIL_ROOM) {
        l->cut = true;
        return;
    }
    memcpy(l->text + l->used, bytes, n);
    l->used += n;
}

static void
put_text(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

static void
put_key(struct line *l, const char *key)
{
    put_text(l, l->json ? l->used == 0 ? "{\"" : ",\"" : l->used == 0 ? "" : " ");
    put_text(l, key);
    put_text(l, l->json ? "\":" : "=");
}

/* Where @bytes could be broken when it is cut: never within a character of UTF-8. */
static size_t
character(const char *at)
{
    unsigned char first = (unsigned char)*at;
    size_t n = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    for (size_t i = 1; i < n; i++)
        if (((unsigned char)at[i] & 0xc0) != 0x80) /* a NUL is none, either */
            return i;
    return n;
}

static void
put_escaped(struct line *l, const char *at)
{
    static const char hex[] = "0123456789abcdef";

    while (*at && !l->cut) {
        unsigned char c = (unsigned char)*at;
        char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

        if (c == '"' || c == '\\') {
            escape[1] = *at;
            put(l, escape, 2);
            at++;
        } else if (c == '\n' || c == '\t') {
            escape[1] = c == '\n' ? 'n' : 't';
            put(l, escape, 2);
            at++;
        } else if (c < ' ' || c == 0x7f) {
            put(l, escape, sizeof(escape));
            at++;
        } else {
            size_t n = character(at);

            put(l, at, n);
            at += n;
        }
    }
}

static bool
is_bare(const char *text)
{
    if (!*text)
        return false;
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == '"' || *text == '=' || *text == '\\' ||
            *text == 0x7f)
            return false;
    return true;
}

static void
put_field(struct line *l, const char *key, const char *value)
{
    bool bare = !l->json && is_bare(value);

    put_key(l, key);
    if (!bare)
        put_text(l, "\"");
    put_escaped(l, value);
    if (!bare)
        put_text(l, "\"");
}

static char *
digits(char *end, uint64_t number, int width)
{
    do {
        *--end = (char)('0' + number % 10);
        number /= 10;
    } while (--width > 0 || number > 0);
    return end;
}

/* RFC 3339 in UTC; gmtime() takes a lock. Days are counted in years that begin in March. */
static void
put_time(struct line *l)
{
    char text[] = "0000-00-00T00:00:00.000000Z";
    struct timespec now = {0};
    int64_t days, z, era, in_era, year, day, month;
    uint64_t seconds;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail: the clock exists */
    days = now.tv_sec / 86400;
    seconds = (uint64_t)now.tv_sec % 86400;
    z = days + 719468;
    era = z / 146097;
    in_era = z - era * 146097;
    year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    day = in_era - (365 * year + year / 4 - year / 100);
    month = (5 * day + 2) / 153;
    day -= (153 * month + 2) / 5 - 1;
    month += month < 10 ? 3 : -9;
    year += era * 400 + (month <= 2);
    (void)digits(text + 4, (uint64_t)year, 4);
    (void)digits(text + 7, (uint64_t)month, 2);
    (void)digits(text + 10, (uint64_t)day, 2);
    (void)digits(text + 13, seconds / 3600, 2);
    (void)digits(text + 16, seconds / 60 % 60, 2);
    (void)digits(text + 19, seconds % 60, 2);
    (void)digits(text + 26, (uint64_t)now.tv_nsec / 1000, 6);
    put_field(l, "time", text);
}

static void
put_trace(struct line *l, const struct token *token)
{
    struct context context;
    const char *reason = stn_context(token, &context);
    char hex[33];

    if (reason) {
        put_field(l, "trace", "none");
        put_field(l, "reason", reason);
        return;
    }
    stn_hex(hex, context.trace->trace_id, sizeof(context.trace->trace_id));
    put_field(l, "trace_id", hex);
    stn_hex(hex, context.span, 8);
    put_field(l, "span_id", hex);
}

static void
put_thread(struct line *l)
{
    char name[STINT_NAME_MAX], number[24] = "";
    uint64_t tid = stn_self ? __atomic_load_n(&stn_self->tid, __ATOMIC_RELAXED)
                            : (uint64_t)syscall(SYS_gettid);

    stn_thread_name(name);
    put_field(l, "thread", name);
    put_key(l, "tid");
    put_text(l, digits(number + sizeof(number) - 1, tid, 1));
}

static int
finish(struct line *l)
{
    const char *end = l->json ? l->cut ? "…\"}\n" : "\"}\n" : l->cut ? "…\"\n" : "\"\n";
    size_t n = strlen(end);
    int state, r;

    memcpy(l->text + l->used, end, n); /* TAIL_ROOM is for it */
    l->used += n;
    state = stn_cancel_hold();
    do
        r = write(log_fd, l->text, l->used) == -1 ? -errno : 0;
    while (r == -EINTR);
    stn_cancel_let(state);
    return r;
}

static int
write_line(const struct token *token, enum stint_log_level level, const char *text)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    struct line l; /* the text of it is not to be zeroed */
    int saved = errno, r;

    l.used = 0;
    l.cut = false;
    l.json = log_form == STINT_LOG_JSON;
    stn_here();
    put_time(&l);
    put_field(&l, "level", (unsigned)level < 4 ? names[level] : "info");
    put_trace(&l, token);
    put_thread(&l);
    put_key(&l, "msg");
    put_text(&l, "\"");
    put_escaped(&l, text);
    r = finish(&l);
    errno = saved;
    return r;
}

__attribute__((format(printf, 3, 0))) static int
log_with(struct stint_token *token, enum stint_log_level level, const char *format, va_list ap)
{
    char text[LINE_MAX_];

    if (vsnprintf(text, sizeof(text), format, ap) < 0)
        return -errno;
    return write_line(token_of(token), level, text);
}

int
stint_log(enum stint_log_level level, const char *format, ...)
{
    va_list ap;
    int r;

    va_start(ap, format);
    r = log_with(NULL, level, format, ap);
    va_end(ap);
    return r;
}

int
stint_log_for(struct stint_token *token, enum stint_log_level level, const char *format, ...)
{
    va_list ap;
    int r;

    va_start(ap, format);
    r = log_with(token, level, format, ap);
    va_end(ap);
    return r;
}

int
stint_log_signal(enum stint_log_level level, const char *text)
{
    return write_line(NULL, level, text);
}
