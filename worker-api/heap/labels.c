/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "worker-api/heap/heap.h"
#include "worker-api/heap/heap_ask.h"

/*
 * Who allocates, each kind of them once. Names may be as many as there are requests: when there is no
 * room for another, it goes without.
 */
#define FULL  (STINT_HEAP_LABELS / 4 * 3)
#define TRIES 64

static stint_heap_teller *teller;       /* atomic; NULL = no libstint */
static struct stint_heap_label *labels; /* the lock of the stacks */
static uint32_t n_labels;               /* the same */

__attribute__((visibility("default"))) void
stint_heap_ask(stint_heap_teller *whom, size_t size)
{
    if (size == sizeof(struct stint_heap_context)) /* else it is of another version */
        __atomic_store_n(&teller, whom, __ATOMIC_RELEASE);
}

bool
heap_labels_open(struct stint_heap_anchor *anchor)
{
    const size_t bytes = STINT_HEAP_LABELS * sizeof(*labels);
    void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (room == MAP_FAILED)
        return false;
    labels = room;
    anchor->label_bytes = sizeof(*labels);
    anchor->labels = STINT_HEAP_LABELS;
    anchor->label_table = (uint64_t)(uintptr_t)room;
    return true;
}

void
heap_context(struct stint_heap_context *ret)
{
    stint_heap_teller *whom = __atomic_load_n(&teller, __ATOMIC_ACQUIRE);

    memset(ret, 0, sizeof(*ret)); /* its holes, too: it is compared as bytes */
    if (whom && whom(ret)) {
        ret->label.used = 1;
        return;
    }
    memset(ret, 0, sizeof(*ret));
    ret->label.used = prctl(PR_GET_NAME, ret->label.thread) == 0;
}

static uint64_t
hash_of(const struct stint_heap_label *label)
{
    uint64_t words[sizeof(*label) / sizeof(uint64_t)], hash = UINT64_C(0xcbf29ce484222325);

    memcpy(words, label, sizeof(words));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) ^ hash >> 29;
    return hash;
}

uint32_t
heap_label(const struct stint_heap_label *label)
{
    uint32_t at;

    if (!label->used)
        return 0;
    at = (uint32_t)(hash_of(label) >> 32) % STINT_HEAP_LABELS;
    for (int i = 0; i < TRIES; i++, at = (at + 1) % STINT_HEAP_LABELS) {
        if (labels[at].used) {
            if (memcmp(&labels[at], label, sizeof(*label)) == 0)
                return at + 1;
            continue;
        }
        if (n_labels >= FULL)
            return 0;
        n_labels++;
        memcpy((char *)&labels[at] + sizeof(uint32_t), (const char *)label + sizeof(uint32_t),
               sizeof(*label) - sizeof(uint32_t));
        __atomic_store_n(&labels[at].used, 1, __ATOMIC_RELEASE);
        return at + 1;
    }
    return 0;
}
