/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a worker can send us: frames of the channel and the bytes of its registry. The same input
 * is taken for both; neither may crash, read past its end, or let through what its contract rules out.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "supervisor/io/channel.h"
#include "supervisor/probe/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(int holds)
{
    if (!holds)
        abort();
}

static void
frame(const uint8_t *data, size_t n)
{
    struct wire_message m;
    struct error err = {0};
    int r = wire_decode(data, n, &m, &err);

    if (r < 0) {
        must(r == -EPROTO && err.text[0] != '\0');
        return;
    }
    must(n <= STINT_FRAME_MAX && m.frame.length + sizeof(m.frame) == n);
    if (m.frame.type == STINT_FRAME_CANCEL)
        must(memchr(m.cancel.text, '\0', sizeof(m.cancel.text)) != NULL);
}

static void
plain(const char *s, size_t room)
{
    const char *end = memchr(s, '\0', room);

    must(end != NULL);
    for (; s < end; s++)
        must((unsigned char)*s >= 0x20 && *s != 0x7f);
}

static void
registry(const uint8_t *data, size_t n)
{
    struct registry_view v;

    if (registry_parse(data, n, &v, NULL) < 0)
        return;
    must(v.n + v.done + v.torn <= v.slots);
    for (size_t i = 0; i < v.n; i++) {
        const struct registry_thread *t = &v.threads[i];

        must(t->tid >= 0 && t->creator_tid >= 0 && t->started_us >= 0 && t->cancelled_us >= 0);
        plain(t->name, sizeof(t->name));
        plain(t->file, sizeof(t->file));
        plain(t->function, sizeof(t->function));
        plain(t->creator_name, sizeof(t->creator_name));
        plain(t->token, sizeof(t->token));
        plain(t->wait_site, sizeof(t->wait_site));
        plain(t->trace_id, sizeof(t->trace_id));
        plain(t->reason, sizeof(t->reason));
    }
    registry_view_finish(&v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    frame(data, n);
    registry(data, n);
    return 0;
}
