/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/plain.h"
#include "base/units.h"
#include "supervisor/probe/names.h"
#include "supervisor/probe/proc.h"
#include "supervisor/profile/heap_read.h"
#include "supervisor/profile/kinds.h"
#include "supervisor/profile/place.h"

/* The heap of a worker and of its children as a profile: heap_read.c copies what each of them counted. */

#define PROCESSES_MAX 512
#define LABELS        (PROFILE_TARGET_LABELS + 4)

struct family {
    pid_t pids[PROCESSES_MAX];
    size_t n;
};

struct heap {
    struct profile *p;
    const struct profile_target *target;
    pid_t pid; /* of the target, or of a child of it */
    struct heap_copy copy;
};

/* As texts: what a label points to. */
struct who {
    char thread[sizeof(((struct stint_heap_label *)0)->thread) + 1];
    char scope[sizeof(((struct stint_heap_label *)0)->scope) + 1];
    char trace_id[33];
    char creator[256];
};

static int64_t
amount(double v)
{
    return v > 0 ? (int64_t)(v + 0.5) : 0;
}

/* ---- Who allocated ------------------------------------------------------------------------ */

static void
text(char *to, const char *from, size_t n)
{
    n = strnlen(from, n);
    memcpy(to, from, n);
    to[n] = '\0';
    plain_text(to);
}

/* "watch_start src/config.c:88", as in a profile of threads; "" = not known. */
static void
creator_of(const struct stint_heap_label *l, struct names *names, char *to, size_t room)
{
    char function[sizeof(l->function) + 1], file[sizeof(l->file) + 1];
    struct place at = {.line = l->line};
    size_t n;

    text(function, l->function, sizeof(l->function));
    text(file, l->file, sizeof(l->file));
    if (function[0] == '\0' && l->creator_pc != 0) {
        names_place(names, l->creator_pc, true, &at);
        (void)snprintf(function, sizeof(function), "%s", at.function);
        if (file[0] == '\0')
            (void)snprintf(file, sizeof(file), "%s", at.file);
        else
            at.line = l->line;
    }
    n = (size_t)snprintf(to, room, "%s%s%s", function, function[0] && file[0] ? " " : "", file);
    if (file[0] != '\0' && at.line > 0 && n < room)
        (void)snprintf(to + n, room - n, ":%u", (unsigned)at.line);
}

static const struct stint_heap_label *
label_of(const struct heap *h, const struct stint_heap_stack *s)
{
    return s->label > 0 && s->label <= h->copy.n_labels && h->copy.labels[s->label - 1].used
               ? &h->copy.labels[s->label - 1]
               : NULL;
}

/* Return: how many labels there are; they point into @who. */
static size_t
who_of(const struct heap *h, struct names *names, const struct stint_heap_stack *s, struct who *who,
       struct profile_label *labels)
{
    static const uint8_t none[sizeof(s->trace_id)];
    const struct stint_heap_label *l = label_of(h, s);
    size_t n = 0;

    memset(who, 0, sizeof(*who));
    if (l) {
        text(who->thread, l->thread, sizeof(l->thread));
        text(who->scope, l->scope, sizeof(l->scope));
        creator_of(l, names, who->creator, sizeof(who->creator));
    }
    for (size_t i = 0; memcmp(s->trace_id, none, sizeof(none)) != 0 && i < sizeof(none); i++)
        (void)snprintf(who->trace_id + 2 * i, 3, "%02x", s->trace_id[i]);
    labels[n++] = (struct profile_label){.key = "thread", .text = who->thread};
    labels[n++] = (struct profile_label){.key = "scope", .text = who->scope};
    labels[n++] = (struct profile_label){.key = "trace_id", .text = who->trace_id};
    labels[n++] = (struct profile_label){.key = "creator", .text = who->creator};
    return n;
}

/* ---- Their sums --------------------------------------------------------------------------- */

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
    const struct heap_copy *c = &h->copy;
    struct profile_target t = *h->target;
    struct profile_label labels[LABELS];
    struct who who;
    size_t n_labels;
    int r = 0;

    t.pid = h->pid;
    n_labels = profile_whose(&t, labels);
    for (size_t i = 0; i < c->n; i++)
        for (uint32_t k = 0; k < c->stacks[i].n; k++)
            names_want(names, c->stacks[i].pcs[k], true);
    for (size_t i = 0; i < c->n_labels; i++)
        if (c->labels[i].used && c->labels[i].creator_pc != 0)
            names_want(names, c->labels[i].creator_pc, true);
    (void)names_resolve(names, deadline_us); /* what was not found, is told by the note */
    for (size_t i = 0; i < c->n && r == 0; i++) {
        size_t n = who_of(h, names, &c->stacks[i], &who, labels + n_labels);

        r = stack_add(h, names, &c->stacks[i], labels, n_labels + n);
    }
    return r;
}

static int
comments_add(struct heap *h, const struct names *names)
{
    const struct stint_heap_anchor *a = &h->copy.anchor;
    pid_t pid = h->pid;
    int r = profile_comment(h->p, "process %d: %" PRIu64 " samples, one in %" PRIu64 " bytes",
                            (int)pid, a->samples, a->mean_bytes);

    if (r == 0 && a->lost > 0)
        r = profile_comment(
            h->p, "process %d: %" PRIu64 " samples found no room, so the sums are too small",
            (int)pid, a->lost);
    if (r == 0 && h->copy.torn + h->copy.wrong > 0)
        r = profile_comment(h->p,
                            "process %d: %u stacks were being written, %u make no sense: left out",
                            (int)pid, h->copy.torn, h->copy.wrong);
    if (r == 0 && a->unlabelled > 0)
        r = profile_comment(h->p,
                            "process %d: %" PRIu64 " samples are without thread, scope and creator",
                            (int)pid, a->unlabelled);
    if (r == 0 && a->untraced > 0)
        r = profile_comment(h->p,
                            "process %d: %" PRIu64
                            " samples are without their trace: more are in use than there "
                            "is room for",
                            (int)pid, a->untraced);
    if (r == 0 && h->copy.moving)
        r = profile_comment(h->p,
                            "process %d: sums were being moved, some may be in it twice or missing",
                            (int)pid);
    if (r == 0 && names_note(names)[0] != '\0')
        r = profile_comment(h->p, "process %d: %s", (int)pid, names_note(names));
    return r;
}

/* Return: 1: it is in the profile; 0: there is no sampler in it; or negative errno. */
static int
process_add(struct heap *h, int64_t deadline_us, struct error *reterr)
{
    struct names *names = NULL;
    int r = heap_read(h->pid, &h->copy, reterr);

    if (r <= 0)
        return r;
    if (h->copy.anchor.pid != (uint32_t)h->pid) { /* next to nothing since it was forked */
        r = profile_comment(
            h->p,
            "process %d has what process %u had when it was forked, and no samples of its own",
            (int)h->pid, h->copy.anchor.pid);
        return r < 0 ? r : 1;
    }
    r = names_open(h->pid, &names, reterr);
    if (r == 0)
        r = stacks_add(h, names, deadline_us);
    if (r == 0)
        r = comments_add(h, names);
    names_close(names);
    return r < 0 ? error_set(reterr, r, "tell the heap of process %d", (int)h->pid) : 1;
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
    int64_t now_ns = wall_now_us() * 1000, start_ns = (int64_t)h->copy.anchor.start_ns;

    profile_period(p, space, (int64_t)h->copy.anchor.mean_bytes);
    profile_time(p, now_ns, start_ns > 0 && start_ns < now_ns ? now_ns - start_ns : 0);
}

int
profile_heap(struct profile *p, const struct profile_target *t, const struct profile_wish *w,
             struct error *reterr)
{
    struct family family = {.pids = {t->pid}, .n = 1};
    unsigned found = 0;

    for (size_t i = 0; i < family.n; i++) {
        struct heap h = {.p = p, .target = t, .pid = family.pids[i]};
        struct error err = {0};
        int r = process_add(&h, w->until_us, &err);

        heap_copy_finish(&h.copy);
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
