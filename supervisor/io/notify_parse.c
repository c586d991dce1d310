/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/io/notify.h"

struct value {
    const char *at;
    size_t n;
};

static bool
number_parse(struct value v, uint64_t max, uint64_t *ret)
{
    uint64_t sum = 0;

    if (v.n == 0)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        unsigned digit = (unsigned)(unsigned char)v.at[i] - '0';

        if (digit > 9 || sum > (max - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *ret = sum;
    return true;
}

static bool
is_one(struct value v)
{
    return v.n == 1 && v.at[0] == '1';
}

static bool
take_ready(struct value v, struct notify_message *m)
{
    m->ready = m->ready || is_one(v);
    return is_one(v);
}

static bool
take_stopping(struct value v, struct notify_message *m)
{
    m->stopping = m->stopping || is_one(v);
    return is_one(v);
}

static bool
take_reloading(struct value v, struct notify_message *m)
{
    m->reloading = m->reloading || is_one(v);
    return is_one(v);
}

static bool
take_watchdog(struct value v, struct notify_message *m)
{
    bool trigger = v.n == strlen("trigger") && memcmp(v.at, "trigger", v.n) == 0;

    /* "trigger" asks to be killed as if the watchdog had bitten: nothing here does that. */
    m->watchdog = m->watchdog || is_one(v);
    return is_one(v) || trigger;
}

static bool
take_barrier(struct value v, struct notify_message *m)
{
    m->barrier = m->barrier || is_one(v);
    return is_one(v);
}

static bool
take_fdstore(struct value v, struct notify_message *m)
{
    m->fdstore = m->fdstore || is_one(v);
    return is_one(v);
}

static bool
take_extend(struct value v, struct notify_message *m)
{
    if (!number_parse(v, UINT64_MAX, &m->extend_us))
        return false;
    m->has_extend = true;
    return true;
}

static bool
take_monotonic(struct value v, struct notify_message *m)
{
    if (!number_parse(v, UINT64_MAX, &m->monotonic_us))
        return false;
    m->has_monotonic = true;
    return true;
}

static bool
take_mainpid(struct value v, struct notify_message *m)
{
    uint64_t number;

    if (!number_parse(v, INT_MAX, &number) || number < 2)
        return false;
    m->main_pid = (pid_t)number;
    return true;
}

static bool
take_errno(struct value v, struct notify_message *m)
{
    uint64_t number;

    if (!number_parse(v, INT_MAX, &number))
        return false;
    m->error = (int)number;
    m->has_error = true;
    return true;
}

static bool
take_status(struct value v, struct notify_message *m)
{
    size_t n = v.n < NOTIFY_STATUS_MAX ? v.n : NOTIFY_STATUS_MAX - 1;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)v.at[i];
        bool control = c < ' ' || c == 0x7f;

        m->status[i] = v.at[i];
        if (control) /* it goes into log lines and onto terminals */
            m->status[i] = '?';
    }
    m->status[n] = '\0';
    m->has_status = true;
    return true;
}

static const struct key {
    const char *name;
    bool (*take)(struct value v, struct notify_message *m); /* false: malformed */
} keys[] = {
    {"READY",               take_ready    },
    {"STATUS",              take_status   },
    {"STOPPING",            take_stopping },
    {"RELOADING",           take_reloading},
    {"EXTEND_TIMEOUT_USEC", take_extend   },
    {"WATCHDOG",            take_watchdog },
    {"MAINPID",             take_mainpid  },
    {"ERRNO",               take_errno    },
    {"BARRIER",             take_barrier  },
    {"FDSTORE",             take_fdstore  },
    {"MONOTONIC_USEC",      take_monotonic},
};

/* Return: whether the line had the form KEY=VALUE, known or not. */
static bool
parse_line(const char *line, size_t n, struct notify_message *m)
{
    const char *equals = memchr(line, '=', n);
    size_t name = equals ? (size_t)(equals - line) : 0;
    struct value v = {line + name + 1, n - name - (equals ? 1 : 0)};

    if (name == 0 || memchr(line, '\0', n)) {
        m->malformed++;
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strlen(keys[i].name) != name || memcmp(keys[i].name, line, name) != 0)
            continue;
        if (!keys[i].take(v, m))
            m->malformed++;
        return true;
    }
    m->unknown++;
    return true;
}

int
notify_parse(const char *bytes, size_t n, struct notify_message *ret)
{
    bool understood = false;

    memset(ret, 0, sizeof *ret);
    while (n > 0) {
        const char *newline = memchr(bytes, '\n', n);
        size_t line = newline ? (size_t)(newline - bytes) : n;
        size_t step = newline ? line + 1 : line;

        if (line > 0 && parse_line(bytes, line, ret))
            understood = true;
        bytes += step;
        n -= step;
    }
    return understood ? 0 : -EBADMSG;
}
