/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_SURROUNDINGS_H
#define STINT_IO_SURROUNDINGS_H

/*
 * What the place where stint runs allows, found once at the start: facts are read, then judged.
 * Each finding is a word, whether all is well, and a sentence for people; what is not well is said in
 * the log, and in `stint status` for as long as stint runs. Nothing here is ever a reason not to start.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

struct json_t;
struct spec;

/* As surroundings_read() fills it in; whoever knows better changes it before the judgement. */
struct surroundings_facts {
    pid_t pid;              /* of whom the system started and stops: the keeper, if there is one */
    bool systemd;           /* … and that is systemd */
    bool reaper;            /* orphans come to us: PID 1 or a sub-reaper */
    uid_t uid;              /* effective */
    bool may_trace;         /* CAP_SYS_PTRACE */
    bool may_become_others; /* CAP_SETUID and CAP_SETGID */
    bool no_new_privs;
    bool filtered;              /* by seccomp */
    bool syscalls;              /* /proc tells what a thread waits in */
    int ptrace_scope;           /* Yama's; 0 also without Yama */
    const char *container;      /* static or of the environment; NULL = none that we know */
    int64_t nofile;             /* soft RLIMIT_NOFILE; INT64_MAX = none */
    int runtime_dir, state_dir; /* 0, or the negative errno of writing there */
    int inotify;                /* 0, or the negative errno of one more instance */
    int64_t max_watches;        /* for each user; 0 = not known */
    const char *cgroup;         /* borrowed; cgroup_words(), or NULL: nothing is said about it */
    bool cgroup_works;
    const char *timeout_stop_sec; /* of the environment: STINT_TIMEOUT_STOP_SEC; NULL = not told */
    const char *fdstore_max; /* … FDSTORE (systemd 254) or STINT_FDSTORE_MAX; NULL = not told */
    bool kubernetes;
    struct strv mounted; /* owned: watched files that are mounted one by one */
};

/* surroundings_read - @envp: borrowed, outlives the facts. Without memory something may be missing. */
void surroundings_read(const struct spec *spec, char *const *envp, struct surroundings_facts *ret);
void surroundings_facts_finish(struct surroundings_facts *facts);

struct surrounding {
    const char *word; /* static: "user", "cgroup", "descriptors", "mount" … not unique */
    bool ok;          /* false: something is lost here */
    char *sentence;   /* owned */
};

struct surroundings {
    struct surrounding *items;
    size_t n;
};

/* surroundings_judge - what @facts mean for @spec. Pure. 0 or -ENOMEM; surroundings_finish() it. */
int surroundings_judge(const struct surroundings_facts *facts, const struct spec *spec,
                       struct surroundings *ret);
void surroundings_finish(struct surroundings *s);

/* surroundings_lost - the sentences of what is not well, as an array of texts. NULL: no memory. */
struct json_t *surroundings_lost(const struct surroundings *s);

/**
 * surroundings_check - for `stint check`: what can be said of a configuration without starting it.
 * @ret: sentences are appended
 *
 * The limits are those of whoever checks. Return: 0 or -ENOMEM.
 */
int surroundings_check(const struct spec *spec, struct strv *ret);

/**
 * surroundings_fds_needed - how many descriptors one process of stint has open at most, about.
 *
 * During the reload of everything at once, when nobody drains from before. It is the same plan for
 * the master and for the keeper, each of which has a limit of its own.
 */
int64_t surroundings_fds_needed(const struct spec *spec);

/**
 * surroundings_mounted - those of @paths that are mount points. Pure.
 * @mountinfo: the text of /proc/self/mountinfo
 *
 * Return: 0 or -ENOMEM.
 */
int surroundings_mounted(const char *mountinfo, const struct strv *paths, struct strv *ret);

#endif
