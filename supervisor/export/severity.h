/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_EXPORT_SEVERITY_H
#define STINT_EXPORT_SEVERITY_H

/* How bad a line is, where it says so itself. Pure; the work for a line is bounded. */
#include <stddef.h>

enum severity {
    SEVERITY_UNKNOWN = 0, /* the numbers of OTLP */
    SEVERITY_TRACE = 1,
    SEVERITY_DEBUG = 5,
    SEVERITY_INFO = 9,
    SEVERITY_NOTICE = 10,
    SEVERITY_WARN = 13,
    SEVERITY_ERROR = 17,
    SEVERITY_CRITICAL = 18,
    SEVERITY_ALERT = 19,
    SEVERITY_FATAL = 21
};

/* severity_of_word - "info", "WARNING", "err" …, in any case. */
enum severity severity_of_word(const char *word, size_t n);

/**
 * severity_of_line - as loggers write it:
 *
 *     <3>text                             the priority of syslog, as journald reads it
 *     {"level":"error", …}                or severity, lvl, levelname, log.level; also pino's numbers
 *     ts=… level=warn msg="…"             logfmt
 *     2026-01-31 12:00:00 [error] text    a word in brackets, or in capitals, near the beginning
 *
 * @ret_skip: bytes at its beginning that are not part of the text: those of "<3>"
 */
enum severity severity_of_line(const char *line, size_t n, size_t *ret_skip);

const char *severity_name(enum severity s); /* "INFO"; "" when it is not known */

#endif
