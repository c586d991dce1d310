/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CORE_IMAGES_H
#define STINT_TESTS_CORE_IMAGES_H

/*
 * A core as a heap of pieces, and back. Equal specs have one number, so that two cores that were
 * told the same have the same image.
 */
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/core/core.h"
#include "supervisor/core/image.h"
#include "tests/unit/core/specs.h"

#define IMAGE_SERVICES 64

struct image_book {
    struct service_spec *specs[512]; /* one reference each; by number - 1 */
    size_t n;
};

static inline uint64_t
image_book_number(void *env, struct service_spec *spec)
{
    struct image_book *book = env;

    for (size_t i = book->n; i > 0; i--)
        if (book->specs[i - 1] == spec || service_spec_equal(book->specs[i - 1], spec))
            return i;
    if (book->n == ARRAY_LEN(book->specs))
        abort();
    book->specs[book->n] = service_spec_ref(spec);
    return ++book->n;
}

static inline struct service_spec *
image_book_spec(void *env, uint64_t number)
{
    const struct image_book *book = env;

    return number > 0 && number <= book->n ? service_spec_ref(book->specs[number - 1]) : NULL;
}

static inline struct image_specs
image_book_words(struct image_book *book)
{
    return (struct image_specs){image_book_number, image_book_spec, book};
}

static inline void
image_book_finish(struct image_book *book)
{
    for (size_t i = 0; i < book->n; i++)
        service_spec_unref(book->specs[i]);
    book->n = 0;
}

struct pieces {
    struct text core, services[IMAGE_SERVICES];
    size_t n;
};

static inline void
pieces_save(struct pieces *p, const struct core *c, const struct image_specs *specs)
{
    text_clear(&p->core);
    image_core(c, &p->core);
    p->n = 0;
    list_for_each (node, &c->services) {
        struct text *one = &p->services[p->n++];

        if (p->n > IMAGE_SERVICES)
            abort();
        text_clear(one);
        image_service(container_of(node, struct service, node), specs, one);
        if (one->failed)
            abort();
    }
}

/* @c was just created. 0 or what the first piece that does not fit says. */
static inline int
pieces_restore(const struct pieces *p, struct core *c, const struct image_specs *specs,
               struct error *reterr)
{
    int r = image_restore_core(c, p->core.data, p->core.bytes, reterr);

    for (size_t i = 0; r == 0 && i < p->n; i++)
        r = image_restore_service(c, p->services[i].data, p->services[i].bytes, specs, reterr);
    return r == 0 ? image_restored(c, reterr) : r;
}

static inline bool
text_same(const struct text *a, const struct text *b)
{
    return a->bytes == b->bytes && (a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0);
}

static inline bool
pieces_same(const struct pieces *a, const struct pieces *b)
{
    bool same = a->n == b->n && text_same(&a->core, &b->core);

    for (size_t i = 0; same && i < a->n; i++)
        same = text_same(&a->services[i], &b->services[i]);
    return same;
}

static inline void
pieces_finish(struct pieces *p)
{
    text_finish(&p->core);
    for (size_t i = 0; i < IMAGE_SERVICES; i++)
        text_finish(&p->services[i]);
}

#endif
