/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "worker-api/state.h"

struct stint_scope *
stint_generation_open_at(struct stint_birth birth)
{
    uint64_t number = __atomic_add_fetch(&stn.generations, 1, __ATOMIC_RELAXED);
    char name[STINT_NAME_MAX];

    (void)snprintf(name, sizeof(name), "generation %llu", (unsigned long long)number);
    if (!birth.name)
        birth.name = name;
    return stn_scope_make(NULL, birth, number, STINT_NEVER);
}

uint64_t
stint_generation_number(const struct stint_scope *scope)
{
    return scope ? scope->generation : 0;
}

int
stint_generation_retire(struct stint_scope *generation, int64_t grace_us, const char *text)
{
    int64_t now_us = stint_now_us();
    int left;

    if (!generation)
        return 0;
    stn_scope_ask(generation, STINT_CAUSE_RETIRED, text ? text : generation->name, grace_us);
    left = (int)__atomic_load_n(&generation->threads, __ATOMIC_ACQUIRE);
    if (left > 0)
        stn_look(grace_us >= STINT_NEVER - now_us ? STINT_NEVER : now_us + grace_us,
                 generation->generation, generation->name);
    stn_scope_give_up(generation, STINT_SCOPE_RETIRED);
    return left;
}
