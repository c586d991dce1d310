/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_RIVAL_H
#define STINT_BENCH_RIVAL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/* Where our programs are and as whom all run. Filled once, then only read. */
struct arena {
    char stint[PATH_MAX], web[PATH_MAX], limit[PATH_MAX], load[PATH_MAX];
    char listen[PATH_MAX];  /* stint-listen: binds, and becomes another program */
    char machine[PATH_MAX]; /* the script that is a machine with a systemd */
    char work[PATH_MAX];    /* a directory of this run's own */
    uid_t uid;              /* (uid_t)-1: as we are */
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
 * A way to hand a server over. Each answers GET / with 200, a small body that has "hello" in it, and
 * a header X-Stint-Generation that differs from generation to generation.
 */
struct rival {
    const char *name;
    const char *serves;   /* what answers; rivals that serve the same stand together */
    const char *how;      /* how a reload is commanded, in a word or two */
    const char *needs[4]; /* programs, by name or path; in the table also when one is not there */
    /* Write the files for b->generation. Return: 0 or negative errno with the sentence. */
    int (*configure)(const struct bout *b, struct error *reterr);
    /* Start the master in the foreground. Return: its pid or negative errno. */
    pid_t (*start)(const struct bout *b, struct error *reterr);
    /* Command one reload; the clock runs. May return later than the handoff. Return: 0 or negative errno. */
    int (*reload)(const struct bout *b, struct error *reterr);
    /* Before stop_signal: ask whoever is not the program that was started. May be NULL. */
    void (*stop)(const struct bout *b);
    int64_t interval_us; /* reloads that follow closer than this it is not made for; 0: any */
    int stop_signal;
    bool root;           /* cannot be had without being root */
    bool modest;         /* 10,000 requests/s are more than this server can do beside the client */
    bool measured_twice; /* so that the table can say how much of a ratio is noise */
};

/* All of the table, in its order. */
extern const struct rival *const rivals[];
extern const size_t n_rivals;

/* The two that are asked for by name; the others are found in the table. */
extern const struct rival rival_stint, rival_limit;
extern const struct rival rival_stint_watching; /* the same with file watches; not in the table */

/* rival_find - by name. NULL: there is none. */
const struct rival *rival_find(const char *name);

/* rival_lacks - what it would need here. Return: a program, or "root"; NULL: nothing is missing. */
const char *rival_lacks(const struct rival *r, const struct arena *a);

/* bout_child - start a program for @b, with its log, user and directory. Return: pid or -errno. */
pid_t bout_child(const struct bout *b, const char *const *argv, struct error *reterr);

/* bout_command - run a program to its end, status 0 expected. Return: 0 or negative errno. */
int bout_command(const struct bout *b, const char *const *argv, struct error *reterr);

/* bout_signal - the master of @b, or by `kill` when all is commanded by programs. Return: 0 or -errno. */
int bout_signal(const struct bout *b, pid_t pid, int sig, struct error *reterr);

/* bout_write - a file named @name in the bout's directory. Return: 0 or negative errno. */
__attribute__((format(printf, 4, 5))) int bout_write(const struct bout *b, const char *name,
                                                     struct error *reterr, const char *fmt, ...);

/* bout_script - the same, executable. */
__attribute__((format(printf, 4, 5))) int bout_script(const struct bout *b, const char *name,
                                                      struct error *reterr, const char *fmt, ...);

/* bout_folder - a directory named @name, of the servers' user. Return: 0 or negative errno. */
int bout_folder(const struct bout *b, const char *name, struct error *reterr);

/* bout_path - @name in the bout's directory, into @to. Return: @to. */
const char *bout_path(const struct bout *b, const char *name, char to[PATH_MAX]);

/* bout_generation - the file "generation", which the applications read at their start. */
int bout_generation(const struct bout *b, struct error *reterr);

/* bout_pid_of - the pid in the file @name. Return: it, or -errno. */
pid_t bout_pid_of(const struct bout *b, const char *name);

/* bout_say - @word into the FIFO that the server reads. Return: 0 or negative errno. */
int bout_say(const struct bout *b, const char *fifo, const char *word, struct error *reterr);

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
