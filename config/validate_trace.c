/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the lines of a service tell of their trace. */
#include <string.h>

#include "config/load.h"

enum { KEY_NAME_MAX = 63 };

static void
validate_name(struct load *l, const struct entry *e, const char *key, const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    const struct node *trace = entry_node(l, e, "trace");
    const struct node *at = trace->kind == NODE_MAP ? node_get(trace, key) : NULL;

    if (!name)
        return;
    if (strlen(name) > KEY_NAME_MAX || name[strspn(name, allowed)] != '\0')
        (void)finding(&l->reader, at ? at : trace, NULL,
                      "'%s' wants the key that the program's lines have: letters, digits, '_', "
                      "'.' and '-', at most %d of them",
                      key, KEY_NAME_MAX);
    else if (e->spec->trace.format == TRACE_TEXT)
        (void)finding(&l->reader, at ? at : trace, NULL,
                      "'%s' has no meaning with 'format: text', where a traceparent has no key: "
                      "'format: logfmt' or 'json' knows keys",
                      key);
}

void
validate_trace(struct load *l, const struct entry *e)
{
    validate_name(l, e, "trace_id", e->spec->trace.trace_id);
    validate_name(l, e, "span_id", e->spec->trace.span_id);
}
