/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_PREFLIGHT_H
#define STINT_PREFLIGHT_PREFLIGHT_H

/*
 * A candidate is rehearsed before it meets anybody: `stint run`, this program, on a configuration
 * with that one service, in a directory of its own with sockets of its own (the cage); it is
 * started, loaded, handed over some times, stopped, and judged by what a supervisor knows of it.
 *
 * Blocking, one thread, for a command. It speaks to the caged supervisor by its control socket and
 * looks at processes in /proc; nothing else is asked, least of all the supervisor that runs.
 */
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/text.h"

struct candidate;
struct error;
struct service_spec;

enum check {
#define CHECK(name, word, about) CHECK_##name,
#include "supervisor/preflight/checks.def"
#undef CHECK
    CHECK_COUNT
};

enum check_result {
    CHECK_SKIPPED, /* not judged; evidence says why */
    CHECK_PASSED,
    CHECK_FAILED
};

const char *check_name(enum check c);  /* "profiling" */
const char *check_about(enum check c); /* what passing means, one line */
const char *check_result_name(enum check_result r);

struct check_report {
    enum check_result result;
    struct text evidence; /* one line */
    struct text fix;      /* of one that failed: what to do */
};

struct preflight_report {
    struct check_report checks[CHECK_COUNT];
    struct digest candidate; /* what the door compares; none: it could not be read */
    char *executable;        /* owned; absolute; NULL: there is none */
    struct text notes;       /* what was done otherwise than it is configured; lines */
    json_t *samples;         /* owned array, one for each reload; NULL: it was not rehearsed */
    char *cage;              /* owned; the directory that was kept; NULL: none */
    int64_t duration_us;
    int recorded; /* 1: noted for the door; 0: not; negative errno: it was to be, and could not */
    bool rehearsed, interrupted;
    bool
        seen; /* a process of the rehearsal ran that executable: with another `command` it may not */
    struct text recorded_text; /* why not, or where */
};

void preflight_report_finish(struct preflight_report *r);
bool preflight_passed(const struct preflight_report *r); /* no check failed */

struct preflight_ask {
    const char *socket, *method, *path;
    const char *body; /* NULL: none */
    int64_t deadline_us;
};

/* What the caller can do, and this cannot. */
struct preflight_hooks {
    /* One exchange over a control socket. Return: 0 with *ret the caller's own, or negative errno. */
    int (*ask)(void *env, const struct preflight_ask *ask, json_t **ret, struct error *reterr);
    /* The digest of a candidate, as the supervisor makes it, and its executable, which is @binary
     * when that is given; from then on, whoever touches it is noticed. Return: 0 with *ret to be
     * released, or negative errno with a sentence. */
    int (*candidate_hold)(const struct service_spec *spec, const char *binary,
                          struct candidate **ret, struct digest *ret_digest, char **ret_path,
                          struct error *reterr);
    /* Once more. Return: 0; -ESTALE with *ret: something of it was touched meanwhile, whatever it is
     * now; another negative errno. A sentence with each. */
    int (*candidate_again)(struct candidate *c, struct digest *ret, struct error *reterr);
    void (*candidate_release)(struct candidate *c); /* NULL is fine */
    void (*progress)(void *env,
                     const char *what);       /* a line for those who wait; NULL: nobody does */
    const volatile sig_atomic_t *interrupted; /* not 0: give up, leave nothing behind */
    void *env;
};

struct preflight_options {
    const struct service_spec *spec; /* borrowed */
    const char *state_dir;           /* where a pass is noted */
    const char *binary;              /* instead of its program; NULL: its own */
    bool keep;                       /* the cage, for a look */
    bool beside_live;                /* handoff: replace, too */
};

/**
 * preflight_run - judge a candidate.
 * @ret: to be finished by the caller, in any case
 *
 * Return: 0 when there is a report, whatever it says; a negative errno when this could not be done
 * at all (no directory, no memory, no process).
 */
int preflight_run(const struct preflight_options *options, const struct preflight_hooks *hooks,
                  struct preflight_report *ret, struct error *reterr);

#endif
