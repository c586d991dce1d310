/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_FACTS_H
#define STINT_PROBE_FACTS_H

/*
 * What was seen of one process, from outside, without stopping it: two samples of the kernel's list
 * of its threads, their stacks, and what the process claims in its registry. Plain data: the probe's
 * rim fills it in, judge.h says what it means. Times are CLOCK_MONOTONIC µs unless said otherwise.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum wait_class {
    WAIT_UNKNOWN, /* it could not be learnt: see process_facts.grade and note */
    WAIT_RUNNING, /* on a CPU, or about to be */
    WAIT_MUTEX,
    WAIT_COND,
    WAIT_SEM,
    WAIT_RWLOCK,
    WAIT_BARRIER,
    WAIT_JOIN,
    WAIT_FUTEX, /* a futex that is none of those */
    WAIT_POLL,  /* poll, select */
    WAIT_EPOLL,
    WAIT_READ,
    WAIT_WRITE,
    WAIT_ACCEPT,
    WAIT_CONNECT,
    WAIT_SLEEP,
    WAIT_SIGNAL,  /* sigwait, pause */
    WAIT_CHILD,   /* waitpid */
    WAIT_FLOCK,   /* a lock on a file */
    WAIT_IO,      /* fsync, io_getevents, io_uring */
    WAIT_KERNEL,  /* outside of any call, for a page say; in state D not to be interrupted */
    WAIT_STOPPED, /* by a signal or a debugger */
    WAIT_OTHER,   /* another system call, told by its number */
    WAIT_CLASS_COUNT
};

/* How it is known, the weakest first. Each report says it. */
enum evidence_grade {
    EVIDENCE_STAT,    /* the list of threads and their states only: nothing more was permitted */
    EVIDENCE_PROC,    /* system calls and stacks */
    EVIDENCE_REGISTRY /* what the process says of itself, and, unless calls_hidden, all of that */
};

#define FACTS_FRAMES_MAX  24
#define FACTS_THREADS_MAX 16384 /* beyond that, counted only */

/* A place in the code. Empty strings: not known. */
struct place {
    uint64_t pc;       /* in the process; of a caller: of the call itself, not behind it */
    uint64_t offset;   /* of pc in the file of `module`, for addr2line */
    char function[96]; /* demangled it is not */
    char file[128];    /* source, with DWARF only */
    char module[64];   /* last component of the ELF file's path; "" = in no file */
    unsigned line;     /* of `file`; 0: not known */
    bool business;     /* neither libc, loader, vdso, nor libstint: somebody's own code */
    bool library;      /* … of a library that the system brings: it lies where the linker looks */
    bool unmapped;     /* pc lies in no mapping any more: a plugin that was unloaded */
};

/* What the process claims of one thread. Nothing of it is proved but that the tid lives. */
struct claim {
    char name[48], creator_name[48], token[48];
    char creator_file[96], creator_function[48]; /* where it was started; "" = by creator_pc */
    unsigned creator_line;
    pid_t creator_tid;
    uint64_t creator_pc, start_pc; /* 0 = not said */
    char scope[128];               /* path: "root/web/requests" */
    unsigned scope_index;          /* among process_facts.scopes; 0 = the process's own */
    uint64_t generation;           /* of the configuration within the process; 0 = none */
    int64_t started_us;
    int64_t cancelled_us; /* its token's, or an earlier one of its scope's; 0 = live */
    int64_t deadline_us;  /* its token's; INT64_MAX = none */
    int64_t grace_us;     /* of its scope or generation; INT64_MAX = none of its own */
    uint32_t cause;       /* enum stint_cause; 0 = live */
    char cause_text[128], cause_who[48];
    uint64_t beats;
    uint64_t beats_before;   /* at an earlier look, or the first sample */
    int64_t beats_before_us; /* when that was; 0 = there was none */
    int64_t vital_every_us; /* it has to live, and beat that often (0: just live); -1 = not vital */
    bool exempt;            /* it may outlive its token, for `reason` … */
    int64_t exempt_until_us; /* … until then; INT64_MAX = for ever */
    int64_t shield_until_us; /* it may not be disturbed until then; 0 = no shield */
    char reason[96];         /* of exemption or shield */
    bool task;    /* it works for a request now: token, deadline and trace are the request's */
    bool preload; /* registered by the preload object: no token, creator and start only */
    char trace_id[33];
    char wait_text[64], wait_file[96]; /* STINT_BLOCK: what it said it waits for, and where */
    unsigned wait_line;
    uint64_t wait_object;  /* address; 0 = none said */
    pid_t awaits_tid;      /* it said that it waits for the end of that one; 0 = not */
    unsigned awaits_scope; /* … of all threads of that scope, its index + 1; 0 = not */
};

struct thread_facts {
    pid_t tid;
    uint64_t start_time; /* field 22 of stat; with tid the identity */
    bool main;
    bool fresh; /* not there at the first sample: it was born in between */
    bool still; /* both samples are one wait: same call, arguments and switch counts, no CPU used */
    bool kernel; /* the kernel made it for the process (io_uring): it runs no code of anybody's */
    bool shared; /* other processes may use the object it waits for */
    bool owner_gone; /* `owner` is known, and is no living thread of anybody's */
    bool claimed;    /* registered: `claim` is filled in */
    char state;      /* the kernel's, at the second sample */
    char comm[48];
    int64_t started_us;
    int64_t cpu_us;       /* used since it began */
    int64_t cpu_delta_us; /* … and between the samples */
    pid_t tracer;         /* of a traced one; 0 = none */

    enum wait_class wait;
    long call;                 /* number of the system call; -1 = none, or not known */
    char call_name[32];        /* "clock_nanosleep", "system call 999"; "" = not known */
    uint64_t sp, pc;           /* of the thread in it; 0 = not known */
    uint64_t args[6];          /* of it */
    uint64_t object;           /* address of mutex, condition …; 0 = none, or not known */
    struct place object_place; /* symbol that holds it, in `function`; offset from it in `offset` */
    char object_note[64];      /* "recursive, taken 2 times", "wants to write", or "" */
    int64_t
        timeout_us; /* the wait ends by itself after so long: a period from its beginning when the
                           call was given one, else what is left; INT64_MAX = never */
    int fd;         /* that it waits on; the first of several; -1 = none */
    unsigned n_fds; /* how many it waits on: poll, select, epoll */
    char fd_target
        [128]; /* "pipe:[123]", "/var/log/x", "tcp 127.0.0.1:80 ← 10.0.0.7:4711"; of several
                            the first few: "fd 3 → pipe:[123], fd 4 → eventfd (0)" */
    char fd_peer
        [128]; /* who holds the other end: "this process", "pid 12 (nginx), fd 4", "nobody" */
    pid_t
        owner; /* tid that holds the mutex or writes under the rwlock, or is joined; 0 = not known */
    unsigned value; /* count of a semaphore's or rwlock's users, where it has one */

    struct place *frames; /* innermost first, FACTS_FRAMES_MAX at most; in process_facts.places */
    unsigned n_frames;
    int business;       /* index of the innermost business frame; -1 = none found */
    struct place start; /* the function that the thread began in; pc 0 = not known */

    struct claim claim;
};

/* A thread that the registry remembers and the kernel does not: it ended. Or that never was. */
struct dead_facts {
    pid_t tid;
    bool ghost;    /* registered as alive; else it ended in order */
    bool joinable; /* somebody has to join it, and has not */
    struct claim claim;
};

/* A scope or a generation of the configuration, as the process claims it. Index 0 is the process itself. */
struct scope_facts {
    char path[128];
    unsigned parent; /* index; of 0 itself 0 */
    uint32_t cause;  /* enum stint_cause; 0 = live */
    char who[48];    /* the thread that cancelled it; "" = a signal or the supervisor */
    char text[64];   /* of the cancel */
    uint64_t generation;
    int64_t opened_us, cancelled_us, grace_us; /* 0 = not; INT64_MAX = none said */
    bool retired; /* a generation of the configuration that gave way to another */
    bool closed;  /* nobody of it is left, by its own account */
    unsigned threads;
};

struct overruns;

struct process_facts {
    pid_t pid;
    char exe[256], comm[48];
    bool zombie_leader;   /* its first thread ended, others live on */
    int64_t at_us;        /* second sample */
    int64_t between_us;   /* from the first to the second */
    int64_t cancelled_us; /* when it was asked to leave, as its supervisor knows; 0 = it was not */
    int64_t grace_us;     /* how long it had for that */
    enum evidence_grade grade;
    char note[256];               /* why the grade is not the best, or "" */
    struct thread_facts *threads; /* owned; by tid */
    struct place *places;         /* owned: the frames of all of them, or NULL */
    size_t n;
    size_t n_threads;        /* the kernel's count: n_threads - n are not listed */
    struct dead_facts *dead; /* owned */
    size_t n_dead;
    struct scope_facts *scopes; /* owned */
    size_t n_scopes;
    unsigned torn, overflow; /* registry slots that could not be read; threads that found no slot */
    bool
        calls_hidden; /* in which system calls its threads are was not permitted: `note` says why */
    bool untrusted;   /* the registry contradicts the kernel or itself: its claims are not used */
    unsigned connections;      /* sockets with a peer outside the process; see peers */
    char peers[256];           /* the first few of them */
    unsigned listeners;        /* sockets that still take connections in */
    char listening[256];       /* the first few of them */
    struct overruns *overruns; /* owned; overruns.h: who ended past a deadline; NULL: nobody did */
};

/* Gives back what it owns. */
void process_facts_finish(struct process_facts *facts);

/* facts_span - @to - @from; claims may be any number, so what does not fit is cut. */
static inline int64_t
facts_span(int64_t from, int64_t to)
{
    int64_t span;

    if (__builtin_sub_overflow(to, from, &span))
        return to > from ? INT64_MAX : INT64_MIN;
    return span;
}

const char *wait_class_name(enum wait_class wait);          /* "mutex"; static */
const char *evidence_grade_name(enum evidence_grade grade); /* "registry"; static */

#endif
