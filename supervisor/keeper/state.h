/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_KEEPER_STATE_H
#define STINT_KEEPER_STATE_H

/* The one keeper of this process, and what its parts do with it. Inside of the room only. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "supervisor/keeper/frame.h"
#include "supervisor/keeper/kept.h"
#include "supervisor/keeper/obituaries.h"
#include "supervisor/keeper/restart.h"
#include "supervisor/keeper/systemd.h"

struct keeper_options;

enum link_phase {
    LINK_NONE,     /* no socket */
    LINK_NEW,      /* the master has not said HELLO */
    LINK_TAKEOVER, /* WELCOME … END are on their way to it */
    LINK_LIVE
};

#define LINK_ACKS_MAX \
    256 /* when so many wait to be sent we do not read on: the master reads too little */

struct link {
    int fd; /* owned; -1 in LINK_NONE */
    enum link_phase phase;
    bool welcomed;     /* WELCOME is out */
    bool finished;     /* END is out; it stays after the link is closed */
    bool deaf;         /* it closed its end: nothing more is sent, what it said is still read */
    bool full;         /* it takes no more: wait until it is writable */
    int64_t heard_us;  /* when it last said something, or was started */
    int64_t retry_us;  /* the kernel has too many descriptors under way: try again then */
    uint64_t sent;     /* number of our last frame */
    uint64_t obituary; /* the next one to tell */
    uint32_t ack_first, n_acks;
    uint32_t refused; /* frames */
    struct keeper_ack acks[LINK_ACKS_MAX];
    uint64_t ack_numbers[LINK_ACKS_MAX];
};

struct master {
    pid_t pid;        /* 0: there is none */
    int pidfd;        /* owned */
    int64_t began_us; /* of this one; if there is none: when to start the next */
    bool leaving;     /* it said so */
    bool killed;      /* by us */
    bool stalled;     /* … for its silence */
    int32_t status;   /* of LEAVING */
};

/* A program that is asked whether it could go on from our image, before anybody relies on it. */
struct trial {
    int pidfd;        /* owned; -1: there is none */
    int answer_fd;    /* owned; -1: it has answered */
    int exe_fd;       /* owned; the program; -1: nobody wants to know any more */
    bool fine;        /* it said yes. The ACK waits for its end */
    uint64_t number;  /* of the UPGRADE */
    int64_t until_us; /* it has to be over */
};

/* What outlives an upgrade of the keeper, with the kept descriptors and the obituaries. */
struct facts {
    struct restart restart;
    struct rlimit nofile; /* as it was passed to us */
    int64_t began_us;     /* of the keeper */
    int64_t died_us;      /* the master before */
    int32_t wait_status;  /* its */
    uint32_t masters;     /* started so far */
    uint32_t why; /* enum keeper_welcome_flag of the next WELCOME: what became of the one before */
    uint32_t pending;  /* signals to forward, 1U << number */
    uint32_t stopping; /* SIGTERM or SIGINT came, ever */
    int32_t
        previous_fd; /* owned; the program before the upgrade, until the new one has proved itself; -1 */
    uint32_t unproved; /* masters of the new program that died young, before they proved it */
    int32_t trial_pid; /* the child of struct trial, until it is reaped; 0: none */
};

struct keeper {
    const struct keeper_options *options; /* borrowed */
    char **argv;                          /* borrowed */
    int exe_fd;                           /* owned; this program */
    int next_fd;                          /* owned; the program asked for by UPGRADE; -1 */
    int signal_fd;                        /* owned */
    bool done;
    bool reap; /* children may have died */
    int exit_status;
    struct facts facts;
    struct master master;
    struct trial trial;
    struct link link;
    struct systemd systemd;
    struct obituaries obituaries;
    struct kept kept;
    struct frame_in in; /* the datagram that is looked at */
};

/* keeper.c */
void keeper_end(struct keeper *k, int exit_status);

/* link.c: the socket to the master. */
void link_open(struct link *l, int fd, uint64_t first_obituary, int64_t now_us); /* owns @fd */
void link_close(struct link *l);
/* link_receive - the next datagram into @in. Return: 1, 0: none now, -EPIPE: there will be none any more. */
int link_receive(struct link *l, struct frame_in *in);
/* link_send - Return: 0, -EAGAIN: not now (l->full or l->retry_us says when), -EPIPE: it is deaf. */
int link_send(struct link *l, const struct frame_out *out);
void link_ack(struct link *l, uint64_t number,
              int error); /* queued; room is the caller's business */
int link_send_acks(struct link *l);

/* talk.c: what is said over it. */
void talk_hear(struct keeper *k, int max, int64_t now_us); /* at most @max datagrams */
void talk_say(struct keeper *k, int64_t now_us);           /* all that goes out now */

/* master.c */
int64_t keeper_patience_until(const struct keeper *k); /* TIME_NEVER: nobody counts */
void master_start(struct keeper *k, int64_t now_us);
void master_kill(struct keeper *k); /* its death is heard of later */
void master_died(struct keeper *k, int wait_status, int64_t now_us);

/* launch.c: fork and exec. */
struct launch {
    int exe_fd;
    int fd;      /* becomes KEEPER_FD of the child; all others are closed for it */
    char **argv; /* [0] is the title, put there in the child alone */
    char *title;
};
/* launch - Return: the pid or negative errno. @ret_pidfd: owned by the caller. */
pid_t launch(const struct launch *what, const struct rlimit *nofile, int *ret_pidfd);
void launch_exec(int exe_fd, char **argv, char **envp); /* returns if it failed, with errno */

/* reap.c */
void reap_children(struct keeper *k, int64_t now_us);

/* signals.c */
int signals_open(void); /* block, and read them here. Return: the descriptor or negative errno */
void signals_read(struct keeper *k, int64_t now_us);
void signals_forward(struct keeper *k);

/* upgrade.c */
/* upgrade_ask - UPGRADE number @number. Owns @fd when 0: the ACK comes later. */
int upgrade_ask(struct keeper *k, int fd, const char *path, uint64_t number);
void upgrade_proved(struct keeper *k);
void upgrade_go(struct keeper *k, int64_t now_us);   /* to next_fd; returns if that failed */
void upgrade_back(struct keeper *k, int64_t now_us); /* to facts.previous_fd */

/* trial.c */
int trial_start(struct keeper *k, int exe_fd, uint64_t number,
                int64_t now_us);                    /* owns @exe_fd when 0 */
void trial_hear(struct keeper *k);                  /* its answer_fd has something */
void trial_judge(struct keeper *k, int64_t now_us); /* is it late? */
void trial_cancel(struct keeper *k);                /* nobody wants to know any more */
void trial_died(struct keeper *k);                  /* it is reaped */

/* workers.c: SIGTERM, 5 s, SIGKILL to all whose pidfd is kept. Returns when they are gone, or given up. */
void workers_end(struct keeper *k);

#endif
