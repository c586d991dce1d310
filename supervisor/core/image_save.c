/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/list.h"
#include "supervisor/core/image.h"
#include "supervisor/core/image_fields.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/* Written in each step, so it is short: only as much of a text as there is, and no names. */

static void
put_field(struct text *out, const struct image_field *f, const char *at)
{
    uint16_t length;

    if (f->kind != IMAGE_TEXT) {
        text_addn(out, at, f->bytes);
        return;
    }
    length = (uint16_t)strnlen(at, f->bytes - 1);
    text_addn(out, (const char *)&length, sizeof(length));
    text_addn(out, at, length);
}

static void
put(struct text *out, const struct image_shape *shape, const void *thing)
{
    for (size_t i = 0; i < shape->n; i++)
        put_field(out, &shape->fields[i], (const char *)thing + shape->fields[i].at);
}

static void
put_number(struct text *out, uint64_t number)
{
    text_addn(out, (const char *)&number, sizeof(number));
}

static void
put_head(struct text *out, enum image_piece piece)
{
    struct image_head head = {.version = IMAGE_VERSION, .piece = piece};

    text_addn(out, (const char *)&head, sizeof(head));
}

static void
put_spec(struct text *out, const struct image_specs *specs, struct service_spec *spec)
{
    put_number(out, spec ? specs->number(specs->env, spec) : 0);
}

static uint64_t
length_of(const struct list *head)
{
    uint64_t n = 0;

    list_for_each (node, head)
        n++;
    return n;
}

static void
put_generation(struct text *out, const struct image_specs *specs, const struct generation *g)
{
    put(out, &image_generation_shape, g);
    put_spec(out, specs, g->spec);
    put_number(out, length_of(&g->workers));
    list_for_each (n, &g->workers)
        put(out, &image_worker_shape, container_of(n, struct worker, node));
    for (unsigned i = 0; i < g->n_slots; i++) {
        put(out, &image_slot_shape, &g->slots[i]);
        put_number(out, g->slots[i].worker ? g->slots[i].worker->id : 0);
        put_number(out, g->slots[i].substitute ? g->slots[i].substitute->id : 0);
    }
}

/* Ends with HOOK_NONE, since most services have none. */
static void
put_hooks(struct text *out, const struct service *s)
{
    for (uint64_t h = HOOK_NONE + 1; h < HOOK_COUNT; h++) {
        if (!s->hooks || s->hooks[h].outcome == HOOK_UNDONE)
            continue;
        put_number(out, h);
        put(out, &image_hook_result_shape, &s->hooks[h]);
    }
    put_number(out, HOOK_NONE);
}

void
image_core(const struct core *c, struct text *out)
{
    put_head(out, IMAGE_CORE);
    put(out, &image_core_shape, c);
}

void
image_service(const struct service *s, const struct image_specs *specs, struct text *out)
{
    put_head(out, IMAGE_SERVICE);
    put(out, &image_service_shape, s);
    put_spec(out, specs, s->spec);
    put(out, &image_reload_shape, &s->reload);
    put_spec(out, specs, s->reload.spec);
    put(out, &image_verdict_shape, &s->last);
    put_hooks(out, s);
    put_number(out, length_of(&s->generations));
    list_for_each (n, &s->generations)
        put_generation(out, specs, container_of(n, struct generation, node));
}
