/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CORE_EVENT_H
#define STINT_CORE_EVENT_H

/*
 * Everything the core can learn. The rim peeks one event, steps the core, acts on the effects, and
 * only then consumes the event. Pointers inside are borrowed for the length of the step.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/digest.h"
#include "supervisor/core/effect.h"

struct spec;

enum event_type {
    EVENT_TICK,         /* a deadline may have come */
    EVENT_CONFIG,       /* the whole desired configuration, already valid and bound */
    EVENT_HINT,         /* service: one of its inputs may have changed; service 0 = all */
    EVENT_LOOKED,       /* service: the answer to FX_LOOK */
    EVENT_CHECKED,      /* service: the answer to FX_CHECK */
    EVENT_HOOKED,       /* service: the answer to FX_HOOK */
    EVENT_SURVEYED,     /* service: the answer to FX_SURVEY */
    EVENT_SPAWNED,      /* worker: has a pid; exec may still fail (then EVENT_EXIT says so) */
    EVENT_SPAWN_FAILED, /* worker: never had a pid */
    EVENT_READY,        /* worker: said so, or its probe did */
    EVENT_RELOADING,    /* worker: RELOADING=1 */
    EVENT_REWRITTEN,    /* worker: it rewrote the file of its `ready` after FX_RELOAD */
    EVENT_UNSENT,       /* worker: the signal of FX_RELOAD could not be sent */
    EVENT_EXTEND,       /* worker: asks for more time */
    EVENT_STATUS,       /* worker: STATUS= text, for people */
    EVENT_USAGE,        /* worker: what it has used up; told when worker_outlived() says so */
    EVENT_EVIDENCE,     /* worker: the answer to FX_EVIDENCE */
    EVENT_INSPECT,      /* worker: says when its threads should be looked at */
    EVENT_INSPECTED,    /* worker: the answer to FX_INSPECT */
    EVENT_EXIT,         /* worker: it is dead and reaped */
    EVENT_ESCAPEE, /* worker: a descendant outlived it; becomes a worker record of its own; comes before its EXIT */
    EVENT_RELOAD,   /* operator: look at the service's inputs now; service 0 = all */
    EVENT_START,    /* operator: service shall be up; service 0 = all */
    EVENT_STOP,     /* operator: service shall be down */
    EVENT_STOP_ALL, /* operator or signal: everything down within stop_budget */
    EVENT_TYPE_COUNT
};

enum look_result {
    LOOK_OK,
    LOOK_UNSETTLED, /* somebody may still be writing: ask again after the settle time */
    LOOK_BROKEN     /* cannot be run as it is: missing, truncated, not executable … */
};

struct event {
    enum event_type type;
    uint32_t service; /* HINT, LOOKED, CHECKED, HOOKED, RELOAD, START, STOP */
    int64_t now_us;   /* CLOCK_MONOTONIC; never goes back */
    uint64_t worker;  /* SPAWNED … ESCAPEE */
    union {
        struct {
            const struct spec *spec;
            /* last generation number used, by service name; for services not seen before. NULL: none */
            uint64_t (*last_generation)(void *env, const char *service);
            void *env;
            unsigned max_starting; /* of all services; 0 = any number */
        } config;
        struct {
            uint64_t reload; /* echoed from FX_LOOK; an answer to a run that is over is discarded */
            enum look_result result;
            uint64_t snapshot;    /* LOOK_OK: now the core's, given back by FX_DISCARD; else 0 */
            struct digest digest; /* of the watched inputs */
            /* What a signal does not change: the executable with its interpreter, and the env_file
             * with user and groups. None: not known, and taken for another one. */
            struct digest program, setting;
            bool outdated; /* a worker that serves runs libraries that were replaced on disk */
            const char *reason;
            int error; /* LOOK_BROKEN: negative errno when it is the program's; 0 = something else */
        } looked;
        struct {
            uint64_t reload; /* echoed from FX_CHECK */
            bool ok;
            bool
                again; /* not ok, and the same input may pass later: no preflight has passed it yet */
            const char *reason;
        } checked;
        struct {
            uint64_t generation; /* echoed from FX_HOOK, like the next */
            enum hook hook;
            enum hook_outcome outcome; /* DONE, FAILED, LATE; CANCELLED: there is none any more */
            const char *text;          /* what was wrong, and what it printed; may be NULL */
        } hooked;
        struct {
            uint64_t generation; /* echoed from FX_SURVEY */
            bool seen;           /* false: it could not be looked at, and the rest means nothing */
            struct survey found; /* but for FINDING_THREADS */
            const char *text;    /* who is left, and what is held; may be NULL */
        } surveyed;
        struct {
            pid_t pid;
        } spawned;
        struct {
            int error; /* negative errno */
            const char *what;
        } spawn_failed;
        struct {
            int64_t at_us; /* CLOCK_MONOTONIC, as it says; 0 = it does not say */
        } reloading;
        struct {
            int error; /* negative errno */
        } unsent;
        struct {
            uint64_t usec; /* from now */
        } extend;
        struct {
            const char *text;
        } status;
        struct {
            uint64_t requests, rss_bytes; /* 0: not known */
        } usage;
        struct {
            unsigned stragglers; /* threads (or processes) that would not leave */
            const char *text;    /* their names, places and ages */
        } evidence;
        struct {
            int64_t at_us; /* CLOCK_MONOTONIC, as it says */
        } inspect;
        struct {
            bool seen;           /* false: it could not be looked at, and the rest means nothing */
            unsigned leaked;     /* threads that should be gone */
            unsigned over;       /* limits of its leak_budget that are not kept */
            const char *text;    /* who leaks; may be NULL, like the next */
            const char *budget;  /* what is over */
            const char *compare; /* with the generation before it, when it was asked for that */
            const char *trend;   /* what there is more of with each generation */
        } inspected;
        struct {
            int wait_status; /* as waitpid(2) wrote it; meaningless with exec_error */
            int exec_error; /* negative errno of the step that failed before the program ran, or 0 */
            const char *exec_step;  /* "execve", "chdir", … or NULL */
            const char *last_lines; /* what it printed last, or NULL */
            bool unknown;           /* how it ended could not be learnt */
            bool registry;          /* its registry was read; then: */
            unsigned unjoined;      /* threads that nobody had joined */
            const char *threads;    /* … who they are, or NULL */
        } death;                    /* EXIT */
        struct {
            pid_t pid;
            const char *name; /* comm */
            const char *text; /* what else is known of it; may be NULL */
        } escapee;
        struct {
            bool force;        /* a new generation even when nothing changed */
            bool past_door;    /* RELOAD: even when no preflight has passed it */
            const char *cause; /* "operator reload by uid 0" */
            unsigned status;   /* STOP_ALL: what stint exits with then; 0 to 255 */
        } request;             /* RELOAD, START, STOP, STOP_ALL */
        struct {
            const char *path; /* what changed, or NULL */
        } hint;
    };
};

#endif
