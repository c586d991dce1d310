/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: reading them with their caps, and the patterns that include more of them. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/load.h"
#include "config/schema.h"

/* About the pattern that named the file, or about the file when nobody included it. */
#define complain(l, from, name, ...)                           \
    ((from) ? finding(&(l)->reader, (from), NULL, __VA_ARGS__) \
            : finding_file(&(l)->reader, (name), __VA_ARGS__))

/* Takes over @source. */
static bool
source_keep(struct load *l, struct source *source)
{
    struct source **bigger = NULL;

    if (source)
        bigger = realloc(l->sources, (l->n_sources + 1) * sizeof(struct source *));
    if (!bigger) {
        source_destroy(source);
        (void)no_memory(&l->reader);
        return false;
    }
    l->sources = bigger;
    bigger[l->n_sources++] = source;
    return true;
}

static void
load_source(struct load *l, const struct source *source, const struct node *from)
{
    const struct node *root;

    l->bytes += source->n;
    if (l->bytes > YAML_INPUTS_MAX) {
        (void)complain(l, from, source->name, "all files together are larger than 4 MiB");
        return;
    }
    root = yaml_read(&l->reader, source);
    if (root)
        load_root(l, root);
}

void
load_bytes(struct load *l, const char *name, char *bytes, size_t n)
{
    struct source *source = source_create(name, "/", bytes, n);

    if (!source_keep(l, source))
        return;
    if (n > YAML_FILE_MAX)
        (void)finding_file(&l->reader, name, "it is larger than 1 MiB");
    else
        load_source(l, source, NULL);
}

/* A file that is being read already would never end; one that was read would clash with itself. */
static bool
seen_before(struct load *l, const char *real, const struct node *from)
{
    const struct source *s;
    auto_text struct text chain = TEXT_INIT;
    size_t i = 0;

    while (i < l->n_sources && (!l->sources[i]->real || strcmp(l->sources[i]->real, real) != 0))
        i++;
    if (i == l->n_sources)
        return false;
    text_add(&chain, l->sources[i]->name);
    for (s = from->source; s && s != l->sources[i]; s = s->included_by) {
        auto_text struct text inner = TEXT_INIT;

        text_addf(&inner, "%s → %s", s->name, text_str(&chain));
        text_clear(&chain);
        text_add(&chain, text_str(&inner));
    }
    if (s)
        (void)finding(&l->reader, from, NULL, "a file includes itself: %s → %s", s->name,
                      text_str(&chain));
    else
        (void)finding(&l->reader, from, NULL, "'%s' is included twice", l->sources[i]->name);
    return true;
}

static unsigned
depth_of(const struct source *s)
{
    unsigned depth = 0;

    for (; s; s = s->included_by)
        depth++;
    return depth; /* 1 for the main file */
}

static void
note_path(struct load *l, struct strv *to, const char *path)
{
    for (size_t i = 0; to && i < to->n; i++)
        if (strcmp(to->items[i], path) == 0)
            return;
    if (to && strv_add(to, path) < 0)
        (void)no_memory(&l->reader);
}

void
load_file(struct load *l, const char *name, const char *path, const struct node *from)
{
    auto_free char *bytes = NULL;
    auto_free char *real = realpath(path, NULL);
    struct error err = {0};
    struct source *source;
    size_t n = 0;
    int r;

    note_path(l, l->inputs, path);
    note_path(l, &l->spec->inputs, path);
    if (real && from && seen_before(l, real, from))
        return;
    if (from && l->n_sources > INCLUDE_FILES_MAX) {
        (void)finding(&l->reader, from, NULL, "more than %d files are included", INCLUDE_FILES_MAX);
        return;
    }
    if (from && depth_of(from->source) > INCLUDE_DEPTH_MAX) {
        (void)finding(&l->reader, from, NULL, "includes are more than %d deep", INCLUDE_DEPTH_MAX);
        return;
    }
    r = file_read(path, YAML_FILE_MAX, &bytes, &n, &err);
    if (r == -EFBIG)
        (void)complain(l, from, name, "'%s' is larger than 1 MiB", path);
    else if (r < 0)
        (void)complain(l, from, name, "%s", err.text);
    if (r < 0)
        return;
    source = source_create(name, path, steal(bytes), n);
    if (!source_keep(l, source))
        return;
    source->real = steal(real);
    source->included_by = from ? from->source : NULL;
    load_source(l, source, from);
}

/* Shown as the user would reach it: beside the name of the including file. */
static char *
name_beside(const struct source *s, const char *path)
{
    size_t directory = strlen(s->directory);
    const char *slash = strrchr(s->name, '/');
    char *name = NULL;

    if (strcmp(s->directory, "/") == 0 || strncmp(path, s->directory, directory) != 0 ||
        path[directory] != '/')
        return strdup(path);
    if (asprintf(&name, "%.*s%s", slash ? (int)(slash - s->name + 1) : 0, s->name,
                 path + directory + 1) < 0)
        return NULL;
    return name;
}

/* New files appear in these: the directory part of the pattern, or those that it matches. */
static void
note_directories(struct load *l, const char *pattern)
{
    auto_free char *directory = strdup(pattern);
    char *slash = directory ? strrchr(directory, '/') : NULL;
    glob_t found = {0};

    if (!slash) { /* an absolute pattern has one */
        (void)no_memory(&l->reader);
        return;
    }
    slash[slash == directory] = '\0';
    if (!strpbrk(directory, "*?[")) {
        note_path(l, &l->spec->directories, directory);
        return;
    }
    if (glob(directory, GLOB_ONLYDIR, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            note_path(l, &l->spec->directories, found.gl_pathv[i]);
    globfree(&found);
}

static void
include_pattern(struct load *l, const struct node *n)
{
    auto_free char *pattern = path_join(n->source->directory, n->text);
    glob_t found = {0};
    int r;

    if (!pattern) {
        (void)no_memory(&l->reader);
        return;
    }
    note_directories(l, pattern);
    if (!strpbrk(pattern, "*?[")) {
        auto_free char *name = name_beside(n->source, pattern);

        load_file(l, name ? name : pattern, pattern, n);
        return;
    }
    r = glob(pattern, 0, NULL, &found); /* sorted; no match is fine: a directory yet to be filled */
    if (r == GLOB_NOSPACE)
        (void)no_memory(&l->reader);
    else if (r == GLOB_ABORTED)
        (void)finding(&l->reader, n, NULL, "cannot look for '%s': %s", pattern, strerror(errno));
    for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
        auto_free char *name = name_beside(n->source, found.gl_pathv[i]);

        load_file(l, name ? name : found.gl_pathv[i], found.gl_pathv[i], n);
    }
    globfree(&found);
}

void
load_includes(struct load *l, const struct node *n)
{
    const struct key *k = schema_find(OBJECT_CONFIG, "include");

    if (n->kind != NODE_LIST) {
        (void)wrong_type(&l->reader, k, n);
        return;
    }
    if (l->in_memory) {
        (void)finding(&l->reader, n, NULL, "'include' needs a file to start from");
        return;
    }
    if (n->n > (size_t)k->max) {
        (void)finding(&l->reader, n, NULL, "'include' has %zu patterns: at most %d", n->n,
                      (int)k->max);
        return;
    }
    for (size_t i = 0; i < n->n; i++) {
        const struct node *item = n->items[i];

        if (item->kind != NODE_SCALAR || node_null(item))
            (void)finding(&l->reader, item, NULL, "'include' item %zu wants a pattern, not %s",
                          i + 1, node_kind_name(item));
        else if (item->text[0] == '\0')
            (void)finding(&l->reader, item, NULL, "'include' item %zu is empty", i + 1);
        else
            include_pattern(l, item);
    }
}
