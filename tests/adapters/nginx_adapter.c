/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>

#include "adapter.h"

static const char *const needs[] = {"nginx", NULL};
static const char *const ports[] = {"8080", NULL};

static const struct adapter nginx = {
    .name = "nginx",
    .example = "nginx",
    .service = "web",
    .needs = needs,
    .ports = ports,
    .edited = "nginx.conf",
    .good = "location",
    .bad = "loaction",
    .complaint = "unknown directive \\\"loaction\\\" in ./nginx.conf",
    .slow = "/slow",
    .handoffs = 30, /* they are quick, and what is lost at each is few or all */
    .own = {"nginx", "-p", ".", "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"},
    .own_signal = SIGHUP,
    .own_stop = SIGQUIT,
    .own_words = "nginx -s reload",
};

adapter_program(nginx)
