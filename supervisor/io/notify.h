/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_NOTIFY_H
#define STINT_IO_NOTIFY_H

/*
 * The sd_notify protocol, our end: one datagram socket per worker. A message counts when it comes
 * from the worker, from its descent or session, or from a sender already gone whose uid is the
 * worker's (systemd-notify in a script). All else is refused and counted. No descriptor is kept:
 * each one passed is closed at once, which is also how BARRIER=1 is answered.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct ev_loop;
struct notify;

#define NOTIFY_MESSAGE_MAX 4096 /* bytes; a longer datagram is refused as a whole */
#define NOTIFY_STATUS_MAX  512

/* One datagram, decoded. Unknown keys are skipped, malformed values counted and ignored. */
struct notify_message {
    bool ready, stopping, reloading, watchdog, barrier;
    bool fdstore;                   /* asked for; refused */
    bool has_status;                /* then @status, possibly empty, valid UTF-8 not assured */
    bool has_extend;                /* then @extend_us */
    bool has_error;                 /* then @error, the worker's errno, positive */
    bool has_monotonic;             /* then @monotonic_us (goes with RELOADING=1) */
    uint64_t extend_us;             /* from now */
    uint64_t monotonic_us;          /* CLOCK_MONOTONIC */
    pid_t main_pid;                 /* MAINPID=; 0 = not said */
    int error;                      /* ERRNO= */
    unsigned unknown, malformed;    /* lines */
    char status[NOTIFY_STATUS_MAX]; /* NUL-terminated; cut when longer; no control characters */
};

/* notify_parse - pure; any bytes are fine. Return: 0, -EBADMSG: no single line was understood. */
int notify_parse(const char *bytes, size_t n, struct notify_message *ret);

struct notify_sender {
    pid_t pid; /* 0: not visible from here (another pid namespace) */
    uid_t uid;
    gid_t gid;
    unsigned fds; /* passed along, all closed */
};

struct notify_hooks {
    void (*on_notify)(void *env, const struct notify_message *m, const struct notify_sender *from);
    void (*on_refused)(void *env, const struct notify_sender *from, const char *why); /* or NULL */
    void *env; /* borrowed; handed back. A hook may call notify_close(). */
};

/* Totals since the socket was opened. */
struct notify_counts {
    uint64_t accepted, refused, malformed, fds_closed;
};

/**
 * notify_open - bind the socket at @path (mode 0666; a stale one is replaced) and listen to it.
 * @loop:  borrowed; must outlive the socket
 * @hooks: copied
 *
 * Nothing is accepted before notify_expect(): open, spawn with notify_path() in NOTIFY_SOCKET,
 * expect, all in one turn of the loop. Return: 0 or negative errno with the sentence.
 */
int notify_open(struct ev_loop *loop, const char *path, const struct notify_hooks *hooks,
                struct notify **ret, struct error *reterr);

/**
 * notify_adopt - the socket of a master before us, bound at @path; @fd is taken over when this succeeds.
 *
 * A datagram is taken out when the hook has returned: what a master was killed over comes again.
 */
int notify_adopt(struct ev_loop *loop, int fd, const char *path, const struct notify_hooks *hooks,
                 struct notify **ret, struct error *reterr);
int notify_fd(const struct notify *n); /* for whoever keeps it, too; borrowed */

void notify_expect(struct notify *n, pid_t worker, uid_t uid); /* uid: what it runs as */
const char *notify_path(const struct notify *n);
struct notify_counts notify_counts(const struct notify *n);

/*
 * notify_drain - hand over what is queued, now (bounded). Call it when the worker has exited, before
 * reaping it, so that "READY=1, then exit" is seen in that order.
 */
void notify_drain(struct notify *n);
void notify_close(struct notify *n); /* closes and unlinks; NULL is fine */

#endif
