/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "worker-api/state.h"

/* Open addressing; index + 1 of a site, 0 = empty. Twice as many as there are sites: never full. */
#define BUCKETS (STINT_REGISTRY_SITES * 2u)

static uint16_t buckets[BUCKETS]; /* slots lock */

/*
 * What a caller got last time, by the addresses of its words: it mostly comes with the same. They may be another
 * library's by now, so the words themselves decide.
 */
#define MEMOS 64u
static uint16_t memos[MEMOS]; /* slots lock; index + 1, 0 = none */

/* FNV-1a by words: the whole site, which has no holes. */
static uint32_t
hash_of(const struct stint_registry_site *site)
{
    uint64_t words[sizeof(*site) / sizeof(uint64_t)], hash = 0xcbf29ce484222325u;

    memcpy(words, site, sizeof(words));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        hash = (hash ^ words[i]) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    return (uint32_t)(hash ^ hash >> 32);
}

/* The end of a path tells more than its beginning. */
static const char *
tail(const char *path, size_t size)
{
    size_t n = path ? strlen(path) : 0;

    return n < size ? path : path + n - (size - 1);
}

/* slots lock held. */
static uint32_t
add(const struct stint_registry_site *site, uint16_t *bucket)
{
    struct stint_registry_site *place;
    const size_t head = sizeof(uint64_t); /* kind, written last, and line */

    if (stn.sites == STINT_REGISTRY_SITES) {
        (void)__atomic_fetch_add(&stn.registry->overflow_sites, 1, __ATOMIC_RELAXED);
        return STINT_SITE_UNKNOWN;
    }
    place = stn_registry_site(stn.sites);
    stn_put_words((char *)place + head, (const char *)site + head, sizeof(*site) - head);
    STN_PUT(place->line, site->line);
    STN_PUT(place->kind, site->kind);
    *bucket = (uint16_t)++stn.sites;
    STN_PUT(stn.registry->sites.used, stn.sites);
    return stn.sites;
}

static uint32_t
find_or_add(const struct stint_registry_site *site)
{
    for (uint32_t i = hash_of(site);; i++) {
        uint16_t *bucket = &buckets[i % BUCKETS];

        if (*bucket == 0)
            return add(site, bucket);
        if (memcmp(stn_registry_site(*bucket - 1u), site, sizeof(*site)) == 0)
            return *bucket;
    }
}

static uint16_t *
memo_of(const char *text, const char *file, const char *function, unsigned line)
{
    uintptr_t h = (uintptr_t)text ^ (uintptr_t)file ^ (uintptr_t)function ^ line;

    return &memos[(h ^ h >> 6 ^ h >> 12) % MEMOS];
}

static bool
is_text(const char *kept, size_t size, const char *text)
{
    size_t n = text ? strnlen(text, size - 1) : 0;

    return memcmp(kept, text ? text : "", n) == 0 && kept[n] == '\0';
}

static bool
is_site(const struct stint_registry_site *kept, enum stint_site_kind kind, const char *text,
        const char *file, const char *function, unsigned line)
{
    return kept->kind == (uint32_t)kind && kept->line == line &&
           is_text(kept->text, sizeof(kept->text), text) &&
           is_text(kept->function, sizeof(kept->function), function) &&
           is_text(kept->file, sizeof(kept->file), tail(file, sizeof(kept->file)));
}

/* slots lock held. */
static uint32_t
find_by_words(enum stint_site_kind kind, const char *text, const char *file, const char *function,
              unsigned line)
{
    struct stint_registry_site site = {.kind = (uint32_t)kind, .line = line};

    stn_text_copy(site.text, sizeof(site.text), text);
    stn_text_copy(site.function, sizeof(site.function), function);
    stn_text_copy(site.file, sizeof(site.file), tail(file, sizeof(site.file)));
    return find_or_add(&site);
}

uint32_t
stn_site(enum stint_site_kind kind, const char *text, const char *file, const char *function,
         unsigned line)
{
    uint16_t *memo = memo_of(text, file, function, line);
    uint32_t found;

    if (!stn.registry || (!text && !file))
        return 0;
    stn_lock_take(&stn.slots);
    found = *memo;
    if (found == 0 || !is_site(stn_registry_site(found - 1), kind, text, file, function, line)) {
        found = find_by_words(kind, text, file, function, line);
        *memo = found <= STINT_REGISTRY_SITES ? (uint16_t)found : 0;
    }
    stn_lock_give(&stn.slots);
    return found;
}

const struct stint_registry_site *
stn_site_at(uint32_t site)
{
    return site > 0 && site <= STINT_REGISTRY_SITES && stn.registry ? stn_registry_site(site - 1)
                                                                    : NULL;
}

uint32_t
stint_site_intern(struct stint_site *site)
{
    uint32_t index = stn_site(STINT_SITE_WAIT, site->text, site->file, site->function, site->line);

    __atomic_store_n(&site->index, index, __ATOMIC_RELAXED); /* the same from whoever writes it */
    return index;
}
