/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_SPAWN_CHILD_H
#define STINT_IO_SPAWN_CHILD_H

/* Between clone and exec. Private to spawn.c. */
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

struct spawn_request;

struct placement {
    int from; /* ours; the child overwrites its copy with a high duplicate */
    int to;   /* the program's */
};

/* Everything the child needs, allocated beforehand by the parent: the child only makes system calls. */
struct spawn_plan {
    const struct spawn_request *req;
    char **envp;              /* owned array, borrowed strings but for those in `made` */
    char *listen_pid;         /* where the digits of the child's pid go, in envp; NULL = nowhere */
    struct placement *places; /* owned; stdin, stdout, stderr, listeners, others */
    size_t n_places;
    int above;     /* greater than every target: duplicates from here on clobber nothing */
    int join_fd;   /* -1, or the cgroup that the child has to join by itself; borrowed */
    pid_t parent;  /* tied: who we are */
    int status_fd; /* the child's end of the socket; CLOEXEC */
    int parent_fd; /* the parent's end, to be closed in the child: our death has to be heard */
};

extern struct rlimit spawn_nofile; /* of the programs; rlim_max 0: as ours is */

#define LISTEN_PID_ROOM 12 /* digits of a pid and the NUL */

/* spawn_child - become the program, or write a struct spawn_failure to status_fd and exit 127. */
_Noreturn void spawn_child(struct spawn_plan *plan);

#endif
