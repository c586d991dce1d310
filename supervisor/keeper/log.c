/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/keeper/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"

#define LINE_MAX_BYTES 2048 /* below PIPE_BUF: a line is written whole or not at all */
#define DAY_S          86400

/* UTC by hand (days since 1970 to a date, years that begin in March): gmtime_r() may allocate. */
static int
put_time(char *to, size_t room)
{
    int64_t ms = wall_now_us() / US_PER_MS;
    int64_t s = ms / 1000, days = s / DAY_S + 719468;
    int64_t era = days / 146097, of_era = days % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    int64_t day = of_year - (153 * month + 2) / 5 + 1;

    month += month < 10 ? 3 : -9;
    year += era * 400 + (month <= 2);
    s %= DAY_S;
    return snprintf(to, room, "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)year, (int)month,
                    (int)day, (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60), (int)(ms % 1000));
}

void
keeper_log(const char *level, const char *event, pid_t pid, const char *fmt, ...)
{
    struct pollfd err = {.fd = STDERR_FILENO, .events = POLLOUT};
    char line[LINE_MAX_BYTES];
    size_t n;
    va_list ap;

    n = (size_t)put_time(line, sizeof line);
    n += (size_t)snprintf(line + n, sizeof line - n, " level=%s event=%s ", level, event);
    if (pid > 0)
        n += (size_t)snprintf(line + n, sizeof line - n, "pid=%d ", (int)pid);
    va_start(ap, fmt);
    n += (size_t)vsnprintf(line + n, sizeof line - n, fmt, ap);
    va_end(ap);
    if (n > sizeof line - 1)
        n = sizeof line - 1;
    line[n++] = '\n';
    if (poll(&err, 1, 0) == 1 && (err.revents & POLLOUT)) {
        ssize_t written = write(STDERR_FILENO, line, n);

        (void)written; /* nobody to tell */
    }
}

const char *
keeper_quote(const char *s, char *buf, size_t room)
{
    size_t n = 0;

    buf[n++] = '"';
    for (; *s && n + 3 < room; s++) {
        if (*s == '"' || *s == '\\')
            buf[n++] = '\\';
        buf[n] = *s;
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            buf[n] = '?';
        n++;
    }
    buf[n++] = '"';
    buf[n] = '\0';
    return buf;
}

const char *
keeper_exit(int wait_status, char *buf, size_t room)
{
    if (WIFSIGNALED(wait_status)) {
        const char *abbrev = sigabbrev_np(WTERMSIG(wait_status));

        (void)snprintf(buf, room, "signal=SIG%s", abbrev ? abbrev : "?");
    } else {
        (void)snprintf(buf, room, "status=%d", WEXITSTATUS(wait_status));
    }
    return buf;
}
