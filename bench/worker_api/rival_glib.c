/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One round of GLib's GCancellable. It has no tree, so no children. */
#include "bench/worker_api/measure.h"

#include <stdlib.h>
#include <unistd.h>

#include <gio/gio.h>
#include <gio/gunixinputstream.h>

#define MANY 10000

static volatile int sink; /* what was computed is wanted by somebody */

static void
nothing(GCancellable *cancellable, void *data)
{
    (void)cancellable;
    (void)data;
}

static void
cancel_next(GCancellable *cancellable, void *next)
{
    (void)cancellable;
    g_cancellable_cancel(next);
}

/* The nearest thing to 10,000 descendants: as many cancellables, each connected to the one above. */
static void
cancel_many(void)
{
    static GCancellable *many[MANY];
    static gulong ids[MANY];
    GCancellable *top = g_cancellable_new();

    for (int i = 0; i < MANY; i++) {
        many[i] = g_cancellable_new();
        ids[i] = g_cancellable_connect(top, G_CALLBACK(cancel_next), many[i], NULL);
    }
    MEASURE("cancel_10000", 1, g_cancellable_cancel(top));
    for (int i = 0; i < MANY; i++) {
        g_cancellable_disconnect(top, ids[i]);
        g_object_unref(many[i]);
    }
    g_object_unref(top);
}

/* A byte that is there, and the write of it. */
static void
reads(GCancellable *cancellable)
{
    int ends[2];
    char byte = 'x';
    GInputStream *stream;

    if (pipe(ends) != 0)
        exit(1);
    stream = g_unix_input_stream_new(ends[0], TRUE);
    MEASURE("read_pipe", 50000, {
        if (write(ends[1], &byte, 1) != 1 ||
            g_input_stream_read(stream, &byte, 1, cancellable, NULL) != 1)
            exit(1);
    });
    g_object_unref(stream);
    (void)close(ends[1]);
}

int
main(void)
{
    GCancellable *cancellable = g_cancellable_new();
    int found = 0;

    MEASURE("check", 20000000, found += g_cancellable_is_cancelled(cancellable));
    MEASURE("callback", 200000, {
        g_cancellable_disconnect(
            cancellable, g_cancellable_connect(cancellable, G_CALLBACK(nothing), NULL, NULL));
    });
    reads(cancellable);
    g_cancellable_cancel(cancellable);
    MEASURE("check_cancelled", 20000000, found += g_cancellable_is_cancelled(cancellable));
    MEASURE("source", 200000, g_object_unref(g_cancellable_new()));
    sink = found;
    g_object_unref(cancellable);
    cancel_many();
    cancel_many(); /* the first one is warm-up: the last line counts */
    return 0;
}
