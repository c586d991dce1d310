/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/heap_read.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/probe/proc.h"
#include "supervisor/probe/remote.h"

/*
 * Read out of its memory, without its help. It is not believed: what is no number, too many frames or a
 * stack that is being written again and again is left out, and counted.
 */

#define STACKS_MAX (1U << 16)
#define LABELS_MAX (1U << 16)
#define AT_ONCE    64 /* stacks copied by one call */
#define TRIES      16 /* for one that is being written */
#define LOOKS      4  /* at all of them, where sums are being moved */
#define AMOUNT_MAX 9e18

struct reading {
    struct remote memory;
    struct heap_copy *copy;
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
whole(struct reading *h, uint64_t at, struct stint_heap_stack *s)
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

/* Once through all of them. Those of the look before are forgotten. */
static int
stacks_copy(struct reading *h, struct stint_heap_stack *some)
{
    struct heap_copy *c = h->copy;
    uint32_t most = c->anchor.stacks;
    int r = 0;

    c->n = c->torn = c->wrong = 0;
    for (uint32_t i = 0; i < most && r == 0; i += AT_ONCE) {
        uint32_t n = most - i < AT_ONCE ? most - i : AT_ONCE;
        uint64_t at = c->anchor.table + (uint64_t)i * sizeof(*some);

        r = remote_read(&h->memory, at, some, n * sizeof(*some));
        for (uint32_t k = 0; k < n && r == 0; k++) {
            if (some[k].n == 0)
                continue;
            if (!whole(h, at + (uint64_t)k * sizeof(*some), &some[k]))
                c->torn++;
            else if (!is_sane(&some[k]))
                c->wrong++;
            else
                c->stacks[c->n++] = some[k];
        }
    }
    return r;
}

static int
stacks_read(struct reading *h, uint64_t anchor)
{
    auto_free struct stint_heap_stack *some = calloc(AT_ONCE, sizeof(*some));
    struct heap_copy *c = h->copy;
    const uint32_t most = c->anchor.stacks;
    int r = 0;

    c->stacks = calloc(most, sizeof(*c->stacks));
    if (!some || !c->stacks)
        return -ENOMEM;
    c->moving = true;
    for (int i = 0; i < LOOKS && r == 0 && c->moving; i++) {
        uint32_t folds = c->anchor.folds;

        r = stacks_copy(h, some);
        if (r == 0)
            r = remote_read(&h->memory, anchor, &c->anchor, sizeof(c->anchor));
        c->moving = folds % 2 != 0 || c->anchor.folds != folds;
        c->anchor.stacks = most; /* there is room for so many */
    }
    return r;
}

/* After the stacks: whoever is in one of them is in there by then. */
static int
labels_read(struct reading *h)
{
    struct heap_copy *c = h->copy;
    size_t bytes = c->anchor.labels * sizeof(*c->labels);
    int r;

    c->labels = calloc(c->anchor.labels, sizeof(*c->labels));
    if (!c->labels)
        return -ENOMEM;
    r = remote_read(&h->memory, c->anchor.label_table, c->labels, bytes);
    c->n_labels = r == 0 ? c->anchor.labels : 0;
    return r;
}

static bool
is_ours(const struct stint_heap_anchor *a)
{
    return a->magic == STINT_HEAP_MAGIC && a->stack_bytes == sizeof(struct stint_heap_stack) &&
           a->stacks > 0 && a->stacks <= STACKS_MAX &&
           a->label_bytes == sizeof(struct stint_heap_label) && a->labels > 0 &&
           a->labels <= LABELS_MAX && a->mean_bytes > 0;
}

int
heap_read(pid_t pid, struct heap_copy *ret, struct error *reterr)
{
    struct reading h = {.memory = {.pid = pid}, .copy = ret};
    struct stint_heap_anchor first;
    char yama[200];
    uint64_t at;
    int r = 0;

    at = anchor_find(pid, &r);
    if (at == 0)
        return r;
    r = remote_read(&h.memory, at, &first, sizeof(first));
    if (r == 0 && !is_ours(&first))
        return error_say(reterr, -EPROTO,
                         "process %d has the heap sampler of another version of stint", (int)pid);
    ret->anchor = first;
    if (r == 0 && first.pid == (uint32_t)pid) {
        r = stacks_read(&h, at);
        if (r == 0 && !is_ours(&ret->anchor)) /* it has changed under us */
            r = -EPROTO;
        if (r == 0)
            r = labels_read(&h);
    }
    if (r == -EPERM && proc_yama_refuses(yama, sizeof(yama)) > 0)
        return error_say(reterr, r, "the heap's sums in process %d may not be read: %s", (int)pid,
                         yama);
    return r < 0 ? error_set(reterr, r, "read the heap's sums in process %d", (int)pid) : 1;
}

void
heap_copy_finish(struct heap_copy *copy)
{
    free(copy->stacks);
    free(copy->labels);
    *copy = (struct heap_copy){0};
}
