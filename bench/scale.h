/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_SCALE_H
#define STINT_BENCH_SCALE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/* One supervisor with its services, from its start to its end. */
struct trial {
    const struct scale_rival *rival; /* borrowed */
    unsigned n;                      /* services */
    double idle_s;                   /* how long nothing happens, watched */
    char dir[PATH_MAX];              /* its files; removed with it */
    char log[PATH_MAX];              /* what it and its commands say */
    char stamps_path[PATH_MAX];      /* the FIFO */
    char build[PATH_MAX];            /* where our programs are */
    char stint[PATH_MAX], worker[PATH_MAX];
    int stamps;       /* owned; read end of the FIFO */
    pid_t pid;        /* a child of ours: the supervisor, or who brings it up */
    pid_t supervisor; /* the root of its processes */
    int to, from;     /* owned; systemd: words to and from the script that runs its machine; -1 */
};

struct scale_rival {
    const char *name;
    const char *program; /* what has to be installed; NULL: ours */
    unsigned most;       /* services it starts at most; 0: no limit */
    bool alone;          /* its memory and time are those of one process: `supervisor` */
    /* Write the files. Not measured. Return: 0 or negative errno with the sentence. */
    int (*prepare)(struct trial *t, struct error *reterr);
    /* The clock runs: have all services started. May return before they are. */
    int (*start)(struct trial *t, struct error *reterr);
    /* The clock runs: have all services stopped. */
    int (*stop)(struct trial *t, struct error *reterr);
    /* Not measured: whatever is left, but for orphans. NULL: SIGTERM, then SIGKILL */
    void (*finish)(struct trial *t);
};

extern const struct scale_rival *const scale_rivals[]; /* NULL-terminated */
extern const struct scale_rival scale_systemd;

/* What one trial came to. */
struct scale_result {
    double start_ms, stop_ms;
    double processes, pss_kib;
    double cpu_ms_s, switches_s; /* while idle, a second */
};

/**
 * trial_init - a directory and a FIFO for @t, whose rival, n and idle_s are set.
 * @build: the build directory our programs are in
 * @stint: another one than there; NULL: that one
 *
 * Return: 0 or negative errno with the sentence in @reterr; trial_finish() in any case.
 */
int trial_init(struct trial *t, const char *build, const char *stint, struct error *reterr);

/* trial_play - start, idle, stop. Return: 0 or negative errno with the sentence in @reterr. */
int trial_play(struct trial *t, struct scale_result *ret, struct error *reterr);

/* trial_finish - end what is left and remove its files; @failed: show the end of its log first. */
void trial_finish(struct trial *t, bool failed);

/* trial_spawn - a program with the trial's log and directory. Return: pid or negative errno. */
pid_t trial_spawn(const struct trial *t, const char *const *argv, struct error *reterr);

/* What the processes of a supervisor hold and did. */
struct scale_vitals {
    unsigned processes;
    double pss_kib;  /* with the memory files they hold, mapped or not */
    double cpu_ms;   /* of all their threads, since they began */
    double switches; /* voluntary and not, since they began */
};

/**
 * scale_vitals_read - of @root and all that descends from it, but for processes that run @worker.
 * @alone: of @root only
 *
 * Return: 0 or negative errno with the sentence in @reterr.
 */
int scale_vitals_read(pid_t root, bool alone, const char *worker, struct scale_vitals *ret,
                      struct error *reterr);

#endif
