/* SPDX-License-Identifier: MIT */
#ifndef WEB_SERVE_H
#define WEB_SERVE_H

#include <stdint.h>

#include "examples/web/config.h"

/* What all serving threads share; written before they start. */
struct site {
    const struct config *config; /* borrowed */
    char head[256];              /* status line and headers up to Connection */
    char body[512];
    size_t body_bytes;
};

void site_init(struct site *site, const struct config *config);

/* serve - a thread's whole life: accept and answer until its token is cancelled, then as a lame duck
 * until its last connection has gone. @arg: struct site. */
void serve(void *arg);

#endif
