/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CORE_IMAGE_H
#define STINT_CORE_IMAGE_H

/*
 * The core as bytes, so that another process goes on where this one was killed. One piece for the
 * whole (numbers given, chance, a stop that runs) and one for each service (its reload, verdict,
 * generations, slots and workers); a step writes the pieces it touched, see core.touched.
 *
 *   core_step() ─▶ image_core(), image_service() of the touched ─▶ …killed… ─▶ core_create()
 *     ─▶ image_restore_core(), image_restore_service() of each ─▶ image_restored() ─▶ core_resume()
 *
 * Nothing derived is in an image. A spec is a number there: the rim keeps each text once. The bytes are
 * of this machine's order and of one IMAGE_VERSION; whoever reads another is told so by -EPROTO.
 */
#include <stddef.h>
#include <stdint.h>

struct core;
struct effects;
struct error;
struct service;
struct service_spec;
struct text;

#define IMAGE_VERSION 6

/* Specs by number. */
struct image_specs {
    /* Saving: the number of @spec, which will be asked for when it is restored. Never 0. */
    uint64_t (*number)(void *env, struct service_spec *spec);
    /* Restoring: one new reference for the caller; NULL: not known (the restore fails with -ENOENT). */
    struct service_spec *(*spec)(void *env, uint64_t number);
    void *env;
};

void image_core(const struct core *c, struct text *out);
void image_service(const struct service *s, const struct image_specs *specs, struct text *out);

/*
 * Into a core that was just created. Any bytes are survived: what is too short, too long, out of its
 * range or contradicts itself is -EBADMSG with a sentence, another version -EPROTO; the core is then
 * only good for core_destroy(). Services come in the order in which they shall stand.
 */
int image_restore_core(struct core *c, const void *bytes, size_t n, struct error *reterr);
int image_restore_service(struct core *c, const void *bytes, size_t n,
                          const struct image_specs *specs, struct error *reterr);
/* All are there: who depends on whom, whose deadline is next, who is alive. 0 or negative errno. */
int image_restored(struct core *c, struct error *reterr);

/**
 * core_resume - what was under way in the process that died, and died with it: looks, checks, evidence.
 *
 * They are asked for again, and waited for anew: drop those of that process. Its other effects are
 * the rim's to repeat, which knows how far it had come. Every service is looked at in the next step.
 */
void core_resume(struct core *c, int64_t now_us, struct effects *fx);

#endif
