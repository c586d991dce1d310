/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where each thread is in its source: the names of the frames that capture_walk.c found. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/probe/capture_parts.h"
#include "supervisor/probe/capture_walk.h"
#include "supervisor/probe/names.h"

#define LEFT_US (20 * US_PER_MS) /* kept of the time for what comes behind the names */

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
    if (t->start.pc != 0)
        names_place(names, t->start.pc, false, &t->start);
    if (t->n_frames == FACTS_FRAMES_MAX)
        return; /* the outermost of them may be anywhere */
    for (unsigned i = t->n_frames; !t->main && !is_own(&t->start) && i-- > 0;)
        if (t->frames[i].business && (!t->start.business || is_own(&t->frames[i])))
            t->start = t->frames[i];
}

/* start_give - that of the thread whose frames it has, if both began at one place and that one has its name. */
static void
start_give(const struct walks *walks, struct process_facts *f, size_t i)
{
    const struct walked *w = &walks->of[i], *like = &walks->of[w->like];

    if (w->like < i && like->start == w->start && !f->threads[w->like].main && !f->threads[i].main)
        f->threads[i].start = f->threads[w->like].start;
    else
        start_name(walks->names, &f->threads[i]);
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

/* inherit - should a child have the facts? Each page of them that it shares costs a fault when it is gone. */
static void
inherit(const struct process_facts *f, bool yes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)f->threads,
              end = (begin + f->n * sizeof(*f->threads)) / page * page;

    begin = (begin + page - 1) / page * page; /* whole pages: beside them is other memory */
    if (begin < end)                          /* not permitted: so be it */
        (void)madvise((char *)f->threads + (begin - (uintptr_t)f->threads), end - begin,
                      yes ? MADV_DOFORK : MADV_DONTFORK);
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
    inherit(f, false);
    (void)names_resolve(names, c->req->deadline_us != 0 ? c->req->deadline_us - LEFT_US
                                                        : mono_now_us() + 30 * US_PER_S);
    inherit(f, true);
}

/* frames_give - those of each stack once; who is on one like it is pointed there. */
static void
frames_give(struct process_facts *f, const struct walks *walks)
{
    for (size_t k = 0; k < walks->n; k++)
        names_place(walks->names, walks->frames[k].pc, walks->frames[k].call, &f->places[k]);
    for (size_t i = 0; i < f->n; i++) {
        struct thread_facts *t = &f->threads[i];

        t->frames = &f->places[walks->of[i].first];
        if (t->claimed && t->claim.start_pc != 0 && !t->main)
            t->start.pc = t->claim.start_pc;
        walks->of[i].start = t->start.pc;
        if (walks->of[i].like == i)
            t->business = names_business(t->frames, t->n_frames);
    }
    for (size_t i = 0; i < f->n; i++)
        f->threads[i].business = f->threads[walks->of[i].like].business;
}

/* object_give - as the thread before it, when they wait for one thing. */
static void
object_give(struct names *names, struct process_facts *f, size_t i)
{
    struct thread_facts *t = &f->threads[i];

    if (t->object == 0)
        return;
    if (i > 0 && f->threads[i - 1].object == t->object)
        t->object_place = f->threads[i - 1].object_place;
    else
        (void)names_object(names, t->object, &t->object_place);
}

static void
names_give_all(struct process_facts *f, const struct walks *walks)
{
    struct names *names = walks->names;

    frames_give(f, walks);
    for (size_t i = 0; i < f->n; i++) {
        start_give(walks, f, i);
        object_give(names, f, i);
        second_opinion(&f->threads[i]);
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
    int r = walks_take(c, walks);

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
    struct walks walks = {.names = c->names};
    int r;

    if (c->memory.refused)
        c->names_note[0] = '\0'; /* one reason for all */
    if (!c->names || c->memory.refused)
        return 0; /* the note says why */
    r = stacks_read(c, &walks);
    if (r == 0)
        (void)snprintf(c->names_note, sizeof(c->names_note), "%s", names_note(c->names));
    walks_finish(&walks);
    return r;
}
