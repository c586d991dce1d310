/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_EXPORTER_SETTINGS_H
#define STINT_EXPORTER_SETTINGS_H

/* How it is sent: supervisor/export/wire.h has its form, and a file of headers that is read anew each time. */
#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

struct error;

#define HEADERS_FILE_MAX ((size_t)16 << 10)

struct settings {
    char *endpoint, *headers_file, *ca_file, *host, *version; /* owned; NULL: none */
    struct strv headers;                                      /* "name: value" */
    long timeout_ms;
    bool gzip;
};

/* settings_read - Return: 0; -EINVAL: it is no such JSON; -ENOMEM. @ret: untouched then. */
int settings_read(const char *json, size_t n, struct settings *ret);
void settings_finish(struct settings *s);

/**
 * headers_read - the lines of @path: NAME: VALUE, empty ones, # comments.
 * @ret: appended to
 *
 * Return: 0 or negative errno with the sentence, which holds nothing of the file but the number of a line.
 */
int headers_read(const char *path, struct strv *ret, struct error *reterr);

#endif
