/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of a core that was killed. An odd first byte: the input is a patch of a good image,
 * (piece, place, place, byte) after (piece, place, place, byte), which is how bytes go bad and how the fuzzer gets
 * behind the first checks. An even one: pieces as they are, each after two bytes of length.
 * What is taken can be stepped, saved and restored once more.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core/images.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define NOW_US (1000 * US_PER_S)

static struct image_book book;
static struct pieces good;

static void
hold(int holds)
{
    if (!holds)
        abort();
}

static void
step(struct core *c, struct event ev)
{
    struct effects fx = {NULL, 0, 0, 0};

    if (ev.now_us == 0)
        ev.now_us = NOW_US;
    core_step(c, &ev, &fx);
    effects_finish(&fx);
}

static void
configure(struct core *c)
{
    struct spec *spec = spec_new(60 * US_PER_S);
    struct service_spec *web = service_new("web"), *queue = service_new("queue");
    struct service_spec *fill = service_new("fill");

    web->workers = 3;
    must_add(&web->depends_on, "queue");
    queue->handoff = HANDOFF_REPLACE;
    must_add(&queue->check, "/bin/check");
    must_add(&web->hooks[HOOK_ANNOUNCE].command, "/bin/hook");
    fill->type = TYPE_ONESHOT;
    must_add(&fill->hooks[HOOK_BEFORE_START].command, "/bin/hook");
    spec_take(spec, queue);
    spec_take(spec, web);
    spec_take(spec, fill);
    step(c, (struct event){.type = EVENT_CONFIG, .config = {.spec = spec}});
    spec_destroy(spec);
}

static void
look(struct core *c, uint32_t service, uint64_t version)
{
    const struct service *s = core_service(c, service);
    struct event ev = {.type = EVENT_LOOKED, .service = service};

    ev.looked.reload = s->reload.id;
    ev.looked.snapshot = version;
    ev.looked.digest = digest_of(&version, sizeof(version));
    step(c, ev);
    step(c, (struct event){
                .type = EVENT_CHECKED,
                .service = service,
                .checked = {.reload = s->reload.id, .ok = true}
    });
}

static void
hooked(struct core *c, uint32_t service, uint64_t generation, enum hook h)
{
    struct event ev = {.type = EVENT_HOOKED, .service = service};

    ev.hooked.generation = generation;
    ev.hooked.hook = h;
    ev.hooked.outcome = HOOK_DONE;
    step(c, ev);
}

static void
wake(struct core *c, uint64_t first, uint64_t last)
{
    for (uint64_t w = first; w <= last; w++) {
        step(c, (struct event){
                    .type = EVENT_SPAWNED, .worker = w, .spawned = {.pid = (pid_t)(100 + w)}});
        step(c, (struct event){.type = EVENT_READY, .worker = w});
    }
}

/* One service whose old generation leaks while the new one serves, one that checks, one before its hook. */
static void
make_good_image(const struct image_specs *specs)
{
    struct core *c = NULL;

    hold(core_create(1, &c) == 0);
    configure(c);
    look(c, 1, 1);
    wake(c, 1, 1);
    look(c, 2, 2);
    wake(c, 2, 4);
    step(c, (struct event){.type = EVENT_RELOAD, .service = 2, .request = {.force = true}});
    look(c, 2, 3);
    wake(c, 5, 7);
    hooked(c, 2, 1, HOOK_ANNOUNCE);
    step(c, (struct event){.type = EVENT_TICK, .now_us = NOW_US + 31 * US_PER_S});
    step(c, (struct event){.type = EVENT_RELOAD, .service = 1, .request = {.force = true}});
    look(c, 3, 4);
    hold(core_service(c, 2)->hooks[HOOK_ANNOUNCE].outcome == HOOK_DONE);
    pieces_save(&good, c, specs);
    hold(good.n == 3 && service_candidate(core_service(c, 3))->hook == HOOK_BEFORE_START &&
         core_service(c, 2)->generations.next->next != &core_service(c, 2)->generations);
    core_destroy(c);
}

static void
patch(struct pieces *p, const uint8_t *data, size_t n)
{
    for (; n >= 4; data += 4, n -= 4) {
        struct text *piece = data[0] % 4 == 0 ? &p->core : &p->services[data[0] % 4 - 1];
        size_t at = ((size_t)data[1] << 8 | data[2]) % piece->bytes;

        piece->data[at] = (char)data[3];
    }
}

static void
cut(struct pieces *p, const uint8_t *data, size_t n)
{
    p->n = 0;
    text_clear(&p->core);
    for (struct text *piece = &p->core; n >= 2 && p->n < IMAGE_SERVICES;
         piece = &p->services[p->n++]) {
        size_t length = (size_t)data[0] << 8 | data[1];

        data += 2, n -= 2;
        if (length > n)
            length = n;
        text_clear(piece);
        text_addn(piece, (const char *)data, length);
        data += length, n -= length;
    }
}

static void
live_on(struct core *c, const struct image_specs *specs)
{
    static struct pieces before, after;
    struct effects fx = {NULL, 0, 0, 0};
    struct core *again = NULL;

    pieces_save(&before, c, specs);
    hold(core_create(1, &again) == 0);
    hold(pieces_restore(&before, again, specs, NULL) == 0);
    pieces_save(&after, again, specs);
    hold(pieces_same(&before, &after));
    core_destroy(again);
    core_resume(c, NOW_US + 40 * US_PER_S, &fx);
    effects_finish(&fx);
    for (int64_t i = 1; i < 4; i++)
        step(c, (struct event){.type = i == 2 ? EVENT_STOP_ALL : EVENT_TICK,
                               .now_us = NOW_US + i * 40 * US_PER_S});
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct pieces bad;
    struct image_specs specs = image_book_words(&book);
    struct error err = {0};
    struct core *c = NULL;

    if (good.n == 0)
        make_good_image(&specs);
    text_clear(&bad.core);
    text_addn(&bad.core, good.core.data, good.core.bytes);
    for (bad.n = 0; bad.n < good.n; bad.n++) {
        text_clear(&bad.services[bad.n]);
        text_addn(&bad.services[bad.n], good.services[bad.n].data, good.services[bad.n].bytes);
    }
    if (n > 0 && data[0] % 2 == 1)
        patch(&bad, data + 1, n - 1);
    else if (n > 0)
        cut(&bad, data + 1, n - 1);
    hold(core_create(1, &c) == 0);
    if (pieces_restore(&bad, c, &specs, &err) == 0)
        live_on(c, &specs);
    else
        hold(err.text[0] != '\0');
    core_destroy(c);
    return 0;
}
