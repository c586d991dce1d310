/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_RIVAL_H
#define STINT_BENCH_RIVAL_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct error;

/* Where the programs are and as whom they run. Filled once, then only read. */
struct arena {
    char stint[PATH_MAX], web[PATH_MAX], limit[PATH_MAX], load[PATH_MAX];
    const char *nginx, *haproxy; /* borrowed */
    char work[PATH_MAX];         /* a directory of this run's own */
    uid_t uid;                   /* (uid_t)-1: as we are */
    gid_t gid;
    bool by_cli; /* a reload is commanded by starting a program, for everybody alike */
};

/* One server of one rival, from its start to its end. */
struct bout {
    const struct arena *arena; /* borrowed */
    const struct rival *rival; /* borrowed */
    char dir[PATH_MAX];        /* its files; removed with it */
    char log[PATH_MAX];        /* what it and its commands say */
    unsigned port;             /* on 127.0.0.1 */
    unsigned generation;       /* as configured; counts from 1 */
    pid_t pid;                 /* its master, a child of ours */
};

/*
 * A way to hand a server over. Each answers GET / with 200, a small body, and a header
 * X-Stint-Generation that differs from generation to generation.
 */
struct rival {
    const char *name;
    /* Write the files for b->generation. Return: 0 or negative errno with the sentence. */
    int (*configure)(const struct bout *b, struct error *reterr);
    /* Start the master in the foreground. Return: its pid or negative errno. */
    pid_t (*start)(const struct bout *b, struct error *reterr);
    /* Command one reload; the clock runs. May return later than the handoff. Return: 0 or negative errno. */
    int (*reload)(const struct bout *b, struct error *reterr);
    int stop_signal;
};

extern const struct rival rival_stint, rival_limit, rival_nginx, rival_haproxy;
extern const struct rival rival_stint_watching; /* the same with file watches; not in the table */

/* rival_find - by name. NULL: there is none. */
const struct rival *rival_find(const char *name);

/* bout_child - start a program for @b, with its log, user and directory. Return: pid or -errno. */
pid_t bout_child(const struct bout *b, const char *const *argv, struct error *reterr);

/* bout_command - run a program to its end, status 0 expected. Return: 0 or negative errno. */
int bout_command(const struct bout *b, const char *const *argv, struct error *reterr);

/* bout_write - a file named @name in the bout's directory. Return: 0 or negative errno. */
__attribute__((format(printf, 4, 5))) int bout_write(const struct bout *b, const char *name,
                                                     struct error *reterr, const char *fmt, ...);

/* bout_web_config - web.conf of the example worker, the same for each master that runs it. */
int bout_web_config(const struct bout *b, struct error *reterr);

/* bout_open - a directory, a free port, generation 1, started, and it has answered once. */
int bout_open(struct bout *b, const struct arena *arena, const struct rival *rival,
              struct error *reterr);

/* bout_close - end it and all it left behind. Return: how many processes had to be killed. */
int bout_close(struct bout *b);

/* bout_show_log - the last words of its server, on standard error. */
void bout_show_log(const struct bout *b);

/* bout_command_reload - configure the next generation and command it. The clock starts between. */
int bout_command_reload(struct bout *b, int64_t *ret_commanded_us, struct error *reterr);

#endif
