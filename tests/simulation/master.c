/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/simulation/master.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "base/mem.h"
#include "supervisor/core/image.h"
#include "tests/simulation/simulation.h"

#define DIES_PER_MILLE 20
#define REREAD_PERCENT 4 /* of the steps: each restores a whole core */

void
master_init(struct master *m, uint64_t seed, unsigned percent)
{
    memset(m, 0, sizeof(*m));
    m->fate.state = random_mix(seed + 2);
    m->mortal = random_chance(&m->fate, percent);
}

void
master_finish(struct master *m)
{
    struct memory *mem = &m->memory;

    for (size_t i = 0; i < mem->n_services; i++)
        text_finish(&mem->services[i].image);
    for (size_t i = 0; i < mem->n_pending; i++)
        free(mem->pending[i].effect.record);
    for (size_t i = 0; i < mem->n_specs; i++)
        service_spec_unref(mem->specs[i]);
    free(mem->services);
    free(mem->pending);
    free(mem->specs);
    text_finish(&mem->core);
    text_finish(&mem->scratch);
}

enum death
master_fate(struct simulation *sim)
{
    struct random *fate = &sim->master.fate;

    if (!sim->master.mortal || sim->world.calm || random_below(fate, 1000) >= DIES_PER_MILLE)
        return DEATH_NONE;
    return (enum death)random_between(fate, DEATH_BEFORE_STEP, DEATH_BEFORE_CONSUME);
}

/* room_for - one more item in a growing array. */
static void *
room_for(void *items, size_t n, size_t *room, size_t bytes)
{
    if (n < *room)
        return items;
    *room = *room > 0 ? *room * 2 : 16;
    items = realloc(items, *room * bytes);
    if (!items)
        abort();
    return items;
}

/* ---- specs by number ------------------------------------------------------------------------- */

static uint64_t
spec_number(void *env, struct service_spec *spec)
{
    struct memory *mem = env;

    for (size_t i = mem->n_specs; i > 0; i--)
        if (mem->specs[i - 1] == spec)
            return i;
    mem->specs =
        room_for(mem->specs, mem->n_specs, &mem->specs_room, sizeof(struct service_spec *));
    mem->specs[mem->n_specs++] = service_spec_ref(spec);
    return mem->n_specs;
}

static struct service_spec *
spec_of_number(void *env, uint64_t number)
{
    const struct memory *mem = env;

    return number > 0 && number <= mem->n_specs ? service_spec_ref(mem->specs[number - 1]) : NULL;
}

static struct image_specs
spec_words(struct memory *mem)
{
    return (struct image_specs){spec_number, spec_of_number, mem};
}

/* ---- persist ----------------------------------------------------------------------------------- */

static struct kept *
kept_find(const struct memory *mem, uint32_t service)
{
    for (size_t i = 0; i < mem->n_services; i++)
        if (mem->services[i].service == service)
            return &mem->services[i];
    return NULL;
}

static void
kept_write(struct memory *mem, const struct service *s)
{
    struct image_specs specs = spec_words(mem);
    struct kept *k = kept_find(mem, s->id);

    if (!k) { /* ids only grow: the order is theirs */
        mem->services =
            room_for(mem->services, mem->n_services, &mem->services_room, sizeof(*mem->services));
        k = &mem->services[mem->n_services++];
        *k = (struct kept){.service = s->id, .image = TEXT_INIT};
    }
    text_clear(&k->image);
    image_service(s, &specs, &k->image);
    if (k->image.failed)
        abort();
}

static void
kept_remove(struct memory *mem, uint32_t service)
{
    struct kept *k = kept_find(mem, service);

    if (!k)
        return;
    text_finish(&k->image);
    mem->n_services--;
    memmove(k, k + 1, (size_t)(mem->services + mem->n_services - k) * sizeof(*k));
}

/* Who is done is forgotten with the next step; a birth is done when its pid is persisted. */
static void
pending_prune(struct memory *mem, const struct core *c)
{
    size_t kept = 0;

    for (size_t i = 0; i < mem->n_pending; i++) {
        struct pending *p = &mem->pending[i];
        const struct worker *w =
            p->effect.type == FX_SPAWN ? core_worker(c, p->effect.worker) : NULL;

        if (p->done) {
            free(p->effect.record);
            continue;
        }
        p->done = p->effect.type == FX_SPAWN && (!w || w->pid > 0);
        mem->pending[kept++] = *p;
    }
    mem->n_pending = mem->first_of_step = kept;
}

static void
pending_add(struct memory *mem, struct effect *e, int64_t now_us)
{
    mem->pending =
        room_for(mem->pending, mem->n_pending, &mem->pending_room, sizeof(*mem->pending));
    mem->pending[mem->n_pending++] = (struct pending){.effect = *e, .at_us = now_us};
    e->record = NULL; /* it is the memory's now */
}

void
master_persist(struct simulation *sim)
{
    struct memory *mem = &sim->master.memory;

    pending_prune(mem, sim->core);
    for (size_t i = 0; i < sim->fx.n; i++) {
        const struct record *r = sim->fx.items[i].record;

        if (r && r->kind == RECORD_SERVICE && strcmp(r->text, "removed") == 0)
            kept_remove(mem, r->service_id);
        pending_add(mem, &sim->fx.items[i], sim->now_us);
    }
    effects_clear(&sim->fx);
    text_clear(&mem->core);
    image_core(sim->core, &mem->core);
    if (sim->plant && sim->plant->touched)
        sim->plant->touched(sim->core);
    list_for_each (n, &sim->core->touched)
        kept_write(mem, container_of(n, struct service, touched));
    master_laws(sim);
    core_clean(sim->core);
}

/* ---- restore -------------------------------------------------------------------------------------- */

/* NULL: it could not be, and the judge knows. */
static struct core *
restored(struct simulation *sim)
{
    struct memory *mem = &sim->master.memory;
    struct image_specs specs = spec_words(mem);
    struct error err = {0};
    struct core *c;
    int r;

    if (core_create(~sim->seed, &c) < 0)
        abort();
    r = image_restore_core(c, mem->core.data, mem->core.bytes, &err);
    for (size_t i = 0; r == 0 && i < mem->n_services; i++)
        r = image_restore_service(c, mem->services[i].image.data, mem->services[i].image.bytes,
                                  &specs, &err);
    if (r == 0)
        r = image_restored(c, &err);
    if (r == 0)
        return c;
    judge_say(&sim->judge, I10, "the image is refused: %s", err.text);
    core_destroy(c);
    return NULL;
}

void
master_rebirth(struct simulation *sim)
{
    struct core *c = restored(sim);

    if (!c)
        return;
    core_destroy(sim->core);
    sim->core = c;
    sim->judge.core = c;
    if (sim->plant && sim->plant->restored)
        sim->plant->restored(c, false);
}

/* ---- I10 -------------------------------------------------------------------------------------------- */

/* Is the image of @c what is persisted? @what: how it came about. */
static void
law_same(struct simulation *sim, const struct core *c, const char *what)
{
    struct memory *mem = &sim->master.memory;
    struct image_specs specs = spec_words(mem);
    size_t i = 0;

    list_for_each (n, &c->services) {
        const struct service *s = container_of(n, struct service, node);
        const struct kept *k = i < mem->n_services ? &mem->services[i++] : NULL;

        text_clear(&mem->scratch);
        image_service(s, &specs, &mem->scratch);
        if (!k || k->service != s->id || k->image.bytes != mem->scratch.bytes ||
            memcmp(k->image.data, mem->scratch.data, mem->scratch.bytes) != 0) {
            judge_say(&sim->judge, I10, "%s is not what is persisted of it: %s", s->name, what);
            return;
        }
    }
    text_clear(&mem->scratch);
    image_core(c, &mem->scratch);
    if (i != mem->n_services || mem->core.bytes != mem->scratch.bytes ||
        memcmp(mem->core.data, mem->scratch.data, mem->scratch.bytes) != 0)
        judge_say(&sim->judge, I10, "the whole is not what is persisted of it: %s", what);
}

static void
law_reread(struct simulation *sim)
{
    struct core *c = restored(sim);

    if (!c)
        return;
    if (sim->plant && sim->plant->restored)
        sim->plant->restored(c, true);
    law_same(sim, c, "restored, and saved again");
    if (list_empty(&sim->core->agenda) &&
        core_next_deadline_us(c) != core_next_deadline_us(sim->core))
        judge_say(&sim->judge, I10, "the next deadline of a restored core is another one");
    if (core_stopped(c) != core_stopped(sim->core))
        judge_say(&sim->judge, I10, "a restored core has stopped, or not");
    core_destroy(c);
}

void
master_laws(struct simulation *sim)
{
    law_same(sim, sim->core, "the step changed it and did not touch it");
    if (random_chance(&sim->master.fate, REREAD_PERCENT))
        law_reread(sim);
}
