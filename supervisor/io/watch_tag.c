/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/watch_tag.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/io/watch_identity.h"

#define ARM_TRIES 4 /* for a path that changes while it is being watched */

static void
paths_free(char **paths, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(paths[i]);
    free(paths);
}

int
tag_set(struct watch_tag *t, const char *const *paths, size_t n)
{
    char **copy = calloc(n + 1, sizeof(*copy));

    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = strdup(paths[i]);
        if (!copy[i]) {
            paths_free(copy, i);
            copy = NULL;
        }
    }
    if (!copy)
        return -ENOMEM;
    paths_free(t->paths, t->n_paths);
    t->paths = copy;
    t->n_paths = n;
    return 0;
}

int
tag_create(uint32_t id, const char *const *paths, size_t n, struct watch_tag **ret)
{
    auto_free struct watch_tag *t = calloc(1, sizeof(*t));

    if (!t || tag_set(t, paths, n) < 0)
        return -ENOMEM;
    t->id = id;
    list_init(&t->node);
    *ret = steal(t);
    return 0;
}

static void
tag_disarm(struct watch_tag *t)
{
    for (size_t i = 0; t->needs && i < t->places.n; i++)
        list_del(&t->needs[i].in_dir);
    free(t->needs);
    t->needs = NULL;
    watch_places_finish(&t->places);
}

void
tag_destroy(struct watch_tag *t)
{
    tag_disarm(t);
    paths_free(t->paths, t->n_paths);
    free(t->hint);
    list_del(&t->node);
    free(t);
}

void
tag_hint(struct watch_tag *t, const struct watch_dir *dir, const char *name)
{
    if (t->hinted)
        return;
    t->hinted = true;
    if (dir && asprintf(&t->hint, "%s%s%s", dir->path, *name ? "/" : "", name) == -1)
        t->hint = NULL; /* the name is for people, the hint counts */
}

static void
places_of(const struct watch_tag *t, struct watch_places *p)
{
    *p = (struct watch_places){0};
    for (size_t i = 0; i < t->n_paths; i++)
        watch_places_add(p, &watch_files_real, t->paths[i]);
    watch_places_sort(p);
}

/*
 * tag_take - need exactly @p from now on; what is needed before and after stays watched throughout.
 * Return: NULL, or why not everything could be watched.
 */
static const char *
tag_take(struct watch_tag *t, struct watch_dirs *dirs, struct watch_places *p)
{
    struct watch_need *needs = calloc(p->n + 1, sizeof(*needs));
    const char *why = p->crowded ? "too many directories" : p->failed ? "out of memory" : NULL;
    bool remote = false;

    if (!needs)
        return "out of memory";
    for (size_t i = 0; i < p->n; i++) {
        needs[i] =
            (struct watch_need){.tag = t, .name = p->items[i].name, .self = p->items[i].self};
        list_init(&needs[i].in_dir);
        int r = dirs_need(dirs, &p->items[i], &needs[i], &remote);

        if (r == -ENOSPC)
            why = "no inotify watch is left (fs.inotify.max_user_watches)";
        else if (r < 0 && r != -ENOENT && r != -ENOTDIR) /* gone again: the second walk sees it */
            why = strerrordesc_np(-r);
    }
    tag_disarm(t);
    t->needs = needs;
    t->places = *p;
    *p = (struct watch_places){0};
    if (!why && remote)
        why = "a network or user-space file system may change without an event";
    return why;
}

/*
 * Watch, then walk again: what changed in between is seen either by the watch or by the second
 * walk. A directory that went away and came back under its name is another inode: the watch on the
 * old one says so.
 */
bool
tag_arm(struct watch_tag *t, struct watch_dirs *dirs, const char *broken)
{
    struct watch_places now;
    const char *why = NULL;
    bool stable = false;

    t->again = false;
    places_of(t, &now);
    for (int i = 0; i < ARM_TRIES && !stable; i++) {
        why = tag_take(t, dirs, &now);
        watch_places_finish(&now);
        places_of(t, &now);
        stable = watch_places_equal(&now, &t->places);
    }
    watch_places_finish(&now);
    if (broken[0] != '\0')
        why = broken;
    t->polled = why != NULL;
    (void)snprintf(t->mode, sizeof(t->mode), why ? "polling: %s" : "inotify", why);
    if (why)
        t->identity = watch_identity(t->paths, t->n_paths);
    if (!stable) {
        t->again = true;
        tag_hint(t, NULL, NULL);
    }
    return stable;
}

bool
tag_moved(struct watch_tag *t)
{
    struct digest now = watch_identity(t->paths, t->n_paths);
    bool moved = !digest_equal(now, t->identity);

    t->identity = now;
    return moved;
}
