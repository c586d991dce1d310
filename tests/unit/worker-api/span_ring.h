/* SPDX-License-Identifier: MIT */
#ifndef STINT_TESTS_SPAN_RING_H
#define STINT_TESTS_SPAN_RING_H

/* The ring of finished spans behind the registry, as a master sees it. */
#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

#define ID      "0af7651916cd43dd8448eb211c80319c"
#define PARENT  "b7ad6b7169203331"
#define SAMPLED "00-" ID "-" PARENT "-01"
#define COUNT   STINT_REGISTRY_SPANS

static struct stint_registry_header *header; /* the master's look at it */
static uint64_t *seqs;
static struct stint_registry_span *ring;

static inline void
ring_look(const struct master *m, uint32_t wanted)
{
    char *map =
        mmap(NULL, STINT_REGISTRY_WITH_SPANS, PROT_READ | PROT_WRITE, MAP_SHARED, m->registry, 0);

    ck_assert(map != MAP_FAILED);
    header = (struct stint_registry_header *)(void *)map;
    seqs = (uint64_t *)(void *)(map + STINT_REGISTRY_SPANS_AT);
    ring = (struct stint_registry_span *)(void *)(seqs + COUNT);
    header->spans_wanted = wanted;
}

/* A worker whose spans are wanted, or not. */
static inline struct master
up(const char *traceparent, uint32_t wanted)
{
    struct master m = master_start_sized(STINT_REGISTRY_WITH_SPANS);

    ring_look(&m, wanted);
    ck_assert_int_eq(setenv("TRACEPARENT", traceparent, 1), 0);
    ck_assert_int_eq(stint_init(NULL), 0);
    return m;
}

static inline uint64_t
begun(void)
{
    return __atomic_load_n(&header->spans_begun, __ATOMIC_ACQUIRE);
}

/* The finished span with that ticket; NULL: it is not there. */
static inline const struct stint_registry_span *
told(uint64_t ticket)
{
    return __atomic_load_n(&seqs[ticket % COUNT], __ATOMIC_ACQUIRE) == ticket * 2 + 2
               ? &ring[ticket % COUNT]
               : NULL;
}

static inline const struct stint_registry_span *
named(const char *name)
{
    const struct stint_registry_span *found = NULL;

    for (uint64_t i = 0; i < begun(); i++)
        if (told(i) && strcmp(told(i)->name, name) == 0)
            found = told(i);
    ck_assert_msg(found, "nothing was told of '%s'", name);
    return found;
}

static inline const char *
hex(const uint8_t *id, size_t n)
{
    static char text[4][33];
    static unsigned next;
    char *to = text[next++ % 4];

    for (size_t i = 0; i < n; i++)
        (void)snprintf(to + 2 * i, 3, "%02x", id[i]);
    return to;
}

static inline void
check_below(const struct stint_registry_span *span, const uint8_t *parent)
{
    ck_assert_str_eq(hex(span->parent_id, 8), hex(parent, 8));
    ck_assert_str_eq(hex(span->trace_id, 16), ID);
    ck_assert_int_gt(span->start_ns, 0);
    ck_assert_int_ge(span->end_ns, span->start_ns);
    ck_assert_int_le(span->end_ns / 1000, stint_now_us());
}

#endif
