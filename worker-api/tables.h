/* SPDX-License-Identifier: MIT */
#ifndef STINT_TABLES_H
#define STINT_TABLES_H

/* The registry in memory: who writes where. Part of state.h. */
#include <stddef.h>
#include <stdint.h>

#include "worker-api/wire.h"

struct stint_thread;
struct token;

/* registry.c: the memory and its tables. None of it before stn_registry_open(). */
int stn_registry_open(int fd);      /* fd -1: private memory. Takes the fd. */
void stn_registry_after_fork(void); /* sites stay; slots and scopes are to be written anew */
struct stint_registry_slot *stn_slot_at(size_t index);
size_t stn_slot_index(const struct stint_registry_slot *slot);
uint32_t stn_slot_seq(const struct stint_registry_slot *slot); /* AS-safe; odd: being written */
struct stint_registry_scope *stn_registry_scope(size_t place);
struct stint_registry_site *stn_registry_site(size_t index);
struct stint_registry_overrun *stn_registry_overrun(size_t index);
struct stint_registry_caller *stn_registry_caller(size_t index);
void stn_seq_turn(size_t index); /* odd: begun; even: done */

/* Between these two the calling thread writes its own slot. @slot is not NULL. */
void stn_slot_begin(const struct stint_registry_slot *slot);
void stn_slot_end(const struct stint_registry_slot *slot);

/* A release store of a word that a reader may copy at this moment. */
#define STN_PUT(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELEASE)
void stn_put_words(void *to, const void *from, size_t bytes); /* multiples of 8, aligned to 8 */
void stn_slot_cancelled(struct stint_registry_slot *slot,
                        const struct token *origin); /* AS-safe, tree lock held */

/* slot.c: who has which. */
void stn_slot_claim(struct stint_thread *thread); /* sets slot and epoch; full is counted */
void stn_slot_fill(const struct stint_thread *thread);
void stn_slot_done(struct stint_thread *thread);    /* gives it back */
void stn_slot_settled(struct stint_thread *thread); /* joined, or detached: no longer joinable */
void stn_slot_succeeds(
    const struct stint_thread *thread); /* dead watchers of its name are forgotten */
void stn_slots_reset(void);

/* site.c */
uint32_t stn_site(enum stint_site_kind kind, const char *text, const char *file,
                  const char *function, unsigned line);       /* index + 1; 0 = none */
const struct stint_registry_site *stn_site_at(uint32_t site); /* NULL for none */

#endif
