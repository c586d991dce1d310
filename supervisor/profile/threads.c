/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/probe/capture.h"
#include "supervisor/probe/judge.h"
#include "supervisor/probe/names.h"
#include "supervisor/probe/proc.h"
#include "supervisor/profile/kinds.h"

/*
 * The threads of a process as a profile: each counts one at the stack that it has now, and its labels
 * say what the leak probe found out. Nobody is stopped. Two generations of a service differ in what one
 * of them has more: -diff_base shows it.
 */

#define NS_PER_US     1000
#define FRAMES        (FACTS_FRAMES_MAX + 2) /* what was cut, and where it began */
#define LABELS        (PROFILE_TARGET_LABELS + 8)
#define UNNAMED_MAX   96
#define PROCESSES_MAX 64

struct look {
    const struct process_facts *facts;
    const struct judgements *judgements;
    const struct profile_target *target;
    struct names *names; /* for the files that frames lie in; NULL: they have none */
};

/* What a frame is called that has no name: module and offset are the same in each process. */
struct frame_names {
    char text[FRAMES][UNNAMED_MAX];
};

static struct profile_frame
frame_of(const struct place *at, char room[UNNAMED_MAX])
{
    struct profile_frame f = {.address = at->pc,
                              .function = at->function,
                              .file = at->file[0] ? at->file : NULL,
                              .line = at->line <= INT_MAX ? (int)at->line : 0};

    if (at->function[0] != '\0')
        return f;
    if (at->unmapped)
        (void)snprintf(room, UNNAMED_MAX, "[unloaded]");
    else if (at->module[0] == '\0')
        (void)snprintf(room, UNNAMED_MAX, "[made at run time]");
    else
        (void)snprintf(room, UNNAMED_MAX, "%s+0x%" PRIx64, at->module, at->offset);
    f.function = room;
    return f;
}

/* Without a stack: what it does is all that is known of where it is. */
static struct profile_frame
no_stack(const struct thread_facts *t)
{
    return (struct profile_frame){.function = t->kernel                 ? "[a thread of the kernel]"
                                              : t->wait == WAIT_RUNNING ? "[running]"
                                                                        : "[stack not known]"};
}

/* Which file it lies in. Each frame has a name already, so nobody has to look for one in there. */
static uint64_t
mapping_of(struct profile *p, const struct look *l, uint64_t pc)
{
    struct names_mapping at;
    uint64_t id = 0;

    if (pc != 0 && l->names && names_mapping(l->names, pc, &at))
        (void)profile_mapping(p, /* no memory: it lies nowhere */
                              &(struct profile_mapping){.start = at.start,
                                                        .limit = at.end,
                                                        .offset = at.offset,
                                                        .file = at.path,
                                                        .build_id = at.build_id,
                                                        .has_functions = true,
                                                        .has_files = true,
                                                        .has_lines = true},
                              &id);
    return id;
}

/* pprof takes the first file there is for the program: it has to be the one that the main thread began in. */
static void
add_program(struct profile *p, const struct look *l)
{
    for (size_t i = 0; i < l->facts->n; i++) {
        const struct thread_facts *t = &l->facts->threads[i];

        if (t->main && t->n_frames > 0) {
            (void)mapping_of(p, l, t->frames[t->n_frames - 1].pc);
            return;
        }
    }
}

static size_t
frames_of(const struct thread_facts *t, struct profile_frame frames[FRAMES],
          struct frame_names *names)
{
    size_t n = 0;

    for (; n < t->n_frames; n++)
        frames[n] = frame_of(&t->frames[n], names->text[n]);
    if (n > 0 && n < FACTS_FRAMES_MAX)
        return n; /* it is whole */
    if (n == 0)
        frames[n++] = no_stack(t);
    else if (t->start.pc != 0)
        frames[n++] = (struct profile_frame){.function = "[more than was looked at]"};
    if (t->start.pc != 0) {
        frames[n] = frame_of(&t->start, names->text[n]);
        n++;
    }
    return n;
}

/* "watch_start src/config.c:88"; "" = not known. */
static void
creator_of(const struct thread_facts *t, char *to, size_t room)
{
    const struct claim *c = &t->claim;

    to[0] = '\0';
    if (!t->claimed || (c->creator_function[0] == '\0' && c->creator_file[0] == '\0'))
        return;
    (void)snprintf(to, room, "%s%s%s", c->creator_function, c->creator_function[0] ? " " : "",
                   c->creator_file);
    if (c->creator_file[0] != '\0' && c->creator_line > 0) {
        size_t n = strlen(to);

        (void)snprintf(to + n, room - n, ":%u", c->creator_line);
    }
}

static int
add_thread(struct profile *p, const struct look *l, size_t i)
{
    const struct thread_facts *t = &l->facts->threads[i];
    struct profile_frame frames[FRAMES];
    struct frame_names names;
    struct profile_label labels[LABELS];
    auto_text struct text wait = TEXT_INIT;
    size_t n = profile_whose(l->target, labels);
    bool believed = t->claimed && !l->facts->untrusted;
    char creator[256];
    const int64_t one = 1;
    size_t deep = frames_of(t, frames, &names);

    for (size_t k = 0; k < deep; k++)
        frames[k].mapping = mapping_of(p, l, frames[k].address);
    judge_wait(l->facts, l->judgements, i, &wait);
    creator_of(t, creator, sizeof(creator));
    labels[n++] = (struct profile_label){.key = "thread", .text = judge_name(l->facts, i)};
    labels[n++] = (struct profile_label){.key = "process", .text = l->facts->comm};
    labels[n++] = (struct profile_label){.key = "state", .text = wait_class_name(t->wait)};
    labels[n++] = (struct profile_label){.key = "verdict",
                                         .text = verdict_name(l->judgements->of[i].verdict)};
    labels[n++] = (struct profile_label){.key = "wait_object", .text = text_str(&wait)};
    labels[n++] = (struct profile_label){.key = "scope", .text = believed ? t->claim.scope : ""};
    labels[n++] =
        (struct profile_label){.key = "trace_id", .text = believed ? t->claim.trace_id : ""};
    labels[n++] = (struct profile_label){.key = "creator", .text = believed ? creator : ""};
    return profile_sample(p, frames, deep, &one, labels, n);
}

static int
add_comments(struct profile *p, const struct look *l)
{
    auto_text struct text words = TEXT_INIT;
    const struct process_facts *f = l->facts;
    int r;

    judge_summary(f, l->judgements, &words);
    r = profile_comment(p, "pid %d: %s (seen by %s)", (int)f->pid, text_str(&words),
                        evidence_grade_name(f->grade));
    if (r == 0 && f->note[0] != '\0')
        r = profile_comment(p, "pid %d: %s", (int)f->pid, f->note);
    if (r == 0 && f->n_threads > f->n)
        r = profile_comment(p, "pid %d: %zu more threads are not in it", (int)f->pid,
                            f->n_threads - f->n);
    return r;
}

static int
add_all(struct profile *p, const struct look *l)
{
    const struct profile_type type = {"threads", "count"};
    const struct process_facts *f = l->facts;
    int r = 0;

    profile_period(p, type, 1);
    profile_time(p, wall_now_us() * NS_PER_US, f->between_us * NS_PER_US);
    add_program(p, l);
    for (size_t i = 0; i < f->n && r == 0; i++)
        r = add_thread(p, l, i);
    return r < 0 ? r : add_comments(p, l);
}

/* One process: the worker, or one that it started. */
static int
add_process(struct profile *p, const struct profile_target *t, int64_t deadline_us,
            struct error *reterr)
{
    struct probe_request rq = {.pid = t->pid,
                               .registry_fd = t->registry_fd,
                               .cancelled_us = t->cancelled_us,
                               .grace_us = t->grace_us,
                               .between_us = PROBE_BETWEEN_US,
                               .deadline_us = deadline_us};
    struct process_facts facts = {0};
    struct judgements judgements = {0};
    struct look l = {.facts = &facts, .judgements = &judgements, .target = t};
    int r = probe_capture(&rq, &facts, reterr);

    if (r < 0)
        return r;
    (void)names_open(t->pid, &l.names, NULL); /* without it: no files */
    r = judge(&facts, &judgements);
    if (r == 0)
        r = add_all(p, &l);
    names_close(l.names);
    judgements_finish(&judgements);
    process_facts_finish(&facts);
    if (r < 0)
        return error_set(reterr, r, "write down the threads of process %d", (int)t->pid);
    return 0;
}

/* ---- those it started -------------------------------------------------------------------------- */

struct family {
    pid_t pids[PROCESSES_MAX]; /* the worker first; each before its children */
    size_t n, left_out;
};

static bool
on_child(void *env, const struct proc_stat *child)
{
    struct family *f = env;

    if (child->state == 'Z')
        return true;
    if (f->n < PROCESSES_MAX)
        f->pids[f->n++] = child->pid;
    else
        f->left_out++;
    return true;
}

/* nginx and gunicorn do their work in children; a profile of the one that waits for them is no use. */
static void
family_find(pid_t pid, struct family *f)
{
    *f = (struct family){.pids = {pid}, .n = 1};
    for (size_t i = 0; i < f->n; i++)
        (void)proc_children(f->pids[i], NULL, on_child, f); /* it is gone: it has none */
}

int
profile_threads(struct profile *p, const struct profile_target *t, const struct profile_wish *w,
                struct error *reterr)
{
    struct profile_target child = *t;
    struct error gone = {0};
    struct family f;
    int r;

    family_find(t->pid, &f);
    r = add_process(p, t, w->until_us, reterr);
    child.registry_fd = -1; /* it tells of the worker's own threads */
    for (size_t i = 1; i < f.n && r == 0 && mono_now_us() < w->until_us; i++) {
        if (w->progress)
            w->progress(w->env, (unsigned)(100 * i / f.n));
        child.pid = f.pids[i];
        if (add_process(p, &child, w->until_us, &gone) == -ENOMEM)
            r = error_set(reterr, -ENOMEM, "write down the threads of process %d", (int)child.pid);
    }
    if (r == 0 && f.left_out > 0)
        r = profile_comment(p, "pid %d: %zu more processes of it are not in it", (int)t->pid,
                            f.left_out);
    if (r < 0)
        return r;
    if (w->progress)
        w->progress(w->env, 100);
    return 0;
}
