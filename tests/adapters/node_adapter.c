/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "adapter.h"

static const char *const needs[] = {"node", NULL};
static const char *const ports[] = {"8080", NULL};

static const struct adapter node = {
    .name = "node",
    .example = "node",
    .service = "web",
    .needs = needs,
    .ports = ports,
    .edited = "server.js",
    .good = "const release",
    .bad = "cosnt release",
    .complaint = "SyntaxError: Unexpected identifier",
    .slow = "/slow",
    .loses_none = true,
};

adapter_program(node)
