/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/watch_paths.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "supervisor/io/watch.h"

#define LINKS_MAX 40 /* as the kernel */

static void
place_add(struct watch_places *p, const char *directory, const char *name, bool self)
{
    if (p->n == WATCH_PLACES_MAX) {
        p->crowded = true;
        return;
    }
    if (p->n == p->room) {
        size_t room = p->room ? p->room * 2 : 16;
        struct watch_place *bigger = reallocarray(p->items, room, sizeof(*bigger));

        if (!bigger) {
            p->failed = true;
            return;
        }
        p->items = bigger;
        p->room = room;
    }
    auto_free char *d = strdup(directory);
    auto_free char *n = name ? strdup(name) : NULL;

    if (!d || (name && !n)) {
        p->failed = true;
        return;
    }
    p->items[p->n++] = (struct watch_place){steal(d), steal(n), self};
}

/* A walk in progress: `at` is free of links, `rest` is still to be walked. */
struct walk {
    char at[PATH_MAX];
    char rest[PATH_MAX * 2];
};

/* step - cut the next component off `rest`. Return: its bytes; 0 = the walk is over. */
static size_t
step(struct walk *w, char name[NAME_MAX + 1])
{
    const char *p = w->rest + strspn(w->rest, "/");
    size_t n = strcspn(p, "/");

    if (n > NAME_MAX)
        n = NAME_MAX; /* such a name cannot exist: it will be missing */
    memcpy(name, p, n);
    name[n] = '\0';
    p += strcspn(p, "/");
    p += strspn(p, "/");
    memmove(w->rest, p, strlen(p) + 1);
    return n;
}

static void
up(char *at)
{
    char *slash = strrchr(at, '/');

    if (slash == at)
        slash++; /* the parent of /a, and of /, is / */
    *slash = '\0';
}

static bool
join(char out[PATH_MAX], const char *directory, const char *name)
{
    const char *slash = directory[1] == '\0' ? "" : "/"; /* absolute: 1 byte is the root */

    return (size_t)snprintf(out, PATH_MAX, "%s%s%s", directory, slash, name) < PATH_MAX;
}

/* follow - go on at a link's target. Return: false when the path would be too long. */
static bool
follow(struct walk *w, const char *target)
{
    char rest[sizeof(w->rest)];

    if ((size_t)snprintf(rest, sizeof(rest), "%s/%s", target, w->rest) >= sizeof(rest))
        return false;
    memcpy(w->rest, rest, strlen(rest) + 1);
    if (target[0] == '/')
        memcpy(w->at, "/", 2);
    return true;
}

/*
 * walk_path - note every place on the way.
 * Return: true when it ends at a directory; then its path is in w->at.
 */
static bool
walk_path(struct watch_places *p, const struct watch_files *files, struct walk *w, const char *path)
{
    char name[NAME_MAX + 1], full[PATH_MAX], target[PATH_MAX];
    int links = 0;

    memcpy(w->at, "/", 2);
    if ((size_t)snprintf(w->rest, sizeof(w->rest), "%s", path) >= PATH_MAX) {
        p->crowded = true;
        return false;
    }
    while (step(w, name) > 0) {
        if (strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0) {
            up(w->at);
            continue;
        }
        enum watch_kind kind = join(full, w->at, name)
                                   ? files->kind(files->env, full, target, sizeof(target))
                                   : WATCH_MISSING;

        if (kind != WATCH_DIRECTORY)
            place_add(p, w->at, name, false);
        if (kind == WATCH_MISSING || kind == WATCH_FILE)
            return false;
        if (kind == WATCH_DIRECTORY) {
            memcpy(w->at, full, strlen(full) + 1);
            place_add(p, w->at, NULL, true);
        } else if (++links > LINKS_MAX || !follow(w, target)) {
            return false;
        }
    }
    return true;
}

struct tree {
    struct watch_places *places;
    const struct watch_files *files;
    const char *directory;
};

static void tree_add(struct watch_places *p, const struct watch_files *files,
                     const char *directory);

static bool
on_entry(void *ctx, const char *name)
{
    const struct tree *t = ctx;
    char full[PATH_MAX], target[PATH_MAX];
    enum watch_kind kind = join(full, t->directory, name)
                               ? t->files->kind(t->files->env, full, target, sizeof(target))
                               : WATCH_MISSING;

    if (kind == WATCH_DIRECTORY) {
        tree_add(t->places, t->files, full);
    } else if (kind == WATCH_LINK) {
        struct walk w;

        (void)walk_path(t->places, t->files, &w, full); /* a link to a directory is not entered */
    }
    return !t->places->crowded && !t->places->failed;
}

/* tree_add - a directory and what is below; as deep as the directories allowed, no deeper. */
static void
tree_add(struct watch_places *p, const struct watch_files *files, const char *directory)
{
    struct tree t = {p, files, directory};

    if (p->trees == WATCH_TREE_MAX) {
        p->crowded = true;
        return;
    }
    p->trees++;
    place_add(p, directory, NULL, false);
    files->list(files->env, directory, on_entry, &t);
}

void
watch_places_add(struct watch_places *p, const struct watch_files *files, const char *path)
{
    struct walk w;

    if (walk_path(p, files, &w, path))
        tree_add(p, files, w.at);
}

static int
rank(const struct watch_place *p)
{
    return p->name ? 1 : p->self ? 2 : 0;
}

/* What needs the entries of a directory comes first: then its watch need not be widened after. */
static int
by_place(const void *a, const void *b)
{
    const struct watch_place *x = a, *y = b;
    int r = strcmp(x->directory, y->directory);

    if (r == 0)
        r = rank(x) - rank(y);
    return r != 0 || !x->name ? r : strcmp(x->name, y->name);
}

void
watch_places_sort(struct watch_places *p)
{
    size_t kept = 0;

    if (p->n == 0)
        return;
    qsort(p->items, p->n, sizeof(*p->items), by_place);
    for (size_t i = 1; i < p->n; i++) {
        if (by_place(&p->items[kept], &p->items[i]) == 0) {
            free(p->items[i].directory);
            free(p->items[i].name);
        } else {
            p->items[++kept] = p->items[i];
        }
    }
    p->n = kept + 1;
}

bool
watch_places_equal(const struct watch_places *a, const struct watch_places *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (by_place(&a->items[i], &b->items[i]) != 0)
            return false;
    return true;
}

void
watch_places_finish(struct watch_places *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->items[i].directory);
        free(p->items[i].name);
    }
    free(p->items);
    *p = (struct watch_places){0};
}

static enum watch_kind
real_kind(void *env, const char *path, char *target, size_t room)
{
    struct stat st;
    ssize_t n;

    (void)env;
    if (lstat(path, &st) == -1)
        return WATCH_MISSING; /* or out of reach, which is the same to us */
    if (S_ISDIR(st.st_mode))
        return WATCH_DIRECTORY;
    if (!S_ISLNK(st.st_mode))
        return WATCH_FILE;
    n = readlink(path, target, room - 1);
    if (n <= 0)
        return WATCH_MISSING;
    target[n] = '\0';
    return WATCH_LINK;
}

static void
real_list(void *env, const char *path, bool (*each)(void *ctx, const char *name), void *ctx)
{
    DIR *d = opendir(path);

    (void)env;
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) /* NOLINT(concurrency-mt-unsafe): a DIR of our own */
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && !each(ctx, e->d_name))
            break;
    (void)closedir(d); /* only reads were done */
}

const struct watch_files watch_files_real = {real_kind, real_list, NULL};
