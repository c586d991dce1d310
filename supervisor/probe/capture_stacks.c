/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where each thread is in its source: pcs of all first, then their names at once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/probe/capture_parts.h"
#include "supervisor/probe/capture_running.h"
#include "supervisor/probe/names.h"

#define STACK_COPY ((size_t)8 << 10) /* what lies beyond is read when it is needed */
#define EARLY_MAX  64                /* of newborns, copied at the look */
#define TRIES      5                 /* to see a stack of one that works in turns */
#define RESTS_MAX  64                /* ms, for all of them, with those of the looks */
#define LEFT_US    (20 * US_PER_MS)  /* kept of the time for what comes behind the names */

/* The frames of all threads, until they have names: there are few, and a place is large. */
struct walks {
    struct names *names;
    struct names_frame *frames; /* owned */
    size_t *first;              /* owned: of each thread, among them */
    size_t n, room;
};

static int
stack_walk(struct walks *walks, struct thread_facts *t, size_t *first, const void *bytes, size_t n)
{
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
    *first = walks->n;
    t->n_frames = names_stack(names, &stack, walks->frames + walks->n, FACTS_FRAMES_MAX);
    walks->n += t->n_frames;
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

/* Who waits, by what lies on his stack now. */
static int
walk_waiting(struct capture *c, struct walks *walks)
{
    auto_free unsigned char *buf = malloc(STACK_COPY);
    int r = 0;

    if (!buf)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < c->facts->n && !capture_late(c); i++) {
        struct thread_facts *t = &c->facts->threads[i];
        const struct look *l = &c->second[i];
        ssize_t n = 0;

        if (t->sp != 0 && !l->stack)
            n = stack_copy(c, t, buf);
        if (t->sp != 0 && n >= 0) /* without a copy, names read it themselves */
            r = stack_walk(walks, t, &walks->first[i], l->stack ? l->stack : buf,
                           l->stack ? l->stack_n : (size_t)n);
    }
    return r;
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
        r = stack_walk(walks, t, &walks->first[who[k].index], who[k].bytes, who[k].n);
    }
    return r;
}

/* The locks of the C library all wait in one way; memory told them apart, and here is who called. */
static bool
like_a_condition(enum wait_class wait)
{
    return wait == WAIT_COND || wait == WAIT_SEM || wait == WAIT_RWLOCK;
}

static bool
is_lock(enum wait_class wait)
{
    return like_a_condition(wait) || wait == WAIT_MUTEX || wait == WAIT_BARRIER ||
           wait == WAIT_JOIN;
}

/*
 * second_opinion - the function that waits has a name, too. It decides where memory did not, and
 * among those that memory can mistake for each other. A mutex it does not touch: who waits for one
 * within pthread_cond_wait() is past the condition.
 */
static void
second_opinion(struct thread_facts *t)
{
    for (unsigned i = 0; i < t->n_frames && (!t->frames[i].business || t->frames[i].library); i++) {
        enum wait_class said = names_wait_class(t->frames[i].function);

        if (!is_lock(said) || said == t->wait)
            continue;
        if (t->wait == WAIT_FUTEX || (like_a_condition(t->wait) && like_a_condition(said))) {
            t->wait = said;
            t->object_note[0] = '\0';
            t->owner = 0;
            t->owner_gone = false;
        }
        return;
    }
}

static bool
is_own(const struct place *at)
{
    return at->business && !at->library;
}

/*
 * start_name - the function that somebody gave to it. The C library only knows the one it was given
 * itself, and that may be a wrapper: of libstint, of std::thread, of a sanitizer, of GLib.
 */
static void
start_name(struct names *names, struct thread_facts *t)
{
    if (t->claimed && t->claim.start_pc != 0 && !t->main)
        t->start.pc = t->claim.start_pc;
    if (t->start.pc != 0)
        names_place(names, t->start.pc, false, &t->start);
    if (t->n_frames == FACTS_FRAMES_MAX)
        return; /* the outermost of them may be anywhere */
    for (unsigned i = t->n_frames; !t->main && !is_own(&t->start) && i-- > 0;)
        if (t->frames[i].business && (!t->start.business || is_own(&t->frames[i])))
            t->start = t->frames[i];
}

static void
names_give(struct names *names, struct thread_facts *t, const struct names_frame *frames,
           struct place *places)
{
    t->frames = places;
    for (unsigned i = 0; i < t->n_frames; i++)
        names_place(names, frames[i].pc, frames[i].call, &places[i]);
    t->business = names_business(t->frames, t->n_frames);
    start_name(names, t);
    if (t->object != 0)
        (void)names_object(names, t->object, &t->object_place);
    second_opinion(t);
}

static void
claims_want(struct names *names, const struct claim *claim)
{
    if (claim->start_pc != 0)
        names_want(names, claim->start_pc, false);
    if (claim->creator_pc != 0)
        names_want(names, claim->creator_pc, true);
}

/* creator_name - where it was started, if the process only told the address of that. */
static void
creator_name(struct names *names, struct claim *claim)
{
    struct place at;

    if (claim->creator_pc == 0 || claim->creator_function[0] != '\0')
        return;
    names_place(names, claim->creator_pc, true, &at);
    memcpy(claim->creator_function, at.function, sizeof(claim->creator_function) - 1);
    if (claim->creator_file[0] == '\0') {
        memcpy(claim->creator_file, at.file, sizeof(claim->creator_file) - 1);
        claim->creator_line = at.line;
    }
}

static void
names_find(struct capture *c, struct names *names)
{
    struct process_facts *f = c->facts;

    for (size_t i = 0; i < f->n; i++)
        if (f->threads[i].claimed)
            claims_want(names, &f->threads[i].claim);
    for (size_t i = 0; i < f->n_dead; i++)
        claims_want(names, &f->dead[i].claim);
    (void)names_resolve(names, c->req->deadline_us != 0 ? c->req->deadline_us - LEFT_US
                                                        : mono_now_us() + 30 * US_PER_S);
}

static void
names_give_all(struct process_facts *f, const struct walks *walks)
{
    struct names *names = walks->names;

    for (size_t i = 0; i < f->n; i++) {
        size_t first = walks->first[i];

        names_give(names, &f->threads[i], &walks->frames[first], &f->places[first]);
    }
    for (size_t i = 0; i < f->n; i++)
        if (f->threads[i].claimed)
            creator_name(names, &f->threads[i].claim);
    for (size_t i = 0; i < f->n_dead; i++)
        creator_name(names, &f->dead[i].claim);
}

static int
stacks_read(struct capture *c, struct walks *walks)
{
    int r;

    walks->first = calloc(c->facts->n + 1, sizeof(*walks->first));
    r = walks->first ? walk_waiting(c, walks) : -ENOMEM;
    if (r == 0)
        r = walk_running(c, walks);
    if (r == 0 && !(c->facts->places = calloc(walks->n + 1, sizeof(*c->facts->places))))
        r = -ENOMEM;
    if (r == 0) {
        names_find(c, walks->names);
        names_give_all(c->facts, walks);
    }
    for (size_t i = 0; r < 0 && i < c->facts->n; i++)
        c->facts->threads[i].n_frames = 0;
    return r;
}

int
capture_stacks(struct capture *c)
{
    struct walks walks = {0};
    struct error err = {0};
    int r;

    if (c->calls_refused || c->memory.refused || c->foreign_abi)
        return 0; /* the note says why */
    r = names_open(c->req->pid, &walks.names, &err);
    if (r < 0) {
        (void)snprintf(c->names_note, sizeof(c->names_note), "%s", err.text);
        return r == -ENOMEM ? r : 0;
    }
    r = stacks_read(c, &walks);
    if (r == 0)
        (void)snprintf(c->names_note, sizeof(c->names_note), "%s", names_note(walks.names));
    names_close(walks.names);
    free(walks.frames);
    free(walks.first);
    return r;
}
