/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/registry_toll.h"

#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "base/text.h"

#define NAMED_MAX 3

/* A string of unknown intent. */
static void
plain(char *to, size_t room, const char *from, size_t size)
{
    size_t n = strnlen(from, size < room ? size : room - 1);

    memcpy(to, from, n < room ? n : room - 1);
    to[n < room ? n : room - 1] = '\0';
    plain_text(to);
}

static void
tell(const struct registry_copy *copy, const struct stint_registry_slot *s, struct text *words)
{
    const struct stint_registry_table *t = &copy->header.sites;
    struct stint_registry_site site;
    char name[sizeof(s->name) + 1], file[sizeof(site.file) + 1];

    plain(name, sizeof(name), s->name, sizeof(s->name));
    text_addf(words, "%s`%s`", words->bytes > 0 ? ", " : "", name);
    if (s->birth_site == 0 || s->birth_site == STINT_SITE_UNKNOWN || s->birth_site > t->used) {
        text_add(words, s->state == STINT_SLOT_LIVE ? " had not ended" : " had ended");
        return;
    }
    memcpy(&site, copy->sites + (size_t)(s->birth_site - 1) * t->stride, sizeof(site));
    plain(file, sizeof(file), site.file, sizeof(site.file));
    text_addf(words, " of %s:%u %s", file, (unsigned)site.line,
              s->state == STINT_SLOT_LIVE ? "had not ended" : "had ended");
}

static bool
counts(const struct stint_registry_slot *s)
{
    if ((s->flags & (STINT_SLOT_MAIN | STINT_SLOT_EXEMPT | STINT_SLOT_PRELOAD)) != 0)
        return false;
    return s->state == STINT_SLOT_LIVE ||
           (s->state == STINT_SLOT_DONE && (s->flags & STINT_SLOT_JOINABLE) != 0);
}

void
registry_toll(const struct registry_copy *copy, struct registry_toll *ret, struct text *words)
{
    const struct stint_registry_header *h = &copy->header;

    *ret = (struct registry_toll){.untrusted = copy->untrusted || h->overflow > 0};
    for (uint32_t i = 0; i < h->slots.used; i++) {
        struct stint_registry_slot s;

        memcpy(&s, copy->slots + (size_t)i * h->slots.stride, sizeof(s));
        if (copy->after[i] % 2 != 0) { /* it died while it wrote that one */
            ret->untrusted = true;
            continue;
        }
        if (!counts(&s))
            continue;
        if (s.state == STINT_SLOT_LIVE)
            ret->live++;
        else
            ret->unjoined++;
        if (ret->live + ret->unjoined <= NAMED_MAX)
            tell(copy, &s, words);
    }
    if (ret->live + ret->unjoined > NAMED_MAX)
        text_addf(words, " and %u more", ret->live + ret->unjoined - NAMED_MAX);
}
