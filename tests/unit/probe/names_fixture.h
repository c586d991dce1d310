/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_PROBE_NAMES_FIXTURE_H
#define STINT_TESTS_UNIT_PROBE_NAMES_FIXTURE_H

/* A program of subjects/, its threads blocked, looked at from outside. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "supervisor/probe/names.h"
#include "supervisor/probe/proc.h"
#include "tests/unit/unit.h"

#ifndef NAMES_SUBJECTS
#define NAMES_SUBJECTS "-"
#endif

#define SEEN_FRAMES  24
#define SEEN_THREADS 1100

struct seen {
    pid_t tid;
    unsigned n;
    int business; /* index; -1 = none */
    uint64_t start_pc, object_address;
    struct place start, object;
    struct names_frame frames[SEEN_FRAMES];
    struct place places[SEEN_FRAMES];
};

static pid_t subject;
static const char *root_dir; /* the subject's; NULL: ours */
static struct names *names;
static struct seen *seen;
static size_t n_seen;
static char stack_copy[16384];

/* begin - run @program and wait until it says that it is ready. */
static inline void
begin_program(const char *program, const char *shape, const char *arg)
{
    char word[6];
    int out[2];

    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    subject = fork();
    ck_assert_int_ge(subject, 0);
    if (subject == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(out[1], STDOUT_FILENO);
        if (root_dir && (chroot(root_dir) != 0 || chdir("/") != 0))
            _exit(92);
        (void)execl(program, program, shape, arg, (char *)NULL);
        _exit(93);
    }
    (void)close(out[1]);
    ck_assert_msg(read(out[0], word, sizeof(word)) == sizeof(word), "%s %s is ready", program,
                  shape);
    (void)close(out[0]);
}

static inline void
begin(const char *variant, const char *shape)
{
    char program[512];

    (void)snprintf(program, sizeof(program), NAMES_SUBJECTS "/names-subject-%s", variant);
    begin_program(program, shape, NAMES_SUBJECTS "/libnames-subject-plugin.so");
}

static inline void
end(void)
{
    names_close(names);
    names = NULL;
    free(seen);
    seen = NULL;
    if (subject > 0) {
        (void)kill(subject, SIGKILL);
        (void)waitpid(subject, NULL, 0);
    }
    subject = 0;
}

/* is_waiting - blocked, in the same call at two looks: on its way to it a thread blocks for instants. */
static inline bool
is_waiting(pid_t tid, struct proc_syscall *ret)
{
    struct proc_syscall first;
    struct proc_stat st;

    if (proc_thread_stat_read(subject, tid, &st) < 0 || st.state == 'Z' ||
        proc_syscall_read(subject, tid, &first) < 0 || first.running || first.number < 0)
        return false;
    (void)sched_yield();
    return proc_syscall_read(subject, tid, ret) == 0 && !ret->running && ret->sp == first.sp &&
           ret->pc == first.pc && st.state == 'S';
}

static inline void
stack_of(struct seen *s, const struct proc_syscall *call, struct names_stack *ret)
{
    size_t room = 4096 - (size_t)(call->sp & 4095) + 4096;
    struct iovec to = {.iov_base = stack_copy, .iov_len = room}, from = {.iov_len = room};
    ssize_t n;

    (void)s;
    memcpy(&from.iov_base, &call->sp, sizeof(from.iov_base));
    n = process_vm_readv(subject, &to, 1, &from, 1, 0);
    *ret = (struct names_stack){.sp = call->sp,
                                .pc = call->pc,
                                .bytes = n > 0 ? stack_copy : NULL,
                                .n = n > 0 ? (size_t)n : 0,
                                .base = call->sp};
}

static inline void
walk(struct seen *s, pid_t tid, const struct proc_syscall *call)
{
    struct names_stack stack;

    *s = (struct seen){.tid = tid, .object_address = call->args[0]};
    stack_of(s, call, &stack);
    s->n = names_stack(names, &stack, s->frames, SEEN_FRAMES);
    s->start_pc = names_start(names, tid, &stack);
    names_want_object(names, s->object_address);
}

/* name - what names.h says now; again after names_resolve(). */
static inline void
name_all(void)
{
    for (size_t i = 0; i < n_seen; i++) {
        struct seen *s = &seen[i];

        for (unsigned k = 0; k < s->n; k++)
            names_place(names, s->frames[k].pc, s->frames[k].call, &s->places[k]);
        s->business = names_business(s->places, s->n);
        s->start = (struct place){.pc = 0};
        if (s->start_pc)
            names_place(names, s->start_pc, false, &s->start);
        (void)names_object(names, s->object_address, &s->object);
    }
}

/* unwind_all - every thread of the subject, once @expected of them (the first included) wait. */
static inline void
unwind_all(size_t expected)
{
    int64_t deadline_us = mono_now_us() + 20000000;
    static pid_t tids[SEEN_THREADS];
    static struct proc_syscall calls[SEEN_THREADS];
    struct error error = {0};
    size_t n = 0, total, waiting = 0;

    while (waiting != expected) {
        ck_assert_msg(mono_now_us() < deadline_us, "%zu of %zu threads wait", waiting, expected);
        ck_assert_int_eq(proc_threads(subject, tids, SEEN_THREADS, &n, &total), 0);
        waiting = 0;
        for (size_t i = 0; i < n; i++)
            waiting += is_waiting(tids[i], &calls[i]);
        if (waiting != expected)
            (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    ck_assert_msg(names_open(subject, &names, &error) == 0, "%s", error.text);
    seen = calloc(n, sizeof(*seen));
    n_seen = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_waiting(tids[i], &calls[i]))
            walk(&seen[n_seen++], tids[i], &calls[i]);
    }
    name_all();
}

static inline void
look(size_t expected)
{
    unwind_all(expected);
    ck_assert_int_eq(names_resolve(names, mono_now_us() + 20000000), 0);
    name_all();
}

/* thread - the one that is not the first. */
static inline struct seen *
thread(void)
{
    for (size_t i = 0; i < n_seen; i++) {
        if (seen[i].tid != subject)
            return &seen[i];
    }
    ck_abort_msg("it has one thread only");
    return NULL;
}

static inline const char *
describe(const struct seen *s)
{
    static char text[4096];
    size_t at = 0;

    text[0] = '\0';
    for (unsigned k = 0; k < s->n && at < sizeof(text) - 400; k++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "\n  #%u %s%s %s:%u %s+0x%llx%s", k,
                               s->places[k].function, s->frames[k].guessed ? " (guessed)" : "",
                               s->places[k].file, s->places[k].line, s->places[k].module,
                               (unsigned long long)s->places[k].offset,
                               s->places[k].business ? " *" : "");
    return text;
}

/* has_frame - is @function on its stack, in the file named (NULL: any)? */
static inline bool
has_frame(const struct seen *s, const char *function, const char *file)
{
    for (unsigned k = 0; k < s->n; k++) {
        size_t n = strlen(s->places[k].file);

        if (!strcmp(s->places[k].function, function) &&
            (!file || (n >= strlen(file) && !strcmp(s->places[k].file + n - strlen(file), file) &&
                       s->places[k].line > 0)))
            return true;
    }
    return false;
}

#endif
