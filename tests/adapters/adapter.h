/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_ADAPTERS_ADAPTER_H
#define STINT_TESTS_ADAPTERS_ADAPTER_H

/*
 * A program that nobody here wrote, with the very files of examples/NAME: only ports are others, since
 * tests run side by side. Around the scenario harness (a stage, a master, its log) this has the
 * pieces (stage.c, load.c, fate.c, own.c), and for servers that speak HTTP the whole story (adapter.c):
 *
 *   handoffs   under load, by edits of the watched file and by `stint reload --force`; and then as many
 *              reloads of the program's own under the same load
 *   broken     an edit that the program itself rejects
 *   fates      what becomes of single connections when the old generation drains
 *   killed     its main process is, and what it had started must not go on beside the next one
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/scenario/harness.h"

#define ADP_ARGS 24
#define ADP_KEPT 8 /* connections of a client that keeps them */

struct adapter {
    const char *name;          /* what the tests are called */
    const char *example;       /* folder below examples/ */
    const char *config;        /* in it; NULL: stint.yaml */
    const char *service;       /* of which the handoffs are judged */
    const char *const *needs;  /* programs without which nothing works, NULL-terminated */
    const char *const *ports;  /* that the example names, NULL-terminated; the first is asked */
    const char *edited;        /* a watched file with the words "release 1" in what is answered */
    const char *good, *bad;    /* text of that file, and what somebody mistypes for it */
    const char *complaint;     /* what the program says about that, in its own words */
    const char *slow;          /* path of an answer that takes a second or so; NULL: none */
    const char *own[ADP_ARGS]; /* its own way: started without stint, in the foreground … */
    const char *beside[ADP_ARGS]; /* … while this runs, too, such as what stands in front of it … */
    const char *own_edit[3]; /* … after in the file [0] text [1] became [2] ([0] NULL: nothing) */
    const char *own_words;   /* how people call that, for the report */
    int own_signal;          /* … reloads on this signal (0: it has no way of its own) … */
    int own_stop;            /* … and ends on this one */
    int own_deaf_ms; /* it may not hear that signal while it is busy: sent again after this; 0: it does */
    unsigned handoffs;   /* of each, one after the other; 0: 10 */
    bool closes_silent;  /* a draining worker closes a connection that has not asked yet */
    bool own_takes_long; /* its own way is only gone with --own */
    bool loses_none;     /* a lame duck: not even one on a kept connection */
};

/*
 * A whole main(): runs the stories. --rate N --single N --handoffs N: others than the usual; --own: its own way
 * even where that takes long; --plant WHAT=BY: a fault in stint.yaml, to see that it is found.
 */
int adp_main(const struct adapter *a, int argc, char **argv);

#define adapter_program(adapter)                 \
    int main(int argc, char **argv)              \
    {                                            \
        return adp_main(&(adapter), argc, argv); \
    }

/* ---- stage.c: files and programs ------------------------------------------------------------------ */

/* adp_need - fails with a sentence when one of these programs is nowhere in PATH. Outside of a test. */
bool adp_need(const char *const *programs);

/*
 * adp_stage - copy examples/@example (folders too) into the stage; each of @ports (borrowed, numbers as
 * text, NULL-terminated) becomes a free one in all its files. @config: becomes stint.yaml.
 */
void adp_stage(const char *example, const char *config, const char *const *ports);
unsigned adp_port(unsigned i); /* what became of the i-th of them */

/* adp_edit - replace every @from in a file of the stage by @to, and the file by rename. It must occur. */
void adp_edit(const char *file, const char *from, const char *to);

/* adp_release - let the file answer "release @to" instead of "release @from", by rename. */
void adp_release(const char *file, unsigned from, unsigned to);

/* ---- handoff.c: what the master's log has to say about one ------------------------------------------- */

/* adp_serving - generation @gen of @service got its verdict `serving`. */
void adp_serving(const char *service, unsigned gen);
/* adp_certified - it has left, without a leak and without being killed. */
void adp_certified(const char *service, unsigned gen);

/* ---- load.c: stint-load, and what it counted ---------------------------------------------------------- */

struct adp_accounts {
    long requests, failed, lost_on_reused;
    long p99_us, longest_gap_us;
    char kinds[256]; /* "reset 1, short 2"; "" when nothing failed */
};

/* adp_load_begin - requests per second to 127.0.0.1:@port; keep: over ADP_KEPT connections, else one each. */
int adp_load_begin(bool keep, unsigned rate, unsigned port, const char *words);
void adp_load_mark(void); /* a reload begins now, for every load that runs */
/* adp_load_end - the one that @load stands for; what it has under way ends before. */
void adp_load_end(int load, struct adp_accounts *ret);

/* adp_ask - GET @path on a connection of its own. Return: status, 0 when cut; @body may be NULL. */
int adp_ask(unsigned port, const char *path, char *body, size_t room);
/* adp_answers - does an answer to / hold these words, within the time? */
bool adp_answers(unsigned port, const char *words, int64_t within_us);
/* adp_await_words - fails the test when none does within 20 s. */
void adp_await_words(unsigned port, const char *words);

/* ---- fate.c: single connections --------------------------------------------------------------------------- */

/* Let @hand_over replace the worker while connections are idle, silent and waiting; print and judge. */
void adp_fates(const struct adapter *a, void (*hand_over)(const struct adapter *a));

/* ---- own.c: the program without us ---------------------------------------------------------------------- */

/* adp_children - of a process, now. @ret has room for ADP_CHILDREN. Return: how many. */
#define ADP_CHILDREN 64
unsigned adp_children(pid_t pid, pid_t *ret);

void adp_own_begin(const struct adapter *a);
/* adp_own_reload - the edit was made: its signal, until it answers @words and its old workers are gone. */
void adp_own_reload(const struct adapter *a, const char *words);
void adp_own_end(const struct adapter *a);

#endif
