/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/keeper/environ.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static const char *const private_names[] = {
    "NOTIFY_SOCKET",  "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS",        "LISTEN_PID",
    "LISTEN_FDNAMES", "FDSTORE",       ENVIRON_IMAGE,  "STINT_FDSTORE_MAX",
};

static bool
is_called(const char *entry, const char *name)
{
    size_t n = strlen(name);

    return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

const char *
environ_get(const char *name)
{
    for (char **e = environ; e && *e; e++)
        if (is_called(*e, name))
            return *e + strlen(name) + 1;
    return NULL;
}

int64_t
environ_number(const char *name, int64_t otherwise)
{
    const char *text = environ_get(name);
    char *end;
    long long v;

    if (!text || *text < '0' || *text > '9')
        return otherwise;
    errno = 0;
    v = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' ? v : otherwise;
}

void
environ_strip(void)
{
    char **to = environ;

    for (char **e = environ; e && *e; e++) {
        bool keep = true;

        for (size_t i = 0; i < ARRAY_LEN(private_names); i++)
            keep = keep && !is_called(*e, private_names[i]);
        if (keep)
            *to++ = *e;
    }
    if (to)
        *to = NULL;
}

char **
environ_with(char *entry)
{
    static char *made[ENVIRON_MAX + 2];
    size_t n = 0;

    for (char **e = environ; e && *e; e++) {
        if (is_called(*e, ENVIRON_IMAGE))
            continue;
        if (n == ENVIRON_MAX)
            return NULL;
        made[n++] = *e;
    }
    made[n++] = entry;
    made[n] = NULL;
    return made;
}
