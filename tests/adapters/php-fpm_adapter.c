/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>

#include "adapter.h"

static const char *const needs[] = {"php-fpm8.2", "nginx", NULL};
static const char *const ports[] = {"8080", "9000", NULL};

static const struct adapter php_fpm = {
    .name = "php-fpm",
    .example = "php-fpm",
    .service = "php",
    .needs = needs,
    .ports = ports,
    .edited = "php-fpm.conf",
    .good = "pm = static",
    .bad = "pm = sttic",
    .complaint = "invalid process manager (static, dynamic or ondemand)",
    .slow = "/slow",
    .loses_none = true, /* its clients are nginx's */
    .own = {"php-fpm8.2",  "-p", ".",      "-y", "php-fpm.conf"},
    .beside = { "nginx", "-p", ".", "-c", "nginx.conf",  "-e", "stderr", "-g", "daemon off;"},
    .own_signal = SIGUSR2,
    .own_stop = SIGQUIT,
    .own_words = "php-fpm, USR2",
};

adapter_program(php_fpm)
