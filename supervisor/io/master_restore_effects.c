/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/pack.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/state.h"

/* What the core had decided and nobody knows to be done; save_effect() wrote it. */

/* Looks, checks, hooks, evidence, inspections and surveys died with those who made them: core_resume() asks again. */
static bool
worth_repeating(const struct effect *e)
{
    return e->type != FX_LOOK && e->type != FX_CHECK && e->type != FX_HOOK &&
           e->type != FX_EVIDENCE && e->type != FX_INSPECT && e->type != FX_SURVEY;
}

static int
restore_effect(void *env, uint64_t key, const void *bytes, size_t n)
{
    struct master *m = env;
    struct unpack in = UNPACK_INIT(bytes, n);
    struct effect *e = effects_add(&m->todo, (enum effect_type)unpack_most(&in, FX_RECORD));

    if (!e)
        return -ENOMEM;
    e->number = key;
    e->service = (uint32_t)unpack_u64(&in);
    e->generation = unpack_u64(&in);
    e->worker = unpack_u64(&in);
    e->snapshot = unpack_u64(&in);
    e->reload = unpack_u64(&in);
    e->settle_us = unpack_i64(&in);
    e->signo = (int)unpack_i64(&in);
    e->hook = (enum hook)unpack_most(&in, HOOK_COUNT - 1);
    e->deadline_us = unpack_i64(&in);
    unpack_chars(&in, e->text, sizeof(e->text));
    e->record = e->type == FX_RECORD ? calloc(1, sizeof(*e->record)) : NULL;
    if (e->record)
        record_unpack(&in, e->record);
    else if (e->type == FX_RECORD)
        return -ENOMEM;
    if (key > m->last_effect)
        m->last_effect = key;
    if (!unpack_done(&in))
        return -EBADMSG;
    if (!worth_repeating(e)) {
        state_drop(m->state, STATE_EFFECT, key);
        m->todo.n--;
    }
    return 0;
}

int
restore_effects(struct master *m, struct error *reterr)
{
    int r = state_each(m->state, STATE_EFFECT, restore_effect, m);

    m->restored_effect = m->last_effect;
    return r < 0 ? error_set(reterr, r, "an effect of the state") : 0;
}
