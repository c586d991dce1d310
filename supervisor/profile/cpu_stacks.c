/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/cpu_stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/probe/names.h"
#include "supervisor/profile/cpu_stacks_internal.h"

#define STACKS_MAX 200000            /* different ones; a profile of them has some 50 MiB */
#define ERAS_MAX   16                /* of one process */
#define ERA_MIN    (100 * US_PER_MS) /* between two looks at its maps */

/* ---- Processes ----------------------------------------------------------------------------- */

static struct cpu_era *
era_open(struct cpu_stacks *stacks, pid_t pid, unsigned number)
{
    struct cpu_era *era = calloc(1, sizeof(*era));

    if (!era)
        return NULL;
    era->pid = pid;
    era->number = number;
    era->opened_us = mono_now_us();
    (void)names_open(pid, &era->names, NULL); /* gone already: pcs without meaning */
    era->next = stacks->eras;
    stacks->eras = era;
    return era;
}

static struct cpu_era *
era_of(struct cpu_stacks *stacks, pid_t pid)
{
    struct cpu_era *era = stacks->eras;

    while (era && era->pid != pid)
        era = era->next;
    if (era && (!era->over || era->number + 1 >= ERAS_MAX))
        return era;
    return era_open(stacks, pid, era ? era->number + 1 : 0);
}

void
cpu_stacks_exec(struct cpu_stacks *stacks, pid_t pid)
{
    for (struct cpu_era *era = stacks->eras; era; era = era->next)
        if (era->pid == pid)
            era->over = true;
}

/* ---- Frames -------------------------------------------------------------------------------- */

static size_t
walk(const struct cpu_era *era, const struct cpu_sample *s, struct cpu_frame *frames, size_t n)
{
    struct names_frame found[CPU_FRAMES_MAX];
    struct names_stack stack = {.sp = s->sp,
                                .pc = s->pc,
                                .bytes = s->stack,
                                .n = s->stack_n,
                                .base = s->stack_at,
                                .registers = s->registers,
                                .gone = true};
    unsigned n_found;

    if (s->pc == 0)
        return n;
    n_found =
        era->names ? names_stack(era->names, &stack, found, (unsigned)(CPU_FRAMES_MAX - n)) : 0;
    if (n_found == 0)
        frames[n++] = (struct cpu_frame){.pc = s->pc};
    for (unsigned i = 0; i < n_found; i++)
        frames[n++] = (struct cpu_frame){.pc = found[i].pc, .call = found[i].call};
    return n;
}

/* A frame that was no code when the maps were read: something was loaded since. */
static bool
strange(const struct cpu_era *era, const struct cpu_frame *frames, size_t n)
{
    for (size_t i = 0; era->names && i < n; i++)
        if (!frames[i].kernel && !names_code(era->names, frames[i].pc - frames[i].call))
            return true;
    return false;
}

static size_t
frames_of(struct cpu_stacks *stacks, struct cpu_era **era, const struct cpu_sample *s,
          struct cpu_frame *frames)
{
    size_t n_kernel = 0, n;

    for (; n_kernel < s->n_kernel && n_kernel < CPU_FRAMES_MAX / 2; n_kernel++)
        frames[n_kernel] =
            (struct cpu_frame){.pc = s->kernel[n_kernel], .call = n_kernel > 0, .kernel = true};
    n = walk(*era, s, frames, n_kernel);
    if (strange(*era, frames, n) && (*era)->number + 1 < ERAS_MAX &&
        mono_now_us() - (*era)->opened_us > ERA_MIN) {
        struct cpu_era *anew = era_open(stacks, s->pid, (*era)->number + 1);

        if (anew) {
            (*era)->over = true;
            *era = anew;
            n = walk(anew, s, frames, n_kernel);
        }
    }
    return n;
}

/* ---- What is equal is one ------------------------------------------------------------------ */

static const struct cpu_known_labels *
labels_of(struct cpu_stacks *stacks, const struct cpu_labels *labels)
{
    struct cpu_known_labels *known;
    uint64_t key = digest_of(labels, sizeof(*labels)).low;

    for (struct table_node *node = table_find(&stacks->labels, key); node;
         node = table_next(node)) {
        known = container_of(node, struct cpu_known_labels, node);
        if (memcmp(&known->labels, labels, sizeof(*labels)) == 0)
            return known;
    }
    known = calloc(1, sizeof(*known));
    if (!known)
        return NULL;
    memcpy(&known->labels, labels, sizeof(*labels));
    table_add(&stacks->labels, &known->node, key);
    return known;
}

static bool
same_frames(const struct cpu_frame *a, const struct cpu_frame *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].pc != b[i].pc || a[i].call != b[i].call || a[i].kernel != b[i].kernel)
            return false;
    return true;
}

static struct cpu_stack *
stack_of(struct cpu_stacks *stacks, const struct cpu_era *era,
         const struct cpu_known_labels *labels, const struct cpu_frame *frames, size_t n)
{
    uint64_t pcs[CPU_FRAMES_MAX + 2], key;
    struct cpu_stack *stack;

    for (size_t i = 0; i < n; i++)
        pcs[i] = frames[i].pc;
    pcs[n] = (uint64_t)(uintptr_t)era;
    pcs[n + 1] = (uint64_t)(uintptr_t)labels;
    key = digest_of(pcs, (n + 2) * sizeof(pcs[0])).low;
    for (struct table_node *node = table_find(&stacks->by_content, key); node;
         node = table_next(node)) {
        stack = container_of(node, struct cpu_stack, node);
        if (stack->era == era && stack->labels == labels && stack->n == n &&
            same_frames(stack->frames, frames, n))
            return stack;
    }
    if (stacks->n >= STACKS_MAX)
        return NULL;
    stack = calloc(1, sizeof(*stack) + n * sizeof(stack->frames[0]));
    if (!stack)
        return NULL;
    stack->era = era;
    stack->labels = labels;
    stack->n = n;
    memcpy(stack->frames, frames, n * sizeof(frames[0]));
    stack->next = stacks->first;
    stacks->first = stack;
    stacks->n++;
    table_add(&stacks->by_content, &stack->node, key);
    return stack;
}

void
cpu_stacks_add(struct cpu_stacks *stacks, const struct cpu_sample *sample,
               const struct cpu_labels *labels)
{
    struct cpu_frame frames[CPU_FRAMES_MAX];
    const struct cpu_known_labels *known = labels_of(stacks, labels);
    struct cpu_era *era = era_of(stacks, sample->pid);
    struct cpu_stack *stack = NULL;

    if (era && known) {
        size_t n = frames_of(stacks, &era, sample, frames);

        stack = stack_of(stacks, era, known, frames, n);
    }
    if (!stack) {
        stacks->counts.dropped += sample->ticks;
        return;
    }
    stack->samples++;
    stack->ticks += sample->ticks;
    stacks->counts.samples++;
    stacks->counts.ticks += sample->ticks;
    if (!era->names)
        stacks->counts.bare++;
}

/* ---- All ----------------------------------------------------------------------------------- */

int
cpu_stacks_new(struct cpu_stacks **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : -ENOMEM;
}

static void
labels_forget(struct table *t)
{
    for (size_t i = 0; i < (t->n_buckets ? t->n_buckets : 1); i++) {
        struct table_node *node = t->n_buckets ? t->buckets[i] : t->single;

        while (node) {
            struct cpu_known_labels *known = container_of(node, struct cpu_known_labels, node);

            node = node->next;
            free(known);
        }
    }
    table_finish(t);
}

void
cpu_stacks_free(struct cpu_stacks *stacks)
{
    if (!stacks)
        return;
    while (stacks->first) {
        struct cpu_stack *stack = stacks->first;

        stacks->first = stack->next;
        free(stack);
    }
    while (stacks->eras) {
        struct cpu_era *era = stacks->eras;

        stacks->eras = era->next;
        names_close(era->names);
        free(era);
    }
    labels_forget(&stacks->labels);
    table_finish(&stacks->by_content);
    free(stacks);
}

const struct cpu_stacks_counts *
cpu_stacks_counts(const struct cpu_stacks *stacks)
{
    return &stacks->counts;
}
