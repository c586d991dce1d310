/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "supervisor/probe/judge_trial.h"

#include "supervisor/probe/pure.h"

const char *
file_name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

bool
place_known(const struct place *place)
{
    return place->file[0] != '\0' || place->function[0] != '\0' || place->module[0] != '\0' ||
           place->unmapped;
}

void
add_clean(struct text *out, const char *s)
{
    text_add_line(out, s, 100);
}

void
add_span(struct text *out, int64_t us)
{
    char buf[32];

    text_add(out, duration_human(us > 0 ? us : 0, buf, sizeof(buf)));
}

void
add_place(struct text *out, const struct place *p)
{
    bool line = p->file[0] != '\0';

    if (line) {
        add_clean(out, file_name_of(p->file));
        text_addf(out, ":%u", p->line);
    }
    if (p->function[0] != '\0') {
        text_add(out, line ? " (" : "");
        add_clean(out, p->function);
        text_add(out, line ? ")" : "");
    }
    if (!line && p->module[0] != '\0') {
        text_add(out, p->function[0] != '\0' ? " in " : "");
        add_clean(out, p->module);
        if (p->function[0] == '\0')
            text_addf(out, "+0x%llx", (unsigned long long)p->offset);
    }
    if (p->unmapped)
        text_addf(out, "%scode that is not loaded any more (0x%llx)",
                  line || p->function[0] != '\0' ? ", " : "", (unsigned long long)p->pc);
}

/* ---- in what it waits ------------------------------------------------------------------------ */

const char *
judge_name(const struct process_facts *facts, size_t thread)
{
    const struct thread_facts *f = &facts->threads[thread];

    if (f->claimed && !facts->untrusted && f->claim.name[0] != '\0')
        return f->claim.name;
    return f->comm[0] != '\0' ? f->comm : "?";
}

static void
add_object(struct text *out, const struct thread_facts *f)
{
    if (f->object_place.function[0] != '\0') {
        add_clean(out, f->object_place.function);
        if (f->object_place.offset != 0)
            text_addf(out, "+0x%llx", (unsigned long long)f->object_place.offset);
    } else if (f->object != 0) {
        text_addf(out, "0x%llx", (unsigned long long)f->object);
    }
}

static void
add_fd(struct text *out, const struct thread_facts *f)
{
    if (strncmp(f->fd_target, "fd ", 3) == 0) {
        text_add_line(out, f->fd_target, sizeof(f->fd_target)); /* it names each by itself */
        return;
    }
    if (f->fd >= 0)
        text_addf(out, "fd %d", f->fd);
    if (f->fd_target[0] != '\0') {
        text_add(out, f->fd >= 0 ? " → " : "");
        text_add_line(out, f->fd_target, sizeof(f->fd_target));
    }
}

/* The name of the call that people know. */
static const char *const calls[WAIT_CLASS_COUNT] = {
    [WAIT_MUTEX] = "pthread_mutex_lock",
    [WAIT_COND] = "pthread_cond_wait",
    [WAIT_SEM] = "sem_wait",
    [WAIT_RWLOCK] = "pthread_rwlock_lock",
    [WAIT_BARRIER] = "pthread_barrier_wait",
    [WAIT_JOIN] = "pthread_join",
    [WAIT_FUTEX] = "futex",
    [WAIT_POLL] = "poll",
    [WAIT_EPOLL] = "epoll_wait",
    [WAIT_READ] = "read",
    [WAIT_WRITE] = "write",
    [WAIT_ACCEPT] = "accept",
    [WAIT_CONNECT] = "connect",
    [WAIT_SLEEP] = "sleep",
    [WAIT_SIGNAL] = "sigwait",
    [WAIT_CHILD] = "waitpid",
    [WAIT_FLOCK] = "flock",
    [WAIT_IO] = "input and output",
};

static void
add_arguments(const struct process_facts *facts, size_t waits_for, const struct thread_facts *f,
              struct text *out)
{
    if (f->wait == WAIT_JOIN && waits_for != NOBODY) {
        text_add(out, "`");
        add_clean(out, judge_name(facts, waits_for));
        text_add(out, "`");
    } else if (f->wait == WAIT_JOIN && f->owner != 0) {
        text_addf(out, "tid %d", (int)f->owner);
    } else if (f->wait == WAIT_SLEEP && f->timeout_us != INT64_MAX && f->timeout_us > 0) {
        add_span(out, f->timeout_us);
    } else if (f->object != 0 || f->object_place.function[0] != '\0') {
        add_object(out, f);
    } else {
        add_fd(out, f);
    }
}

/* Who could end it: the holder of the lock, the other end of the pipe. */
static void
add_other_side(const struct process_facts *facts, size_t waits_for, const struct thread_facts *f,
               struct text *out)
{
    if (f->object_note[0] != '\0') {
        text_add(out, ", ");
        add_clean(out, f->object_note);
    }
    if (f->wait == WAIT_SEM)
        text_addf(out, ", which counts %u", f->value);
    if ((f->wait == WAIT_MUTEX || f->wait == WAIT_RWLOCK) && f->owner > 0) {
        if (waits_for != NOBODY && facts->threads[waits_for].tid == f->owner) {
            text_add(out, ", held by ");
            if (f->owner == f->tid) {
                text_add(out, "itself");
            } else {
                text_add(out, "`");
                add_clean(out, judge_name(facts, waits_for));
                text_addf(out, "` (tid %d)", (int)f->owner);
            }
        } else {
            text_addf(out, ", held by tid %d", (int)f->owner);
        }
    }
    if (f->fd_peer[0] != '\0') {
        text_add(out, ", other end: ");
        text_add_line(out, f->fd_peer, sizeof(f->fd_peer));
    }
}

void
judge_wait(const struct process_facts *facts, const struct judgements *judgements, size_t thread,
           struct text *out)
{
    const struct thread_facts *f = &facts->threads[thread];
    size_t waits_for = judgements->of[thread].waits_for;
    const char *call = calls[f->wait];

    if (f->wait == WAIT_UNKNOWN || f->wait == WAIT_RUNNING || f->wait == WAIT_STOPPED)
        return;
    if (!call)
        call = f->call_name[0] != '\0' ? f->call_name : wait_class_name(f->wait);
    add_clean(out, call);
    text_add(out, "(");
    add_arguments(facts, waits_for, f, out);
    text_add(out, ")");
    add_other_side(facts, waits_for, f, out);
}
