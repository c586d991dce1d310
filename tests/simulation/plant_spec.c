/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Planted bugs of a core that misreads its configuration: I3, I7, I8, depends, oneshot. */
#include "tests/simulation/plant.h"

void
let_more_drain(struct spec *c)
{
    for (size_t i = 0; i < c->n_services; i++)
        c->services[i]->max_draining += 2;
}

void
start_all_at_once(struct spec *c)
{
    c->max_starting = 0;
}

void
stop_at_leisure(struct spec *c)
{
    c->stop_budget_us *= 4;
}

void
retry_without_pause(struct spec *c)
{
    for (size_t i = 0; i < c->n_services; i++)
        c->services[i]->backoff_first_us = c->services[i]->backoff_max_us = 0;
}

void
never_give_up(struct spec *c)
{
    for (size_t i = 0; i < c->n_services; i++)
        c->services[i]->limit_count += 20;
}

void
give_all_up(struct spec *c)
{
    for (size_t i = 0; i < c->n_services; i++)
        c->services[i]->give_up = true;
}

void
depend_on_nobody(struct spec *c)
{
    for (size_t i = 0; i < c->n_services; i++)
        strv_finish(&c->services[i]->depends_on);
}

void
run_no_hooks(struct spec *c)
{
    for (size_t i = 0; i < c->n_services; i++)
        for (int h = HOOK_NONE + 1; h < HOOK_COUNT; h++)
            strv_finish(&c->services[i]->hooks[h].command);
}

void
try_all_again(struct spec *c)
{
    for (size_t i = 0; i < c->n_services; i++)
        c->services[i]->retry = true;
}

void
open_all_doors(struct spec *c)
{
    for (size_t i = 0; i < c->n_services; i++)
        c->services[i]->require_preflight = false;
}
