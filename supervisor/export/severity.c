/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/export/severity.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define LOOKED_AT  4096 /* bytes of a line of keys and values */
#define NEAR_BEGIN 64   /* … of one that is just text */

struct word {
    const char *text;
    enum severity is;
};

static const struct word words[] = {
    {"trace",     SEVERITY_TRACE   },
    {"debug",     SEVERITY_DEBUG   },
    {"info",      SEVERITY_INFO    },
    {"notice",    SEVERITY_NOTICE  },
    {"warn",      SEVERITY_WARN    },
    {"warning",   SEVERITY_WARN    },
    {"err",       SEVERITY_ERROR   },
    {"error",     SEVERITY_ERROR   },
    {"crit",      SEVERITY_CRITICAL},
    {"critical",  SEVERITY_CRITICAL},
    {"alert",     SEVERITY_ALERT   },
    {"emerg",     SEVERITY_FATAL   },
    {"emergency", SEVERITY_FATAL   },
    {"panic",     SEVERITY_FATAL   },
    {"fatal",     SEVERITY_FATAL   },
};

enum severity
severity_of_word(const char *word, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i].text) == n && strncasecmp(words[i].text, word, n) == 0)
            return words[i].is;
    return SEVERITY_UNKNOWN;
}

const char *
severity_name(enum severity s)
{
    switch (s) {
    case SEVERITY_TRACE:
        return "TRACE";
    case SEVERITY_DEBUG:
        return "DEBUG";
    case SEVERITY_INFO:
        return "INFO";
    case SEVERITY_NOTICE:
        return "NOTICE";
    case SEVERITY_WARN:
        return "WARN";
    case SEVERITY_ERROR:
        return "ERROR";
    case SEVERITY_CRITICAL:
        return "CRITICAL";
    case SEVERITY_ALERT:
        return "ALERT";
    case SEVERITY_FATAL:
        return "FATAL";
    case SEVERITY_UNKNOWN:
        break;
    }
    return "";
}

/* <0> … <7> of syslog(3). */
static enum severity
of_priority(const char *line, size_t n)
{
    static const enum severity priorities[] = {SEVERITY_FATAL, SEVERITY_ALERT, SEVERITY_CRITICAL,
                                               SEVERITY_ERROR, SEVERITY_WARN,  SEVERITY_NOTICE,
                                               SEVERITY_INFO,  SEVERITY_DEBUG};

    if (n < 3 || line[0] != '<' || line[1] < '0' || line[1] > '7' || line[2] != '>')
        return SEVERITY_UNKNOWN;
    return priorities[line[1] - '0'];
}

static bool
names_level(const char *key, size_t n)
{
    static const char *const keys[] = {"level",     "severity", "lvl",     "levelname",
                                       "log.level", "loglevel", "priority"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strlen(keys[i]) == n && strncasecmp(keys[i], key, n) == 0)
            return true;
    return false;
}

/* pino and bunyan count 10 (trace) to 60 (fatal). */
static enum severity
of_number(json_int_t n)
{
    static const enum severity tens[] = {SEVERITY_TRACE, SEVERITY_DEBUG, SEVERITY_INFO,
                                         SEVERITY_WARN,  SEVERITY_ERROR, SEVERITY_FATAL};

    return n >= 10 && n <= 60 && n % 10 == 0 ? tens[n / 10 - 1] : SEVERITY_UNKNOWN;
}

static enum severity
of_object(const char *line, size_t n)
{
    json_t *object = json_loadb(line, n, JSON_ALLOW_NUL, NULL), *value;
    enum severity is = SEVERITY_UNKNOWN;
    const char *key;

    json_object_foreach(object, key, value)
    {
        if (is != SEVERITY_UNKNOWN || !names_level(key, strlen(key)))
            continue;
        is = json_is_string(value)
                 ? severity_of_word(json_string_value(value), json_string_length(value))
                 : of_number(json_integer_value(value));
    }
    json_decref(object);
    return is;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What stands in quotes is data. */
static size_t
after_quotes(const char *line, size_t n, size_t at)
{
    for (at++; at < n && line[at] != '"'; at++)
        if (line[at] == '\\')
            at++;
    return at + 1;
}

static enum severity
of_pairs(const char *line, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t key = at, value;

        while (at < n && !is_blank(line[at]) && line[at] != '=' && line[at] != '"')
            at++;
        if (at < n && line[at] == '"') {
            at = after_quotes(line, n, at);
            continue;
        }
        if (at == n || line[at] != '=' || !names_level(line + key, at - key)) {
            at++;
            continue;
        }
        value = ++at;
        if (value < n && line[value] == '"')
            value = ++at;
        while (at < n && !is_blank(line[at]) && line[at] != '"')
            at++;
        return severity_of_word(line + value, at - value);
    }
    return SEVERITY_UNKNOWN;
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A word of its own: "ERRORS" is none, nor is "error_log". */
static bool
bounds_word(char c)
{
    return !is_letter(c) && c != '_' && c != '-' && c != '.' && c != '/' && !(c >= '0' && c <= '9');
}

static enum severity
of_text(const char *line, size_t n)
{
    size_t end = n < NEAR_BEGIN ? n : NEAR_BEGIN;

    for (size_t at = 0; at < end;) {
        size_t begin = at;
        bool capitals = true;
        enum severity is;

        while (at < n && is_letter(line[at])) {
            capitals = capitals && line[at] >= 'A' && line[at] <= 'Z';
            at++;
        }
        if (at == begin) {
            at++;
            continue;
        }
        if ((begin > 0 && !bounds_word(line[begin - 1])) ||
            (at < n && !bounds_word(line[at]) && line[at] != '.'))
            continue;
        is = severity_of_word(line + begin, at - begin);
        if (is != SEVERITY_UNKNOWN &&
            (capitals || (begin > 0 && line[begin - 1] == '[' && at < n && line[at] == ']')))
            return is;
    }
    return SEVERITY_UNKNOWN;
}

enum severity
severity_of_line(const char *line, size_t n, size_t *ret_skip)
{
    enum severity is = of_priority(line, n);

    *ret_skip = is != SEVERITY_UNKNOWN ? 3 : 0;
    if (is != SEVERITY_UNKNOWN)
        return is;
    if (n > 0 && line[0] == '{')
        return of_object(line, n);
    is = of_pairs(line, n < LOOKED_AT ? n : LOOKED_AT);
    return is != SEVERITY_UNKNOWN ? is : of_text(line, n);
}
