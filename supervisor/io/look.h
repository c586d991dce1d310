/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LOOK_H
#define STINT_IO_LOOK_H

/*
 * The answer to FX_LOOK: can this program be started, and is it what we started last time? Opens
 * the executable (the descriptor is the pin), checks that it can run, and digests the inputs.
 * Small inputs are read at once, larger ones in a short-lived child, so that the loop never stalls.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "supervisor/core/event.h"

struct error;
struct ev_loop;
struct look;
struct service_spec;
struct strv;

#define LOOK_INLINE_BYTES (UINT64_C(8) << 20) /* more is read in a child */
#define LOOK_TREE_DIRS    1024                /* a watched directory with more is refused */
#define LOOK_TREE_ENTRIES 16384
#define LOOK_PLACES_MAX   32

struct look_request {
    const char *executable;    /* absolute: look_resolve_command() */
    const char *const *inputs; /* absolute; files or directories; a missing one is legal */
    size_t n_inputs;
    bool watch_binary;   /* the executable's bytes are part of the digest */
    bool know_binary;    /* … or at least told in exe_digest */
    int64_t settle_us;   /* what is younger than this may still be being written; 0 = never mind */
    int64_t deadline_us; /* CLOCK_MONOTONIC; later it is LOOK_BROKEN; TIME_NEVER = none */
};

struct look_answer {
    enum look_result result;
    int exe_fd; /* LOOK_OK: open for reading, CLOEXEC; take it with steal_fd(), or it is closed */
    struct stat exe_stat;  /* LOOK_OK: of exe_fd; when it differs later the pin is lost */
    bool is_script;        /* begins with "#!": exec by path, not by fd */
    char interpreter[256]; /* LOOK_OK: of the script, or the ELF loader; "" when static */
    char real_path[4096];  /* LOOK_OK: without symbolic links */
    struct digest
        exe_digest; /* LOOK_OK: of the executable's bytes; none unless watched or to be known */
    struct digest digest; /* LOOK_OK: inputs in order, and the executable when watched */
    char reason[480];     /* not LOOK_OK: one sentence */
    int error;            /* LOOK_BROKEN: negative errno when it is the executable's; else 0 */
    uint64_t bytes;       /* read */
    int64_t youngest_us;  /* LOOK_OK: wall clock; the latest ctime of all that was read */
    bool helped;          /* read in a child */
};

/**
 * look_start - begin to look.
 * @rq:      borrowed for the call only
 * @on_done: called exactly once, from the loop, never before look_start() has returned; @answer is
 *           valid for the call and the look is gone after it: forget the pointer
 *
 * Return: 0, or a negative errno (no memory, no process); then @on_done is not called.
 */
int look_start(struct ev_loop *loop, const struct look_request *rq,
               void (*on_done)(void *env, struct look_answer *answer), void *env,
               struct look **ret);

/* look_cancel - forget it: @on_done will not be called; a child is killed, and reaped when the loop
 * sees it dead. NULL is fine. */
void look_cancel(struct look *l);

/**
 * look_resolve_command - the absolute path of a service's program.
 *
 * argv[0] with a slash is relative to `directory`; without one it is searched in PATH: of the
 * service's `environment`, else stint's own unless `clean_environment`, else the usual places.
 * Links are kept. With a slash the file need not exist: look_start() says what is wrong with it.
 * An env_file is not asked: the program would depend on a file read later.
 *
 * Return: 0 with *ret_path owned by the caller; -ENOENT, -EACCES: not in PATH, or not executable
 * there; -ENOMEM.
 */
int look_resolve_command(const struct service_spec *spec, char **ret_path, struct error *reterr);

/* look_find_program - the same for another name than argv[0]: what its PATH has for @name. */
int look_find_program(const struct service_spec *spec, const char *name, char **ret_path);

/*
 * look_command_places - the paths where a program without a slash would be, to watch for it: one in
 * each absolute directory of its PATH, LOOK_PLACES_MAX at most; none for one with a slash.
 *
 * Return: 0 or -ENOMEM. They are added to @ret.
 */
int look_command_places(const struct service_spec *spec, struct strv *ret);

#endif
