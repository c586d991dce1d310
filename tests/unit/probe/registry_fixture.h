/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_PROBE_REGISTRY_FIXTURE_H
#define STINT_TESTS_UNIT_PROBE_REGISTRY_FIXTURE_H

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "supervisor/probe/registry.h"
#include "tests/unit/probe/registry_tables.h"
#include "tests/unit/unit.h"

/* A worker's view of its registry. */
static struct stint_registry_header *header;
static uint32_t *seqs;
static struct stint_registry_slot *slots;
static struct stint_registry_scope *scopes;
static struct stint_registry_site *sites;
static int registry;

static inline void
setup(void)
{
    struct error err;

    ck_assert_int_eq(registry_create(&registry, &err), 0);
    header = mmap(NULL, STINT_REGISTRY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, registry, 0);
    ck_assert_ptr_ne(header, MAP_FAILED);
    fixture_header(header);
    header->slots.used = 16;
    header->scopes.used = 8;
    header->sites.used = 8;
    seqs = (uint32_t *)(void *)((char *)header + header->seqs.offset);
    slots = (void *)((char *)header + header->slots.offset);
    scopes = (void *)((char *)header + header->scopes.offset);
    sites = (void *)((char *)header + header->sites.offset);
    header->magic = STINT_REGISTRY_MAGIC;
}

static inline void
teardown(void)
{
    ck_assert_int_eq(munmap(header, STINT_REGISTRY_BYTES), 0);
    ck_assert_int_eq(close(registry), 0);
}

static inline void
live(size_t i, const char *name)
{
    slots[i].state = STINT_SLOT_LIVE;
    slots[i].tid = (uint32_t)(1000 + i);
    (void)snprintf(slots[i].name, sizeof(slots[i].name), "%s", name);
}

static inline void
site(size_t i, uint32_t kind, const char *text, const char *file, uint32_t line)
{
    sites[i].kind = kind;
    sites[i].line = line;
    strcpy(sites[i].text, text);
    strcpy(sites[i].file, file);
    strcpy(sites[i].function, "f");
}

static inline void
scope(size_t i, uint32_t parent, const char *name)
{
    scopes[i] = (struct stint_registry_scope){
        .state = STINT_SCOPE_OPEN, .parent = parent, .grace_us = INT64_MAX};
    (void)snprintf(scopes[i].name, sizeof(scopes[i].name), "%s", name);
}

static inline struct registry_view
reads(void)
{
    struct registry_view v;
    struct error err = {0};

    ck_assert_msg(registry_read(registry, &v, &err) == 0, "%s", err.text);
    return v;
}

static inline void
read_fails(int code, const char *word)
{
    struct registry_view v;
    struct error err = {0};

    ck_assert_int_eq(registry_read(registry, &v, &err), code);
    ck_assert_msg(strstr(err.text, word) != NULL, "'%s' does not say '%s'", err.text, word);
}

#endif
