/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "base/units.h"
#include "supervisor/core/image.h"
#include "supervisor/core/image_fields.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/*
 * Each thing joins what it belongs to as soon as it is made: whatever goes wrong then,
 * core_destroy() finds it. A count is never believed: each thing takes bytes, and they end.
 */

#define TIME_LEAST (-(INT64_MAX / 4))

struct reader {
    const char *at;
    size_t left;
    const struct image_specs *specs;
    struct error *reterr;
};

static int
take(struct reader *in, void *to, size_t bytes)
{
    if (in->left < bytes)
        return error_say(in->reterr, -EBADMSG, "the image ends in the middle");
    memcpy(to, in->at, bytes);
    in->at += bytes;
    in->left -= bytes;
    return 0;
}

static int
take_head(struct reader *in, enum image_piece piece)
{
    struct image_head head = {0, 0};
    int r = take(in, &head, sizeof(head));

    if (r < 0)
        return r;
    if (head.version != IMAGE_VERSION)
        return error_say(in->reterr, -EPROTO, "the image is of version %" PRIu32 ", not of %d",
                         head.version, IMAGE_VERSION);
    if (head.piece != (uint32_t)piece)
        return error_say(in->reterr, -EBADMSG, "the piece of the image is another one");
    return 0;
}

static int
take_end(const struct reader *in)
{
    return in->left == 0 ? 0 : error_say(in->reterr, -EBADMSG, "the image goes on after its end");
}

/* ---- fields ------------------------------------------------------------------------------- */

static int
take_text(struct reader *in, char *to, size_t room)
{
    uint16_t length = 0;
    int r = take(in, &length, sizeof(length));

    if (r < 0)
        return r;
    if (length >= room)
        return -ERANGE;
    r = take(in, to, length);
    if (r < 0)
        return r;
    to[length] = '\0';
    return memchr(to, '\0', length) ? -ERANGE : 0;
}

static int
take_number(struct reader *in, const struct image_field *f, char *to)
{
    char raw[sizeof(uint64_t)] = {0};
    uint64_t number;
    int r = take(in, raw, f->bytes);

    if (r < 0)
        return r;
    number = image_number(raw, f->bytes);
    if (f->kind == IMAGE_TIME ? (int64_t)number < TIME_LEAST
                              : number < f->least || number > f->most)
        return -ERANGE;
    memcpy(to, raw, f->bytes);
    return 0;
}

static int
take_fields(struct reader *in, const struct image_shape *shape, void *thing)
{
    for (size_t i = 0; i < shape->n; i++) {
        const struct image_field *f = &shape->fields[i];
        char *to = (char *)thing + f->at;
        int r = f->kind == IMAGE_TEXT ? take_text(in, to, f->bytes) : take_number(in, f, to);

        if (r == -ERANGE)
            return error_say(in->reterr, -EBADMSG, "%s.%s in the image is out of its range",
                             shape->name, f->name);
        if (r < 0)
            return r;
    }
    return 0;
}

/* @ret: NULL when there is none, and that is allowed. */
static int
take_spec(struct reader *in, const struct service *s, bool optional, struct service_spec **ret)
{
    uint64_t number = 0;
    int r = take(in, &number, sizeof(number));

    if (r < 0 || (number == 0 && optional))
        return r;
    *ret = number > 0 ? in->specs->spec(in->specs->env, number) : NULL;
    if (!*ret)
        return error_say(in->reterr, -ENOENT, "the image of %s has spec %" PRIu64 ", unknown here",
                         s->name, number);
    if (strcmp((*ret)->name, s->name) != 0)
        return error_say(in->reterr, -EBADMSG, "the image of %s has the spec of %s", s->name,
                         (*ret)->name);
    return 0;
}

/* ---- workers and slots --------------------------------------------------------------------- */

static int
contradiction(struct reader *in, const struct service *s, const char *what)
{
    return error_say(in->reterr, -EBADMSG, "the image of %s contradicts itself: %s", s->name, what);
}

static int
restore_worker(struct core *c, struct generation *g, struct reader *in)
{
    struct worker *w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return error_set(in->reterr, -ENOMEM, "restore a worker");
    w->generation = g;
    list_add(&g->workers, &w->node);
    r = take_fields(in, &image_worker_shape, w);
    if (r < 0)
        return r;
    if (w->id > c->last_worker_id || core_worker(c, w->id))
        return contradiction(in, g->service, "a worker's id");
    if (w->pid == 0 && (w->escapee || w->state >= WORKER_LEAKED))
        return contradiction(in, g->service, "a worker without a pid");
    table_add(&c->workers, &w->by_id, w->id);
    place_take(c, w);
    return 0;
}

static int
restore_occupant(struct core *c, struct generation *g, unsigned i, struct reader *in,
                 struct worker **ret)
{
    struct worker *w;
    uint64_t id = 0;
    int r = take(in, &id, sizeof(id));

    if (r < 0 || id == 0)
        return r;
    w = core_worker(c, id);
    if (!w || w->generation != g || w->slot != i || w->escapee || !worker_live(w))
        return contradiction(in, g->service, "who is in a slot");
    *ret = w;
    return 0;
}

static int
restore_slot(struct core *c, struct generation *g, unsigned i, struct reader *in)
{
    struct slot *slot = &g->slots[i];
    int r = take_fields(in, &image_slot_shape, slot);

    if (r == 0)
        r = restore_occupant(c, g, i, in, &slot->worker);
    if (r == 0)
        r = restore_occupant(c, g, i, in, &slot->substitute);
    if (r == 0 && slot->substitute && (!slot->worker || slot->substitute == slot->worker))
        return contradiction(in, g->service, "who relieves whom in a slot");
    return r;
}

/* ---- generations ---------------------------------------------------------------------------- */

static int
restore_crew(struct core *c, struct generation *g, struct reader *in)
{
    uint64_t workers = 0;
    int r = take(in, &workers, sizeof(workers));

    for (uint64_t i = 0; r == 0 && i < workers; i++)
        r = restore_worker(c, g, in);
    if (r < 0)
        return r;
    if (g->n_slots > in->left) /* each takes more than a byte */
        return contradiction(in, g->service, "more slots than bytes");
    g->slots = calloc(g->n_slots, sizeof(*g->slots));
    if (!g->slots)
        return error_set(in->reterr, -ENOMEM, "restore a generation");
    for (unsigned i = 0; r == 0 && i < g->n_slots; i++)
        r = restore_slot(c, g, i, in);
    return r;
}

static int
restore_generation(struct core *c, struct service *s, uint64_t after, struct reader *in)
{
    struct generation *g = calloc(1, sizeof(*g));
    int r;

    if (!g)
        return error_set(in->reterr, -ENOMEM, "restore a generation");
    g->service = s;
    list_init(&g->workers);
    list_add(&s->generations, &g->node);
    r = take_fields(in, &image_generation_shape, g);
    if (r == 0)
        r = take_spec(in, s, false, &g->spec);
    if (r < 0)
        return r;
    if (g->number <= after || g->number > s->last_generation || g->reload > c->last_reload_id)
        return contradiction(in, s, "a generation's number");
    if (g->survey_us != TIME_NEVER && g->state != GENERATION_RETIRED)
        return contradiction(in, s, "a generation that is not gone and looked at as if");
    return restore_crew(c, g, in);
}

static int
restore_generations(struct core *c, struct service *s, struct reader *in)
{
    uint64_t generations = 0, last = 0;
    int r = take(in, &generations, sizeof(generations));

    for (uint64_t i = 0; r == 0 && i < generations; i++) {
        r = restore_generation(c, s, last, in);
        last = container_of(s->generations.prev, struct generation, node)->number;
    }
    return r;
}

/* ---- services --------------------------------------------------------------------------------- */

static int
restore_hooks(struct service *s, struct reader *in)
{
    uint64_t h = HOOK_NONE;
    int r = take(in, &h, sizeof(h));

    while (r == 0 && h != HOOK_NONE) {
        if (h >= HOOK_COUNT)
            return contradiction(in, s, "a hook that there is not");
        if (!hook_results(s))
            return error_set(in->reterr, -ENOMEM, "restore a service");
        r = take_fields(in, &image_hook_result_shape, &s->hooks[h]);
        if (r == 0)
            r = take(in, &h, sizeof(h));
    }
    return r;
}

static int
restore_reload(const struct core *c, struct service *s, struct reader *in)
{
    struct reload *r = &s->reload;
    int e = take_fields(in, &image_reload_shape, r);

    if (e == 0)
        e = take_spec(in, s, r->state < RELOAD_LOOKING, &r->spec);
    if (e == 0)
        e = take_fields(in, &image_verdict_shape, &s->last);
    if (e == 0)
        e = restore_hooks(s, in);
    if (e < 0)
        return e;
    if (r->id > c->last_reload_id || r->trailing_id > c->last_reload_id ||
        s->last.reload > c->last_reload_id || r->previous > s->last_generation ||
        s->last.generation > s->last_generation)
        return contradiction(in, s, "the number of its reload");
    return 0;
}

/* Known by id and name, but nothing else yet. */
static int
restore_name(struct core *c, struct reader *in, struct service **ret)
{
    auto_free struct service *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return error_set(in->reterr, -ENOMEM, "restore a service");
    r = take_fields(in, &image_service_shape, s);
    if (r < 0)
        return r;
    if (s->name[0] == '\0' || s->id > c->last_service_id || core_service(c, s->id) ||
        core_service_by_name(c, s->name))
        return contradiction(in, s, "its id or name");
    list_init(&s->generations);
    if (!agenda_join(c, s))
        return error_set(in->reterr, -ENOMEM, "restore a service");
    *ret = steal(s);
    return 0;
}

int
image_restore_service(struct core *c, const void *bytes, size_t n, const struct image_specs *specs,
                      struct error *reterr)
{
    struct reader in = {.at = bytes, .left = n, .specs = specs, .reterr = reterr};
    struct service *s = NULL;
    int r = take_head(&in, IMAGE_SERVICE);

    if (r == 0)
        r = restore_name(c, &in, &s);
    if (r < 0 || !s)
        return r;
    r = take_spec(&in, s, false, &s->spec);
    if (r == 0)
        r = restore_reload(c, s, &in);
    if (r == 0)
        r = restore_generations(c, s, &in);
    return r == 0 ? take_end(&in) : r;
}

int
image_restore_core(struct core *c, const void *bytes, size_t n, struct error *reterr)
{
    struct reader in = {.at = bytes, .left = n, .reterr = reterr};
    int r = take_head(&in, IMAGE_CORE);

    if (r == 0)
        r = take_fields(&in, &image_core_shape, c);
    if (r == 0)
        r = take_end(&in);
    if (r == 0 && ((c->entropy[0] == 0 && c->entropy[1] == 0) || c->now_us > INT64_MAX / 4))
        r = error_say(reterr, -EBADMSG, "the image of the whole is out of its range");
    return r;
}
