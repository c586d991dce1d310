/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_PROC_H
#define STINT_PROBE_PROC_H

/* Small readers of /proc. All return 0 or a negative errno (-ESRCH: it is gone) and never block. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
    pid_t pid, ppid, pgrp, session;
    char state;              /* 'R', 'S', 'D', 'Z', 'T', 't', 'X' … */
    uint64_t start_time;     /* clock ticks since boot: with pid, the identity */
    uint64_t cpu_ticks;      /* used, in user and kernel mode together */
    uint64_t children_ticks; /* the same of children that ended and were waited for */
    unsigned flags;          /* the kernel's PF_* */
    unsigned threads;        /* of the process */
    char comm[64];           /* may hold ')' and blanks; as the kernel has it, so up to 15 bytes */
};

/*
 * proc_is_dead - and only not collected yet. A process whose first thread has ended looks like that as well,
 * but has others, which live.
 */
static inline bool
proc_is_dead(const struct proc_stat *st)
{
    return st->state == 'X' || (st->state == 'Z' && st->threads <= 1);
}

/* proc_voice - a thread of it that lives, whose fd, environ and exe are those of all: mostly @pid. */
pid_t proc_voice(const struct proc_stat *st);

/* proc_stat_parse - the text of a stat file. Pure; -EPROTO when it is not one. */
int proc_stat_parse(const char *text, struct proc_stat *ret);
int proc_stat_read(pid_t pid, struct proc_stat *ret);
/* proc_rss_read - resident memory of @pid, shared pages too; does not wait for anybody. */
int proc_rss_read(pid_t pid, uint64_t *ret_bytes);
int proc_thread_stat_read(pid_t pid, pid_t tid, struct proc_stat *ret);

/**
 * proc_belongs - is @pid the worker @leader, its descendant, or in its session?
 *
 * Return: 1 yes, 0 no, -ESRCH: @pid is gone.
 */
int proc_belongs(pid_t pid, pid_t leader);

/**
 * proc_threads - the thread ids of @pid, ascending.
 * @ret_tids:  room for @max
 * @ret_n:     how many were written
 * @ret_total: how many there are
 */
int proc_threads(pid_t pid, pid_t *ret_tids, size_t max, size_t *ret_n, size_t *ret_total);

/* What a thread waits for, as the kernel tells those who may ask (-EACCES, -EPERM otherwise). */
struct proc_syscall {
    bool running; /* on a CPU or about to be: the rest is void */
    long number;  /* -1: blocked, but not in a system call */
    uint64_t args[6], sp, pc;
};

int proc_syscall_parse(const char *text, struct proc_syscall *ret); /* pure; -EPROTO */
/* proc_schedstat_parse - how long it was on a CPU, and how often it was put there. Pure; -EPROTO. */
int proc_schedstat_parse(const char *text, uint64_t *ret_cpu_ns, uint64_t *ret_turns);
int proc_syscall_read(pid_t pid, pid_t tid, struct proc_syscall *ret);
int proc_wchan_read(pid_t pid, pid_t tid, char *buf, size_t room); /* "" when not told */

/* proc_fd_target - where descriptor @fd of @pid leads: "pipe:[123]", "/var/log/x". */
int proc_fd_target(pid_t pid, int fd, char *buf, size_t room);

/* proc_environ_get - the value of @name in the environment @pid was started with; -ENOENT: not there. */
int proc_environ_get(pid_t pid, const char *name, char *buf, size_t room);

/**
 * proc_children - every child of @pid, zombies too.
 *
 * By /proc/PID/task/PID/children where the kernel has it, else by reading the stat of every process:
 * about 15 µs for each process of the machine, so not in every turn of the loop.
 * @skip is asked first, by number alone, so that whom the caller knows costs next to nothing; NULL
 * skips nobody. @on_child returns false to stop early.
 */
int proc_children(pid_t pid, bool (*skip)(void *env, pid_t child),
                  bool (*on_child)(void *env, const struct proc_stat *child), void *env);

/* ---- proc_permit.c ---- */

/* proc_capable - is CAP_… of linux/capability.h in effect for us, in our own user namespace? */
bool proc_capable(unsigned capability);

/*
 * proc_yama_refuses - is it Yama who does not let us look into a process that does not name us?
 * @buf: then its setting, and the way out. Return: that setting; 0: not Yama.
 */
int proc_yama_refuses(char *buf, size_t room);

/* ---- proc_hidden.c: mounted with hidepid=2, /proc does not show whom one may not look at ---------- */

bool proc_hides(void);       /* is it mounted so, for us? */
bool proc_hidden(pid_t pid); /* it exists, and is not shown */

/**
 * proc_hidden_children - children of @pid that are not shown; their numbers are known all the same.
 *
 * None where proc_hides() denies it, or without CONFIG_PROC_CHILDREN.
 */
void proc_hidden_children(pid_t pid, bool (*skip)(void *env, pid_t child),
                          void (*on_child)(void *env, pid_t child), void *env);

#endif
