/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a collector is sent: the keys of 'export' against each other. */
#include <string.h>

#include "config/load.h"

enum { HEADERS_BYTES_MAX = 8192 };

static size_t
headers_bytes(const struct export_spec *x)
{
    size_t n = 0;

    for (size_t i = 0; i < x->n_headers; i++)
        n += strlen(x->headers[i].name) + strlen(x->headers[i].value);
    return n;
}

void
validate_export(struct load *l, const struct node *root)
{
    const struct export_spec *x = &l->spec->export;
    const struct node *map = node_get(root, "export"), *at;

    if (!map || map->kind != NODE_MAP)
        return;
    if (!x->endpoint && !node_get(map, "endpoint"))
        (void)finding(&l->reader, map, NULL,
                      "'export' wants the 'endpoint' of a collector, such as "
                      "http://127.0.0.1:4318; leave 'export' out to send nothing");
    at = node_get(map, "ca_file");
    if (at && x->endpoint && strncmp(x->endpoint, "https://", 8) != 0)
        (void)finding(&l->reader, at, NULL,
                      "'ca_file' has a meaning for an endpoint of https:// only");
    if (headers_bytes(x) > HEADERS_BYTES_MAX)
        (void)finding(&l->reader, node_get(map, "headers"), NULL,
                      "'headers' are more than %d bytes together", HEADERS_BYTES_MAX);
    if (x->endpoint && !x->reloads && !x->spans && !x->logs)
        (void)finding(&l->reader, map, NULL,
                      "'export' sends nothing: 'reloads', 'spans' and 'logs' are all false");
}
