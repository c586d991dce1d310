/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/probe/names.h"
#include "supervisor/probe/proc.h"
#include "supervisor/probe/remote.h"
#include "supervisor/profile/kinds.h"
#include "supervisor/profile/place.h"
#include "worker-api/heap/heap_table.h"

/*
 * The heap of a worker and of its children, as libstint-heap.so in each of them counts it: read out of
 * their memory, without their help. They are not believed: what is no number, too many frames or a
 * stack that is being written again and again is left out, and counted.
 */

#define PROCESSES_MAX 512
#define STACKS_MAX    (1U << 16)
#define AT_ONCE       64 /* stacks copied by one call */
#define TRIES         16 /* for one that is being written */
#define AMOUNT_MAX    9e18

struct family {
    pid_t pids[PROCESSES_MAX];
    size_t n;
};

struct heap {
    struct profile *p;
    const struct profile_target *target;
    struct remote memory;
    struct stint_heap_anchor anchor;
    struct stint_heap_stack *stacks; /* owned; those in use */
    size_t n;
    unsigned torn, wrong;
};

/* anchor_find - where the process has it; 0 = it has none. */
static uint64_t
anchor_find(pid_t pid, int *ret_error)
{
    char path[64], line[PATH_MAX + 128];
    uint64_t at = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    f = fopen(path, "re");
    *ret_error = f ? 0 : errno == ENOENT ? -ESRCH : -errno;
    while (f && at == 0 && fgets(line, sizeof(line), f))
        if (strstr(line, " /memfd:" STINT_HEAP_NAME " ") ||
            strstr(line, " /memfd:" STINT_HEAP_NAME "\n"))
            at = strtoull(line, NULL, 16);
    if (f)
        (void)fclose(f);
    return at;
}

static bool
is_amount(double v)
{
    return isfinite(v) && v > -1 && v < AMOUNT_MAX; /* rounding leaves a little less than nothing */
}

static bool
is_sane(const struct stint_heap_stack *s)
{
    return s->n <= STINT_HEAP_FRAMES && is_amount(s->objects[0]) && is_amount(s->objects[1]) &&
           is_amount(s->bytes[0]) && is_amount(s->bytes[1]);
}

/* whole - a copy that nobody wrote into meanwhile: its number is even, and the same before and after. */
static bool
whole(struct heap *h, uint64_t at, struct stint_heap_stack *s)
{
    for (int i = 0; i < TRIES; i++) {
        uint32_t before = s->seq, after;

        if (remote_read(&h->memory, at, &after, sizeof(after)) < 0)
            return false;
        if (before == after && before % 2 == 0)
            return true;
        if (remote_read(&h->memory, at, s, sizeof(*s)) < 0)
            return false;
    }
    return false;
}

static int
stacks_read(struct heap *h)
{
    auto_free struct stint_heap_stack *some = calloc(AT_ONCE, sizeof(*some));
    uint32_t most = h->anchor.stacks;
    int r = 0;

    h->stacks = calloc(most, sizeof(*h->stacks));
    if (!some || !h->stacks)
        return -ENOMEM;
    for (uint32_t i = 0; i < most && r == 0; i += AT_ONCE) {
        uint32_t n = most - i < AT_ONCE ? most - i : AT_ONCE;
        uint64_t at = h->anchor.table + (uint64_t)i * sizeof(*some);

        r = remote_read(&h->memory, at, some, n * sizeof(*some));
        for (uint32_t k = 0; k < n && r == 0; k++) {
            if (some[k].n == 0)
                continue;
            if (!whole(h, at + (uint64_t)k * sizeof(*some), &some[k]))
                h->torn++;
            else if (!is_sane(&some[k]))
                h->wrong++;
            else
                h->stacks[h->n++] = some[k];
        }
    }
    return r;
}

static int64_t
amount(double v)
{
    return v > 0 ? (int64_t)(v + 0.5) : 0;
}

static int
stack_add(struct heap *h, struct names *names, const struct stint_heap_stack *s,
          const struct profile_label *labels, size_t n_labels)
{
    struct profile_frame frames[STINT_HEAP_FRAMES];
    struct place places[STINT_HEAP_FRAMES];
    const int64_t values[] = {amount(s->objects[0]), amount(s->bytes[0]), amount(s->objects[1]),
                              amount(s->bytes[1])};

    for (uint32_t i = 0; i < s->n; i++) {
        int r = place_frame(h->p, names, s->pcs[i], true, &places[i], &frames[i]);

        if (r < 0)
            return r;
    }
    return profile_sample(h->p, frames, s->n, values, labels, n_labels);
}

static int
stacks_add(struct heap *h, struct names *names, int64_t deadline_us)
{
    struct profile_target t = *h->target;
    struct profile_label labels[PROFILE_TARGET_LABELS];
    size_t n_labels;
    int r = 0;

    t.pid = h->memory.pid; /* of the worker, or of a child of it */
    n_labels = profile_whose(&t, labels);
    for (size_t i = 0; i < h->n; i++)
        for (uint32_t k = 0; k < h->stacks[i].n; k++)
            names_want(names, h->stacks[i].pcs[k], true);
    (void)names_resolve(names, deadline_us); /* what was not found, is told by the note */
    for (size_t i = 0; i < h->n && r == 0; i++)
        r = stack_add(h, names, &h->stacks[i], labels, n_labels);
    return r;
}

static int
comments_add(struct heap *h, const struct names *names)
{
    const struct stint_heap_anchor *a = &h->anchor;
    pid_t pid = h->memory.pid;
    int r = profile_comment(h->p, "process %d: %" PRIu64 " samples, one in %" PRIu64 " bytes",
                            (int)pid, a->samples, a->mean_bytes);

    if (r == 0 && a->lost > 0)
        r = profile_comment(
            h->p, "process %d: %" PRIu64 " samples found no room, so the sums are too small",
            (int)pid, a->lost);
    if (r == 0 && h->torn + h->wrong > 0)
        r = profile_comment(h->p,
                            "process %d: %u stacks were being written, %u make no sense: left out",
                            (int)pid, h->torn, h->wrong);
    if (r == 0 && names_note(names)[0] != '\0')
        r = profile_comment(h->p, "process %d: %s", (int)pid, names_note(names));
    return r;
}

/* Return: 1: it is in the profile; 0: there is no sampler in it; or negative errno. */
static int
process_add(struct heap *h, int64_t deadline_us, struct error *reterr)
{
    struct names *names = NULL;
    pid_t pid = h->memory.pid;
    int r = 0;
    uint64_t at = anchor_find(pid, &r);

    if (at == 0)
        return r;
    r = remote_read(&h->memory, at, &h->anchor, sizeof(h->anchor));
    if (r < 0)
        return error_set(reterr, r, "read the heap's sums in process %d", (int)pid);
    if (h->anchor.magic != STINT_HEAP_MAGIC || h->anchor.stack_bytes != sizeof(*h->stacks) ||
        h->anchor.stacks == 0 || h->anchor.stacks > STACKS_MAX || h->anchor.mean_bytes == 0)
        return error_say(reterr, -EPROTO,
                         "process %d has the heap sampler of another version of stint", (int)pid);
    if (h->anchor.pid != (uint32_t)pid) { /* it has allocated next to nothing since it was forked */
        r = profile_comment(
            h->p,
            "process %d has what process %u had when it was forked, and no samples of its own",
            (int)pid, h->anchor.pid);
        return r < 0 ? r : 1;
    }
    r = stacks_read(h);
    if (r == 0)
        r = names_open(pid, &names, reterr);
    if (r == 0)
        r = stacks_add(h, names, deadline_us);
    if (r == 0)
        r = comments_add(h, names);
    names_close(names);
    return r < 0 ? error_set(reterr, r, "read the heap's sums in process %d", (int)pid) : 1;
}

static bool
on_child(void *env, const struct proc_stat *child)
{
    struct family *f = env;

    if (f->n < PROCESSES_MAX)
        f->pids[f->n++] = child->pid;
    return f->n < PROCESSES_MAX;
}

static void
said(struct profile *p, const struct heap *h)
{
    const struct profile_type space = {"space", "bytes"};
    int64_t now_ns = wall_now_us() * 1000, start_ns = (int64_t)h->anchor.start_ns;

    profile_period(p, space, (int64_t)h->anchor.mean_bytes);
    profile_time(p, now_ns, start_ns > 0 && start_ns < now_ns ? now_ns - start_ns : 0);
}

int
profile_heap(struct profile *p, const struct profile_target *t, const struct profile_wish *w,
             struct error *reterr)
{
    struct family family = {.pids = {t->pid}, .n = 1};
    unsigned found = 0;

    for (size_t i = 0; i < family.n; i++) {
        struct heap h = {.p = p, .target = t, .memory = {.pid = family.pids[i]}};
        struct error err = {0};
        int r = process_add(&h, w->until_us, &err);

        free(h.stacks);
        if (r == 1 && found++ == 0)
            said(p, &h);
        if (r < 0 && (i == 0 || r == -ENOMEM)) {
            if (reterr)
                *reterr = err;
            return err.text[0] != '\0' ? r
                                       : error_set(reterr, r, "look at process %d", (int)t->pid);
        }
        if (r < 0 && r != -ESRCH) /* a child: the others are told */
            (void)profile_comment(p, "process %d: %s", (int)family.pids[i], err.text);
        (void)proc_children(family.pids[i], NULL, on_child, &family); /* it may have gone */
        if (w->progress)
            w->progress(w->env, (unsigned)(100 * (i + 1) / family.n));
    }
    if (found == 0)
        return error_say(
            reterr, -ENODATA,
            "no heap is sampled in process %d: 'profiling: {heap: true}' loads libstint-heap.so "
            "into a "
            "service when it is started the next time; static and set-user-ID programs ignore it",
            (int)t->pid);
    return 0;
}
