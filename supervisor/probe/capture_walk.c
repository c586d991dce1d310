/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where each thread is: its stack is copied while it is where it was seen, and walked. */
#include "supervisor/probe/capture_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "supervisor/probe/capture_parts.h"
#include "supervisor/probe/capture_running.h"
#include "supervisor/probe/names.h"

#define STACK_COPY ((size_t)8 << 10) /* what lies beyond is read when it is needed */
#define EARLY_MAX  64                /* of newborns, copied at the look */
#define TRIES      5                 /* to see a stack of one that works in turns */
#define RESTS_MAX  64                /* ms, for all of them, with those of the looks */
#define BATCH      16                /* stacks that are copied by one call */

/* Stacks of those who wait, until there are enough of them. */
struct batch {
    struct remote_piece pieces[BATCH];
    size_t index[BATCH]; /* whose they are */
    size_t n;
    unsigned char *buf; /* borrowed: BATCH * STACK_COPY */
};

static size_t
stack_hash(const struct names_frame *frames, unsigned n)
{
    uint64_t hash = n;

    for (unsigned i = 0; i < n; i++)
        hash = (hash ^ frames[i].pc) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> 32) % WALKS_KNOWN;
}

static bool
same_frames(const struct names_frame *a, const struct names_frame *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (a[i].pc != b[i].pc || a[i].call != b[i].call || a[i].guessed != b[i].guessed)
            return false;
    return true;
}

/*
 * frames_keep - the @t->n_frames last that were found. A pool's threads wait in one place: the frames of
 * the first one do for all of them.
 */
static void
frames_keep(const struct capture *c, struct walks *walks, size_t i)
{
    unsigned n = c->facts->threads[i].n_frames;
    const struct names_frame *frames = walks->frames + walks->n;
    uint32_t *known = &walks->known[stack_hash(frames, n)];

    walks->of[i] = (struct walked){.first = walks->n, .like = i};
    if (*known > 0 && c->facts->threads[*known - 1].n_frames == n &&
        same_frames(frames, walks->frames + walks->of[*known - 1].first, n)) {
        walks->of[i] = walks->of[*known - 1];
        return;
    }
    *known = (uint32_t)i + 1;
    walks->n += n;
}

static int
stack_walk(const struct capture *c, struct walks *walks, size_t i, const void *bytes, size_t n)
{
    struct thread_facts *t = &c->facts->threads[i];
    struct names *names = walks->names;
    struct names_stack stack = {
        .sp = t->sp, .pc = t->pc, .bytes = n > 0 ? bytes : NULL, .n = n, .base = t->sp};

    if (walks->room - walks->n < FACTS_FRAMES_MAX) {
        size_t room = 2 * walks->room + FACTS_FRAMES_MAX;
        struct names_frame *more = reallocarray(walks->frames, room, sizeof(*more));

        if (!more)
            return -ENOMEM;
        walks->frames = more;
        walks->room = room;
    }
    t->n_frames = names_stack(names, &stack, walks->frames + walks->n, FACTS_FRAMES_MAX);
    frames_keep(c, walks, i);
    if (!t->main)
        t->start.pc = names_start(names, t->tid, &stack);
    if (t->object != 0)
        names_want_object(names, t->object);
    return 0;
}

void
capture_stack_early(struct capture *c, struct look *l)
{
    ssize_t n;

    if (!l->called || l->call.running || l->call.sp == 0 || c->n_early == EARLY_MAX)
        return;
    l->stack = malloc(STACK_COPY);
    n = l->stack ? remote_read_some(&c->memory, l->call.sp, l->stack, STACK_COPY) : 0;
    l->stack_n = n > 0 ? (size_t)n : 0;
    c->n_early++;
}

/*
 * stack_copy - what lies on the stack of a thread, while it is where it was seen: one that works in turns
 * may have gone on since, and then its stack is another's or nobody's. Return: bytes; -ESRCH: it is gone.
 */
static ssize_t
stack_copy(struct capture *c, struct thread_facts *t, void *buf)
{
    struct timespec moment = {.tv_nsec = 1000000};
    struct proc_syscall now;
    ssize_t n = 0;

    for (int i = 0; i < TRIES; i++) {
        n = remote_read_some(&c->memory, t->sp, buf, STACK_COPY);
        if (t->still)
            break;
        if (proc_syscall_read(c->req->pid, t->tid, &now) < 0)
            return -ESRCH;
        if (!now.running && now.sp == t->sp && now.pc == t->pc)
            break;
        if (!now.running && now.number == t->call) {
            t->sp = now.sp; /* it came there on another way */
            t->pc = now.pc;
        } else if (c->rests < RESTS_MAX) {
            c->rests++;
            (void)nanosleep(&moment, NULL);
        }
    }
    return n > 0 ? n : 0;
}

/* batch_walk - copy them, and walk each. */
static int
batch_walk(struct capture *c, struct walks *walks, struct batch *batch)
{
    int r = 0;

    remote_read_pieces(&c->memory, batch->pieces, batch->n);
    for (size_t k = 0; r == 0 && k < batch->n; k++)
        r = stack_walk(c, walks, batch->index[k], batch->pieces[k].to, batch->pieces[k].done);
    batch->n = 0;
    return r;
}

/* batch_add - thread @i, whose stack ends at @end or goes on behind what is copied. */
static void
batch_add(const struct capture *c, struct batch *batch, size_t i, uint64_t end)
{
    uint64_t sp = c->facts->threads[i].sp;

    batch->pieces[batch->n] =
        (struct remote_piece){.address = sp,
                              .to = batch->buf + batch->n * STACK_COPY,
                              .bytes = end - sp < STACK_COPY ? (size_t)(end - sp) : STACK_COPY};
    batch->index[batch->n++] = i;
}

/*
 * thread_walk - who waits, by what lies on his stack now. One that was where it was all the time is
 * there for long, and waits for others like it.
 */
static int
thread_walk(struct capture *c, struct walks *walks, struct batch *batch, size_t i)
{
    struct thread_facts *t = &c->facts->threads[i];
    const struct look *l = &c->second[i];
    uint64_t end;
    ssize_t n;

    if (t->sp == 0)
        return 0;
    if (l->stack)
        return stack_walk(c, walks, i, l->stack, l->stack_n);
    end = t->still ? names_area(walks->names, t->sp) : 0;
    if (end > 0) {
        batch_add(c, batch, i, end);
        return batch->n == BATCH ? batch_walk(c, walks, batch) : 0;
    }
    n = stack_copy(c, t, batch->buf + batch->n * STACK_COPY);
    /* without a copy, names read it themselves */
    return n >= 0 ? stack_walk(c, walks, i, batch->buf + batch->n * STACK_COPY, (size_t)n) : 0;
}

static int
walk_waiting(struct capture *c, struct walks *walks)
{
    auto_free unsigned char *buf = malloc(BATCH * STACK_COPY);
    struct batch batch = {.buf = buf};
    int r = buf ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < c->facts->n && !capture_late(c); i++)
        r = thread_walk(c, walks, &batch, i);
    return r == 0 ? batch_walk(c, walks, &batch) : r;
}

/* Who runs, by what the kernel notes at a tick. */
static int
walk_running(struct capture *c, struct walks *walks)
{
    auto_free struct running *who = calloc(RUNNING_MAX, sizeof(*who));
    size_t n = 0;
    int r = 0;

    if (!who)
        return -ENOMEM;
    for (size_t i = 0; i < c->facts->n && n < RUNNING_MAX; i++) {
        const struct thread_facts *t = &c->facts->threads[i];

        if (t->wait == WAIT_RUNNING && t->sp == 0 && !t->kernel) {
            who[n].tid = t->tid;
            who[n++].index = i;
        }
    }
    if (n > 0 && !capture_late(c))
        running_look(who, n, c->req->deadline_us);
    for (size_t k = 0; r == 0 && k < n; k++) {
        struct thread_facts *t = &c->facts->threads[who[k].index];

        if (!who[k].seen)
            continue;
        t->sp = who[k].sp;
        t->pc = who[k].pc;
        r = stack_walk(c, walks, who[k].index, who[k].bytes, who[k].n);
    }
    return r;
}

int
walks_take(struct capture *c, struct walks *walks)
{
    int r;

    walks->of = calloc(c->facts->n + 1, sizeof(*walks->of));
    for (size_t i = 0; walks->of && i < c->facts->n; i++)
        walks->of[i].like = i; /* of those without frames */
    r = walks->of ? walk_waiting(c, walks) : -ENOMEM;
    return r == 0 ? walk_running(c, walks) : r;
}

void
walks_finish(struct walks *walks)
{
    free(walks->frames);
    free(walks->of);
}
