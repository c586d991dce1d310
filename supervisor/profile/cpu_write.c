/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/probe/names.h"
#include "supervisor/profile/cpu_stacks_internal.h"
#include "supervisor/profile/kinds.h"
#include "supervisor/profile/place.h"
#include "supervisor/profile/profile.h"

#define KERNEL_START UINT64_C(0xffff800000000000)
#define KERNEL_FILE  "[kernel.kallsyms]" /* what pprof knows it by */

/* Room for the frames of one stack, so that thousands need no more than that. */
struct writing {
    struct profile *p;
    const struct profile_target *target;
    struct kernel_names *kernel;
    struct profile_frame frames[CPU_FRAMES_MAX];
    struct place places[CPU_FRAMES_MAX];
};

static int
frame_kernel(struct writing *w, const struct cpu_frame *f, struct profile_frame *ret)
{
    struct profile_mapping m = {
        .start = KERNEL_START, .limit = UINT64_MAX, .file = KERNEL_FILE, .has_functions = true};
    const char *name = kernel_names_find(w->kernel, f->pc - f->call);

    *ret = (struct profile_frame){.address = f->pc - f->call, .function = name ? name : "[kernel]"};
    return profile_mapping(w->p, &m, &ret->mapping);
}

static int
stack_write(struct writing *w, const struct cpu_stack *stack, int64_t period_ns)
{
    const struct cpu_labels *who = &stack->labels->labels;
    struct profile_target t = *w->target;
    struct profile_label labels[PROFILE_TARGET_LABELS + 3];
    size_t n_labels;
    const int64_t values[] = {(int64_t)stack->ticks, (int64_t)stack->ticks * period_ns};

    t.pid = stack->era->pid; /* of the worker, or of a child of it */
    n_labels = profile_whose(&t, labels);
    labels[n_labels++] = (struct profile_label){.key = "thread", .text = who->thread};
    labels[n_labels++] = (struct profile_label){.key = "scope", .text = who->scope};
    labels[n_labels++] = (struct profile_label){.key = "trace_id", .text = who->trace_id};
    for (size_t i = 0; i < stack->n; i++) {
        const struct cpu_frame *f = &stack->frames[i];
        int r = f->kernel ? frame_kernel(w, f, &w->frames[i])
                          : place_frame(w->p, stack->era->names, f->pc, f->call, &w->places[i],
                                        &w->frames[i]);

        if (r < 0)
            return r;
    }
    return profile_sample(w->p, w->frames, stack->n, values, labels, n_labels);
}

static bool
has_kernel(const struct cpu_stacks *stacks)
{
    for (const struct cpu_stack *s = stacks->first; s; s = s->next)
        if (s->n > 0 && s->frames[0].kernel)
            return true;
    return false;
}

int
cpu_stacks_write(struct cpu_stacks *stacks, struct profile *p, const struct profile_target *t,
                 int64_t period_ns, int64_t deadline_us, struct error *reterr)
{
    auto_free struct writing *w = calloc(1, sizeof(*w));
    int r = w ? 0 : -ENOMEM;

    for (const struct cpu_era *era = stacks->eras; era && r == 0; era = era->next) {
        if (!era->names)
            continue;
        (void)names_resolve(era->names, deadline_us); /* what was not found, is told by the note */
        if (names_note(era->names)[0] != '\0')
            r = profile_comment(p, "process %d: %s", (int)era->pid, names_note(era->names));
    }
    if (r == 0) {
        w->p = p;
        w->target = t;
        w->kernel = has_kernel(stacks) ? kernel_names_read() : NULL;
    }
    for (const struct cpu_stack *s = stacks->first; s && r == 0; s = s->next)
        r = stack_write(w, s, period_ns);
    if (w)
        kernel_names_free(w->kernel);
    return r < 0 ? error_set(reterr, r, "write down %zu stacks", stacks->n) : 0;
}
