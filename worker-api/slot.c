/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <time.h>

#include "worker-api/state.h"

/*
 * Which slot a thread gets. A reader copies all that were ever used, so they are used again early;
 * yet the last DONE ones are kept for whoever asks who was there, and the dead watchers longer.
 */
#define KEEP_DONE  64
#define KEEP_VITAL 64

struct ring {
    uint16_t *of;
    uint32_t room, first, n;
};

static uint16_t done_room[STINT_REGISTRY_SLOTS], vital_room[KEEP_VITAL];
static struct ring done = {done_room, STINT_REGISTRY_SLOTS, 0, 0}; /* slots lock */
static struct ring vital = {vital_room, KEEP_VITAL, 0, 0};         /* slots lock */

static void
push(struct ring *ring, size_t index)
{
    ring->of[(ring->first + ring->n++) % ring->room] = (uint16_t)index;
}

static size_t
pop(struct ring *ring)
{
    size_t index = ring->of[ring->first];

    ring->first = (ring->first + 1) % ring->room;
    ring->n--;
    return index;
}

void
stn_slots_reset(void)
{
    done.first = done.n = vital.first = vital.n = 0;
}

void
stn_slot_claim(struct stint_thread *thread)
{
    struct stint_registry_header *header = stn.registry;
    struct stint_registry_slot *slot = NULL;
    uint32_t used;

    thread->slot = NULL;
    if (!header)
        return;
    stn_lock_take(&stn.slots);
    used = header->slots.used;
    if (used < STINT_REGISTRY_SLOTS && done.n < KEEP_DONE) {
        slot = stn_slot_at(used);
        STN_PUT(header->slots.used, used + 1);
    } else if (done.n > 0 || vital.n > 0) {
        slot = stn_slot_at(pop(done.n > 0 ? &done : &vital));
    } else {
        (void)__atomic_fetch_add(&header->overflow, 1, __ATOMIC_RELAXED);
    }
    if (slot) {
        thread->epoch = slot->epoch + 1;
        STN_PUT(slot->epoch, thread->epoch);
    }
    stn_lock_give(&stn.slots);
    thread->slot = slot;
}

/* The identity is (tid, a time when it was alive): reading the start time in /proc would cost half a spawn. */
static uint64_t
boot_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail: the clock exists */
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void
stn_slot_fill(const struct stint_thread *thread)
{
    const struct trace *trace = stn_token_trace(thread->token);
    struct stint_registry_slot *slot = thread->slot;
    struct stint_registry_slot s = {.state = STINT_SLOT_LIVE};

    if (!slot)
        return;
    s.tid = __atomic_load_n(&thread->tid, __ATOMIC_RELAXED);
    s.scope = stn_scope_place(thread->scope);
    s.flags = thread->flags;
    s.epoch = thread->epoch;
    s.alive_ns = boot_ns();
    s.birth_site = thread->birth_site;
    s.creator_tid = thread->creator_tid;
    s.started_us = (uint64_t)thread->started_us;
    s.deadline_us = thread->token ? thread->token->deadline_us : STINT_NEVER;
    s.start_pc = (uint64_t)(uintptr_t)thread->fn;
    s.creator_pc = (uint64_t)(uintptr_t)thread->creator_pc;
    memcpy(s.trace_id, trace->trace_id, sizeof(s.trace_id));
    memcpy(s.span_id, stn_span_of(thread), sizeof(s.span_id));
    memcpy(s.name, thread->name, sizeof(thread->name)); /* with zeros behind their ends */
    memcpy(s.creator_name, thread->creator_name, sizeof(s.creator_name));
    stn_text_copy(s.token, sizeof(s.token), thread->token ? thread->token->name : NULL);
    stn_slot_begin(slot);
    stn_put_words(slot, &s, sizeof(s));
    stn_slot_end(slot);
}

static void
keep(size_t index, bool watcher)
{
    if (watcher && vital.n == KEEP_VITAL)
        push(&done, pop(&vital));
    push(watcher ? &vital : &done, index);
}

/* Of a slot that nobody owns; slots lock held. */
static void
clear_flag(struct stint_registry_slot *slot, uint16_t flag)
{
    stn_slot_begin(slot);
    STN_PUT(slot->flags, (uint16_t)(slot->flags & ~flag));
    stn_slot_end(slot);
}

void
stn_slot_done(struct stint_thread *thread)
{
    struct stint_registry_slot *slot = thread->slot;
    bool watcher;

    if (!slot)
        return;
    watcher = (slot->flags & STINT_SLOT_VITAL) && slot->cancelled_us == 0;
    stn_lock_take(&stn.slots);
    stn_slot_begin(slot);
    STN_PUT(slot->state, STINT_SLOT_DONE);
    STN_PUT(slot->wait_site, 0);
    stn_slot_end(slot);
    if (thread->detached)
        clear_flag(slot, STINT_SLOT_JOINABLE);
    keep(stn_slot_index(slot), watcher);
    stn_lock_give(&stn.slots);
}

void
stn_slot_settled(struct stint_thread *thread)
{
    struct stint_registry_slot *slot = thread->slot;

    stn_lock_take(&stn.slots);
    thread->detached = true; /* while it lives it writes its slot itself */
    if (slot && stn.registry && __atomic_load_n(&slot->epoch, __ATOMIC_RELAXED) == thread->epoch &&
        __atomic_load_n(&slot->state, __ATOMIC_RELAXED) == STINT_SLOT_DONE)
        clear_flag(slot, STINT_SLOT_JOINABLE);
    stn_lock_give(&stn.slots);
}

void
stn_slot_succeeds(const struct stint_thread *thread)
{
    stn_lock_take(&stn.slots);
    for (uint32_t i = vital.n; i > 0; i--) {
        size_t index = pop(&vital);
        struct stint_registry_slot *slot = stn_slot_at(index);

        if (strcmp(slot->name, thread->name) == 0) {
            clear_flag(slot, STINT_SLOT_VITAL);
            push(&done, index);
        } else {
            push(&vital, index);
        }
    }
    stn_lock_give(&stn.slots);
}
