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
claim(const struct registry_thread *t, size_t n_scopes)
{
    const struct claim *c = &t->claim;

    must(t->tid >= 0 && c->creator_tid >= 0 && c->started_us >= 0 && c->cancelled_us >= 0 &&
         c->grace_us >= 0 && c->shield_until_us >= 0 && c->exempt_until_us >= 0 &&
         c->vital_every_us >= -1 && c->scope_index < n_scopes);
    plain(c->name, sizeof(c->name));
    plain(c->creator_name, sizeof(c->creator_name));
    plain(c->token, sizeof(c->token));
    plain(c->creator_file, sizeof(c->creator_file));
    plain(c->creator_function, sizeof(c->creator_function));
    plain(c->scope, sizeof(c->scope));
    plain(c->cause_text, sizeof(c->cause_text));
    plain(c->cause_who, sizeof(c->cause_who));
    plain(c->reason, sizeof(c->reason));
    plain(c->trace_id, sizeof(c->trace_id));
    plain(c->wait_text, sizeof(c->wait_text));
    plain(c->wait_file, sizeof(c->wait_file));
}

static void
registry(const uint8_t *data, size_t n)
{
    struct registry_copy copy = {0};
    struct registry_view v;

    if (registry_copy_bytes(data, n, &copy, NULL) == 0 && registry_parse(&copy, &v, NULL) == 0) {
        must(v.n + v.n_ended + v.torn <= v.slots && v.n_scopes >= 1);
        for (size_t i = 0; i < v.n; i++)
            claim(&v.threads[i], v.n_scopes);
        for (size_t i = 0; i < v.n_ended; i++)
            claim(&v.ended[i], v.n_scopes);
        for (size_t i = 0; i < v.n_scopes; i++)
            plain(v.scopes[i].path, sizeof(v.scopes[i].path));
        registry_view_finish(&v);
    }
    registry_copy_finish(&copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    frame(data, n);
    registry(data, n);
    return 0;
}
