/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/cpu_who.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/plain.h"
#include "base/table.h"
#include "base/units.h"
#include "supervisor/probe/proc.h"
#include "supervisor/probe/registry.h"

#define AT_ONCE     500 /* µs: what a look says so soon after the sample is what was */
#define COST_SHARE  50  /* looking takes one part in so many of the time */
#define THREADS_MAX 65536

struct thread {
    struct table_node node; /* by tid */
    pid_t pid;
    uint64_t start_time; /* 0 = it was gone before it could be asked */
    char comm[48];
};

/* The registry at one moment. */
struct look {
    struct registry_copy copy;
    struct registry_view view;
    int64_t at_us; /* when it was begun; 0 = there is none */
};

struct cpu_who {
    pid_t pid;
    int registry_fd;
    struct look looks[2]; /* the newer one is looks[newer] */
    unsigned newer;
    int64_t next_us; /* not before that */
    struct table threads;
};

int
cpu_who_new(struct cpu_who **ret, pid_t pid, int registry_fd)
{
    struct cpu_who *who = calloc(1, sizeof(*who));

    if (!who)
        return -ENOMEM;
    who->pid = pid;
    who->registry_fd = registry_fd;
    *ret = who;
    return 0;
}

void
cpu_who_free(struct cpu_who *who)
{
    struct table *t = who ? &who->threads : NULL;

    for (size_t i = 0; t && i < (t->n_buckets ? t->n_buckets : 1); i++) {
        struct table_node *node = t->n_buckets ? t->buckets[i] : t->single;

        while (node) {
            struct thread *thread = container_of(node, struct thread, node);

            node = node->next;
            free(thread);
        }
    }
    if (!who)
        return;
    table_finish(t);
    for (unsigned i = 0; i < 2; i++) {
        registry_view_finish(&who->looks[i].view);
        registry_copy_finish(&who->looks[i].copy);
    }
    free(who);
}

void
cpu_who_look(struct cpu_who *who)
{
    struct look *look = &who->looks[!who->newer];
    int64_t now_us = mono_now_us();

    if (who->registry_fd < 0 || now_us < who->next_us)
        return;
    registry_view_finish(&look->view);
    look->at_us = 0;
    if (registry_copy_take(who->registry_fd, &look->copy, NULL) == 0 &&
        registry_parse(&look->copy, &look->view, NULL) == 0 && !look->view.untrusted)
        look->at_us = now_us;
    who->newer = !who->newer;
    who->next_us = now_us + (mono_now_us() - now_us) * COST_SHARE;
}

/* ---- Names by the kernel ------------------------------------------------------------------ */

static void
comm_set(struct thread *thread, const char *comm)
{
    memset(thread->comm, 0, sizeof(thread->comm));
    (void)snprintf(thread->comm, sizeof(thread->comm), "%s", comm);
    plain_text(thread->comm);
}

static struct thread *
thread_of(struct cpu_who *who, pid_t pid, pid_t tid)
{
    struct table_node *node = table_find(&who->threads, (uint64_t)tid);
    struct thread *thread = node ? container_of(node, struct thread, node) : NULL;
    struct proc_stat stat;

    if (thread && thread->pid == pid)
        return thread;
    if (!thread) {
        if (who->threads.n >= THREADS_MAX)
            return NULL;
        thread = calloc(1, sizeof(*thread));
        if (!thread)
            return NULL;
        table_add(&who->threads, &thread->node, (uint64_t)tid);
    }
    thread->pid = pid;
    thread->start_time = 0;
    comm_set(thread, "");
    if (proc_thread_stat_read(pid, tid, &stat) == 0) {
        thread->start_time = stat.start_time;
        comm_set(thread, stat.comm);
    }
    return thread;
}

void
cpu_who_name(struct cpu_who *who, pid_t pid, pid_t tid, const char *comm)
{
    struct thread *thread = thread_of(who, pid, tid);

    if (thread)
        comm_set(thread, comm);
}

/* ---- What the registry says --------------------------------------------------------------- */

static const struct registry_thread *
claimed(const struct look *look, pid_t tid, uint64_t start_time)
{
    return look->at_us != 0 ? registry_find(&look->view, tid, start_time) : NULL;
}

/* was - is what the newer look says of the thread what it was at the time of the sample? */
static bool
was(const struct cpu_who *who, const struct registry_thread *now, pid_t tid, uint64_t start_time,
    int64_t at_us)
{
    const struct look *newer = &who->looks[who->newer], *older = &who->looks[!who->newer];
    const struct registry_thread *before;

    if (at_us <= newer->at_us && newer->at_us - at_us <= AT_ONCE)
        return true;
    if (older->at_us == 0 || at_us < older->at_us || at_us > newer->at_us)
        return false;
    before = claimed(older, tid, start_time);
    return before && before->epoch == now->epoch &&
           strcmp(before->claim.trace_id, now->claim.trace_id) == 0;
}

static void
put(char *to, size_t room, const char *from)
{
    memset(to, 0, room);
    memcpy(to, from, strnlen(from, room - 1));
}

void
cpu_who_ask(struct cpu_who *who, pid_t pid, pid_t tid, int64_t at_us, struct cpu_labels *ret)
{
    const struct thread *thread = thread_of(who, pid, tid);
    const struct registry_thread *t;

    memset(ret, 0, sizeof(*ret));
    if (!thread)
        return;
    put(ret->thread, sizeof(ret->thread), thread->comm);
    t = pid == who->pid ? claimed(&who->looks[who->newer], tid, thread->start_time) : NULL;
    if (!t)
        return;
    if (t->claim.name[0])
        put(ret->thread, sizeof(ret->thread), t->claim.name);
    put(ret->scope, sizeof(ret->scope), t->claim.scope);
    if (was(who, t, tid, thread->start_time, at_us))
        put(ret->trace_id, sizeof(ret->trace_id), t->claim.trace_id);
}

void
cpu_who_scope(struct cpu_who *who, unsigned index, char *ret, size_t room)
{
    const struct look *look = &who->looks[who->newer];

    put(ret, room,
        look->at_us != 0 && index < look->view.n_scopes ? look->view.scopes[index].path : "");
}
