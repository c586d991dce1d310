/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_SPAWN_H
#define STINT_IO_SPAWN_H

/*
 * Starting a process: everything that can fail softly fails in the parent, everything that fails in
 * the child comes back as {step, errno} through a socket that a successful exec closes. The program is
 * not tied to our life (no PR_SET_PDEATHSIG) unless asked for: workers outlive a master that dies. A child that is gated
 * is, until it is released: when we die first it ends without having run anything, so whoever
 * writes its pid down before the release has no process that is not in the books.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config/spec.h"

struct error;
struct identity;

/* A descriptor the program shall inherit. */
struct spawn_fd {
    int fd;     /* ours, borrowed; any number, CLOEXEC or not */
    int target; /* its number in the program; -1 = the next free one after the listeners */
    const char *env_name; /* NULL, or the variable that is set to the number ("STINT_CHANNEL") */
};

/*
 * The whole order. All pointers are borrowed for the call. Initialise with SPAWN_REQUEST_INIT and
 * fill in; fields left alone mean "as we are".
 */
struct spawn_request {
    char *const *argv;     /* NULL-terminated, at least one entry */
    char *const *envp;     /* NULL-terminated; an entry "LISTEN_PID=…" gets the child's own pid */
    int exe_fd;            /* ≥ 0: exec exactly this file (not for scripts: they need a path) */
    const char *exe_path;  /* the program when exe_fd is -1; also names it in errors */
    const char *directory; /* NULL = stay */
    const struct identity *identity; /* NULL = stay */
    mode_t umask;                    /* (mode_t)-1 = stay */
    const struct limit_spec *limits;
    size_t n_limits;
    int stdout_fd, stderr_fd; /* -1 = ours; stdin is always /dev/null */
    const int *listen_fds;    /* become 3, 4, … */
    size_t n_listen;
    const struct spawn_fd *fds;
    size_t n_fds;
    bool tied;     /* it is killed when we die; not its children */
    bool gated;    /* the child waits for spawn_release() before it becomes the program */
    int cgroup_fd; /* -1 = ours; the directory of a cgroup (v2): nothing of it runs outside */
};

#define SPAWN_REQUEST_INIT                                                                   \
    {                                                                                        \
        .exe_fd = -1, .umask = (mode_t)-1, .stdout_fd = -1, .stderr_fd = -1, .cgroup_fd = -1 \
    }

/* A process that was cloned. Its exec may still fail. */
struct spawned {
    pid_t pid;   /* also its session and its process group */
    int pidfd;   /* owned by the caller; CLOEXEC; readable = exited */
    int exec_fd; /* owned by the caller; CLOEXEC, non-blocking; see spawn_exec_result() */
};

/* What the child was doing when it failed, in the order it does it. */
enum spawn_step {
    SPAWN_STEP_NONE,
    SPAWN_STEP_SETSID,
    SPAWN_STEP_CGROUP,
    SPAWN_STEP_FDS,
    SPAWN_STEP_RLIMIT,
    SPAWN_STEP_CHDIR,
    SPAWN_STEP_SETGROUPS,
    SPAWN_STEP_SETGID,
    SPAWN_STEP_SETUID,
    SPAWN_STEP_EXEC,
    SPAWN_STEP_COUNT
};

struct spawn_failure {
    enum spawn_step step; /* SPAWN_STEP_NONE: no failure */
    int error;            /* negative errno */
    int detail;           /* RLIMIT: the resource; FDS: the target number; else 0 */
};

/**
 * spawn_start - start a process in a session and process group of its own.
 * @ret: untouched on failure; its two descriptors are the caller's
 *
 * Signal mask and dispositions are reset. Only 0, 1, 2, the listeners and @fds are inherited,
 * whatever else is open here and whatever its flags are. Call from the master's only thread.
 *
 * A kernel or a filter that refuses to start it in its cgroup lets it join that before the exec; when
 * that fails, too, the start fails in SPAWN_STEP_CGROUP.
 *
 * Return: 0, or a negative errno with the sentence: then there is no process and nothing leaked.
 */
int spawn_start(const struct spawn_request *req, struct spawned *ret, struct error *reterr);

/*
 * spawn_raise_nofile - as many descriptors for this process as it may have; programs that are started
 * from now on get the limit that was. Once, at the start. Return: 0 or negative errno.
 */
int spawn_raise_nofile(void);

/* spawn_release - a gated child may go on. Return: 0, or negative errno: it is dead already. */
int spawn_release(int exec_fd);

/**
 * spawn_exec_result - how the exec went; call when exec_fd is readable.
 *
 * Return: 0 = the program runs (or the child died before it got that far: its wait status tells),
 * 1 = the step in @ret failed and the child is exiting with status 127, -EAGAIN = not known yet,
 * another negative errno: the pipe itself failed.
 */
int spawn_exec_result(int exec_fd, struct spawn_failure *ret);

const char *spawn_step_name(enum spawn_step step); /* "setsid", "chdir", "execve" … */

/**
 * spawn_explain - the failure as one sentence for people.
 * @exe:  the program's path (it may be looked at again, to tell the cases of ENOENT apart)
 * @directory: the working directory asked for, or NULL
 *
 * Return: @buf.
 */
char *spawn_explain(const struct spawn_failure *failure, const char *exe, const char *directory,
                    char *buf, size_t room);

#define SPAWN_USUAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/**
 * spawn_find_program - where argv[0] is: absolute as it is, with a slash relative to @directory,
 * otherwise looked up in @path (colon-separated; NULL = the usual places).
 * @ret_path: absolute (when @directory is); owned by the caller
 *
 * Return: 0, -ENOENT, -EACCES (found, but not executable) …, with the sentence.
 */
int spawn_find_program(const char *name, const char *directory, const char *path, char **ret_path,
                       struct error *reterr);

#endif
