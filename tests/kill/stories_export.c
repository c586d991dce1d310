/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "stories.h"
#include "tests/scenario/collector.h"

/*
 * A collector gets what happens: who dies over a row that is in the queue, or over one that was just sent, leaves it to
 * the next. None is lost; twice is what the last request may be.
 */
void
play_exported(void)
{
    static const char *const told[] = {
        "/v1/logs "
        "\n\"stringValue\":\"verdict\"\n\"stint.generation\",\"value\":{\"intValue\":\"2\"}",
        "/v1/logs "
        "\n\"stringValue\":\"certificate\"\n\"stint.generation\",\"value\":{\"intValue\":\"1\"}",
        "/v1/logs "
        "\n\"stringValue\":\"worker_ready\"\n\"stint.generation\",\"value\":{\"intValue\":\"2\"}",
    };
    char more[160];

    collector_open(0, COLLECTOR_TAKES);
    (void)snprintf(more, sizeof(more),
                   "export: {endpoint: 'http://127.0.0.1:%d', every: 100ms, logs: true}\n",
                   collector_port());
    web("ready", more);
    serve();
    cell_arm();
    reload();
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        collector_await(told[i], 15000);
}
