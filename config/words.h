/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CONFIG_WORDS_H
#define STINT_CONFIG_WORDS_H

/* Private to config/: what key.arg of a `word` names; the words stand in types_scalar.c. */
enum words {
    WORDS_LOG_FORMAT,
    WORDS_LOG_LEVEL,
    WORDS_HANDOFF,
    WORDS_FALLBACK,
    WORDS_CGROUP,
    WORDS_TYPE,
    WORDS_LOG_TO,
    WORDS_LOG_LINES,
    WORDS_TRACE,
    WORDS_COUNT
};

enum { UNIX_ONLY = 1 }; /* key.arg in a listener: has a meaning for unix sockets only */

#endif
