/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_REACT_H
#define STINT_BENCH_REACT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

#define REACT_ROUNDS_MAX 200

/* What is done to a service, and what is waited for in both cases: the first line of its successor's main(). */
enum react_to { REACT_CRASH, REACT_CHANGE };

/* One supervisor with one service, all through the run: all of them are up together and take their turns. */
struct react {
    const struct react_rival *rival;   /* borrowed */
    const char *build, *work, *stint;  /* borrowed: our programs; a directory of the run's own */
    char dir[PATH_MAX], log[PATH_MAX]; /* its files, and what it says */
    char worker[PATH_MAX];             /* the service's executable, in dir */
    int socket;                        /* owned; where it says when it began */
    pid_t pid;                         /* a child of ours: the supervisor */
    pid_t service;                     /* the newest, as the kernel says */
    int64_t up_us;                     /* since when it runs */
    unsigned changes;                  /* so far; each makes another file */
    unsigned n, missed, extra;         /* rounds; without an answer; starts nobody asked for */
    double first_ms[REACT_ROUNDS_MAX]; /* of each round; < 0: missed */
    double again_ms[REACT_ROUNDS_MAX]; /* REACT_CRASH: killed again 50 ms after it had come up */
    char failure[300];                 /* why it is not measured; "": it is */
};

struct react_rival {
    const char *name;
    const char *program; /* what has to be installed; NULL: ours, or a shell */
    const char *how;     /* for the table, short */
    bool crash, change;  /* what it is there for */
    bool root;           /* needs to be root */
    bool twice;          /* once more, as the A/A control */
    /* Have it started, with its service. Return: 0 or negative errno with the sentence. */
    int (*start)(struct react *r, struct error *reterr);
    void (*finish)(struct react *r); /* NULL: SIGTERM. Its service is ended by the caller. */
};

extern const struct react_rival *const react_rivals[]; /* NULL-terminated */

/* react_installed - can a program of this name, or path, be run? bench/peers brings some into . */
bool react_installed(const char *build, const char *program);
/* react_spawn - a program in r's directory, with its log, REACT_SOCKET set. Return: pid or negative errno. */
pid_t react_spawn(struct react *r, const char *const *argv, struct error *reterr);

/* react_begin - directory, socket, start, first word of its service. Return: 0 or negative errno. */
int react_begin(struct react *r, const char *name, struct error *reterr);
/* react_measure - one turn. Misses are counted in @r; r->failure when it is not to be had any more. */
void react_measure(struct react *r, enum react_to to);
void react_end(struct react *r);

#endif
