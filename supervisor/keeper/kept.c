/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/keeper/kept.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/fd.h"

static uint32_t
hash(const char *name)
{
    uint32_t h = 2166136261U; /* FNV-1a */

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619U;
    return h;
}

bool
kept_name_fits(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-");

    return n > 0 && n < KEEPER_NAME_MAX && name[n] == '\0';
}

bool
kept_begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

struct kept_entry *
kept_find(struct kept *k, const char *name)
{
    uint32_t h = hash(name);

    for (uint32_t i = 0; i < k->n; i++)
        if (k->hashes[i] == h && strcmp(k->entries[i].name, name) == 0)
            return &k->entries[i];
    return NULL;
}

int
kept_put(struct kept *k, const char *name, int fd, uint32_t given, struct kept_entry **ret)
{
    struct kept_entry *e = kept_find(k, name);

    if (!e && k->n >= k->room)
        return -ENFILE;
    if (e) {
        (void)fd_close(e->fd);
    } else {
        e = &k->entries[k->n];
        k->hashes[k->n++] = hash(name);
        memset(e->name, 0, sizeof e->name);
        memcpy(e->name, name, strlen(name));
    }
    e->fd = fd;
    e->given = given;
    e->mirror = MIRROR_NONE;
    *ret = e;
    return 0;
}

void
kept_drop(struct kept *k, struct kept_entry *e)
{
    uint32_t i = (uint32_t)(e - k->entries);
    uint32_t last = --k->n;

    (void)fd_close(e->fd);
    if (i != last) {
        k->entries[i] = k->entries[last];
        k->hashes[i] = k->hashes[last];
    }
    if (k->next > i) /* who moved here may not be given yet */
        k->next = i;
}

struct kept_entry *
kept_next_to_give(struct kept *k, uint32_t master)
{
    while (k->next < k->n && k->entries[k->next].given == master)
        k->next++;
    return k->next < k->n ? &k->entries[k->next] : NULL;
}

void
kept_rewind(struct kept *k)
{
    k->next = 0;
}
