/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "worker-api/state.h"

/* What the calling thread declares about itself. */
static void
put_shield(struct stint_registry_slot *slot, int64_t until_us, uint32_t reason)
{
    if (!slot)
        return;
    stn_slot_begin(slot);
    STN_PUT(slot->shield_until_us, until_us);
    STN_PUT(slot->reason_site, reason);
    stn_slot_end(slot);
}

struct stint_token *
stint_shield(int64_t until_us, const char *reason)
{
    struct stint_token *apart = stint_token_detach(stint_current(), "shield");
    struct stint_token *token = apart ? stint_token_with_deadline(apart, reason, until_us) : NULL;
    struct stint_thread *self = stn_self;
    struct shield *shield = token && self ? malloc(sizeof(*shield)) : NULL;
    struct stint_registry_slot *slot = self ? self->slot : NULL;

    stint_token_unref(apart); /* the other holds it */
    if (!token || !self)
        return token;
    if (!shield) {
        stint_token_unref(token);
        return NULL;
    }
    *shield = (struct shield){.token = token,
                              .outer = self->shield,
                              .before_us = slot ? slot->shield_until_us : 0,
                              .before_reason = slot ? slot->reason_site : 0};
    self->shield = shield;
    if (until_us > shield->before_us)
        put_shield(slot, until_us, stn_site(STINT_SITE_REASON, reason, NULL, NULL, 0));
    return token;
}

static void
lower(struct stint_thread *self)
{
    struct shield *shield = self->shield;

    self->shield = shield->outer;
    put_shield(self->slot, shield->before_us, shield->before_reason);
    free(shield);
}

void
stint_unshield(struct stint_token *token)
{
    struct stint_thread *self = stn_self;
    const struct shield *at = self ? self->shield : NULL;

    if (!token)
        return;
    while (at && at->token != token)
        at = at->outer;
    while (at && self->shield != at) /* left behind inside by somebody who forgot */
        lower(self);
    if (at)
        lower(self);
    stint_token_unref(token);
}

void
stn_shields_end(struct stint_thread *thread)
{
    while (thread->shield)
        lower(thread);
}

static void
put_flag(struct stint_registry_slot *slot, uint16_t flag, bool set)
{
    STN_PUT(slot->flags, (uint16_t)(set ? slot->flags | flag : slot->flags & ~flag));
}

void
stint_thread_exempt(const char *reason, int64_t until_us)
{
    struct stint_registry_slot *slot = stn_self ? stn_self->slot : NULL;
    uint32_t site = stn_site(STINT_SITE_REASON, reason, NULL, NULL, 0);

    if (!slot)
        return;
    stn_slot_begin(slot);
    put_flag(slot, STINT_SLOT_EXEMPT, reason != NULL);
    STN_PUT(slot->exempt_until_us, reason ? until_us : 0);
    STN_PUT(slot->reason_site, site);
    stn_slot_end(slot);
}

void
stint_thread_vital(int64_t beat_every_us)
{
    struct stint_registry_slot *slot = stn_self ? stn_self->slot : NULL;

    if (!slot)
        return;
    if (beat_every_us >= 0)
        stn_slot_succeeds(stn_self);
    stn_slot_begin(slot);
    put_flag(slot, STINT_SLOT_VITAL, beat_every_us >= 0);
    STN_PUT(slot->vital_every_us, beat_every_us >= 0 ? beat_every_us : 0);
    stn_slot_end(slot);
}

void
stint_beat(void)
{
    struct stint_registry_slot *slot = stn_self ? stn_self->slot : NULL;

    if (slot)
        __atomic_store_n(&slot->beats, slot->beats + 1, __ATOMIC_RELAXED);
}
