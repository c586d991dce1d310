/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any datagram a process of the worker's may send to its notify socket. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/io/notify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(int holds)
{
    if (!holds)
        abort();
}

static bool
says_anything(const struct notify_message *m)
{
    return m->ready || m->stopping || m->reloading || m->watchdog || m->barrier || m->fdstore ||
           m->has_status || m->has_extend || m->has_error || m->has_monotonic || m->main_pid != 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct notify_message m, again;
    const char *end;
    int r = notify_parse((const char *)data, n, &m);

    must(r == 0 || (r == -EBADMSG && !says_anything(&m) && m.unknown == 0));
    must(m.unknown + m.malformed <= n);
    must(m.main_pid == 0 || m.main_pid >= 2);
    must(m.error >= 0 && (m.has_error || m.error == 0));
    must((m.has_extend || m.extend_us == 0) && (m.has_monotonic || m.monotonic_us == 0));
    end = memchr(m.status, '\0', sizeof(m.status));
    must(end != NULL && (m.has_status || end == m.status));
    for (const char *s = m.status; s < end; s++)
        must((unsigned char)*s >= 0x20 && *s != 0x7f);
    must(notify_parse((const char *)data, n, &again) == r && memcmp(&m, &again, sizeof(m)) == 0);
    return 0;
}
