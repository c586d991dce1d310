/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The logs of the services: each file is that of one service. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/load.h"

enum { LOG_FILE_MAX = 4000 }; /* with the stamp of a rotated one it is a path still */

/* Where @key of `log` is written; or `log` itself, or the name. */
static const struct node *
log_node(const struct load *l, const struct entry *e, const char *key)
{
    const struct node *log = entry_node(l, e, "log");
    const struct node *n = log->kind == NODE_MAP ? node_get(log, key) : NULL;

    return n ? n : log;
}

void
validate_log(struct load *l, const struct entry *e)
{
    const struct service_log *log = &e->spec->log;

    if (log->to != LOG_TO_FILE)
        return;
    if (!log->file)
        (void)finding(&l->reader, log_node(l, e, "to"), NULL,
                      "'log' of service '%s' wants the file: {to: file, file: PATH}",
                      e->spec->name);
    else if (strlen(log->file) > LOG_FILE_MAX)
        (void)finding(&l->reader, log_node(l, e, "file"), NULL, "'file' is longer than %d bytes",
                      LOG_FILE_MAX);
    else if (strpbrk(log->file, "{}"))
        (void)finding(&l->reader, log_node(l, e, "file"), NULL,
                      "'file' knows no placeholder but {service}: '%s'", log->file);
}

static int
by_file(const void *a, const void *b)
{
    const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;
    int order = strcmp(x->spec->log.file, y->spec->log.file);

    return order ? order : x < y ? -1 : 1; /* in one array: the first one stays first */
}

/* Two writers of one file would rotate it away from each other. */
void
validate_log_files(struct load *l)
{
    auto_free const struct entry **sorted = calloc(l->n_entries + 1, sizeof(struct entry *));
    size_t n = 0;

    if (!sorted) {
        (void)no_memory(&l->reader);
        return;
    }
    for (size_t i = 0; i < l->n_entries; i++) {
        const struct service_spec *s = l->entries[i].spec;

        if (s && s->log.to == LOG_TO_FILE && s->log.file)
            sorted[n++] = &l->entries[i];
    }
    qsort(sorted, n, sizeof(struct entry *), by_file);
    for (size_t i = 1; i < n; i++)
        if (strcmp(sorted[i - 1]->spec->log.file, sorted[i]->spec->log.file) == 0)
            (void)finding(&l->reader, log_node(l, sorted[i], "file"), NULL,
                          "'%s' is already the log of service '%s': each wants a file of its own, "
                          "such as one with {service} in its name",
                          sorted[i]->spec->log.file, sorted[i - 1]->spec->name);
}
