/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>

#include "adapter.h"

static const char *const needs[] = {"haproxy", NULL};
static const char *const ports[] = {"8080", NULL};

static const struct adapter haproxy = {
    .name = "haproxy",
    .example = "haproxy",
    .service = "web",
    .needs = needs,
    .ports = ports,
    .edited = "haproxy.cfg",
    .good = "frontend",
    .bad = "frntend",
    .complaint = "unknown keyword 'frntend' in 'defaults' section",
    .slow = "/slow",
    .loses_none = true, /* idle-close-on-response */
    .own = {"env", "LISTEN=127.0.0.1:%u", "haproxy", "-W", "-f", "haproxy.cfg"},
    .own_signal = SIGUSR2,
    .own_stop = SIGTERM,
    .own_deaf_ms = 400, /* its master, while it still executes itself for the reload before */
    .own_words = "haproxy -W, USR2",
};

adapter_program(haproxy)
