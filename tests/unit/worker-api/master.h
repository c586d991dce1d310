/* SPDX-License-Identifier: MIT */
#ifndef STINT_TESTS_MASTER_H
#define STINT_TESTS_MASTER_H

/* What the master does for a worker, done by a test for itself: channel, registry, environment. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker-api/stint.h"
#include "worker-api/wire.h"

#define SOON_US 10000000 /* a deadline for what should be there at once */

struct master {
    int channel;       /* our end */
    int theirs;        /* the worker's number for its end; its own after stint_init() */
    int registry;      /* our descriptor of the memfd */
    uint64_t sequence; /* last one sent */
};

static inline int64_t
soon(void)
{
    return stint_now_us() + SOON_US;
}

static inline void
master_set_fd(const char *variable, int fd)
{
    char number[16];

    (void)snprintf(number, sizeof(number), "%d", fd);
    ck_assert_int_eq(setenv(variable, number, 1), 0);
}

/* Check's own SIGTERM handler would be chained to, and end the test. */
static inline void
forget_checks_sigterm(void)
{
    ck_assert(signal(SIGTERM, SIG_DFL) != SIG_ERR);
}

/* The environment of a worker under libstint; stint_init() is the test's to call. */
static inline struct master
master_start_sized(size_t bytes)
{
    struct master m = {0};
    int fds[2];

    forget_checks_sigterm();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    m.channel = fds[0];
    m.theirs = fds[1];
    ck_assert_int_eq(fcntl(m.theirs, F_SETFD, 0), 0);
    m.registry = memfd_create("registry", MFD_ALLOW_SEALING);
    ck_assert_int_ge(m.registry, 0);
    ck_assert_int_eq(ftruncate(m.registry, (off_t)bytes), 0);
    ck_assert_int_eq(fcntl(m.registry, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    master_set_fd("STINT_CHANNEL", m.theirs);
    master_set_fd("STINT_REGISTRY", dup(m.registry));
    ck_assert_int_eq(setenv("STINT_GENERATION", "7", 1), 0);
    ck_assert_int_eq(setenv("STINT_SLOT", "3", 1), 0);
    ck_assert_int_eq(setenv("STINT_SERVICE", "web", 1), 0);
    return m;
}

static inline struct master
master_start(void)
{
    return master_start_sized(STINT_REGISTRY_BYTES);
}

static inline void
master_send(struct master *m, uint16_t type, const void *body, uint32_t length)
{
    char bytes[STINT_FRAME_MAX];
    struct stint_frame frame = {.type = type, .length = length, .sequence = ++m->sequence};

    memcpy(bytes, &frame, sizeof(frame));
    if (length > 0)
        memcpy(bytes + sizeof(frame), body, length);
    ck_assert_int_eq(send(m->channel, bytes, sizeof(frame) + length, MSG_NOSIGNAL),
                     (ssize_t)(sizeof(frame) + length));
}

static inline void
master_hello(struct master *m)
{
    struct stint_hello hello = {STINT_WIRE_MAJOR, STINT_WIRE_MINOR, (uint32_t)getpid()};

    master_send(m, STINT_FRAME_HELLO, &hello, sizeof(hello));
}

static inline void
master_cancel(struct master *m, enum stint_cause cause, const char *text, int64_t deadline_us)
{
    struct stint_cancel_frame cancel = {.deadline_us = deadline_us, .cause = cause};

    (void)snprintf(cancel.text, sizeof(cancel.text), "%s", text);
    master_send(m, STINT_FRAME_CANCEL, &cancel, sizeof(cancel));
}

/* The next frame of the worker; @body has room for STINT_FRAME_MAX. */
static inline struct stint_frame
master_receive(const struct master *m, void *body)
{
    char bytes[STINT_FRAME_MAX];
    struct stint_frame frame = {0};
    struct pollfd readable = {.fd = m->channel, .events = POLLIN};
    ssize_t n;

    ck_assert_int_eq(poll(&readable, 1, SOON_US / 1000), 1);
    n = recv(m->channel, bytes, sizeof(bytes), 0);
    ck_assert_int_ge(n, (ssize_t)sizeof(frame));
    memcpy(&frame, bytes, sizeof(frame));
    ck_assert_int_eq((ssize_t)frame.length, n - (ssize_t)sizeof(frame));
    memcpy(body, bytes + sizeof(frame), frame.length);
    return frame;
}

/* A slot by the name of its thread, read as the master reads it. False: no such LIVE or DONE slot. */
static inline int
master_find(const struct master *m, const char *name, struct stint_registry_slot *ret)
{
    struct stint_registry_header header;

    ck_assert_int_eq(pread(m->registry, &header, sizeof(header), 0), sizeof(header));
    for (uint32_t i = 0; i < header.slots.used; i++) {
        off_t at = (off_t)(header.slots.offset + (size_t)i * header.slots.stride);
        off_t seq_at = (off_t)(header.seqs.offset + (size_t)i * header.seqs.stride);
        uint32_t before, again;

        do {
            ck_assert_int_eq(pread(m->registry, &before, sizeof(before), seq_at), sizeof(before));
            ck_assert_int_eq(pread(m->registry, ret, sizeof(*ret), at), sizeof(*ret));
            ck_assert_int_eq(pread(m->registry, &again, sizeof(again), seq_at), sizeof(again));
        } while (before % 2 != 0 || before != again);
        if (ret->state != STINT_SLOT_FREE && strcmp(ret->name, name) == 0)
            return 1;
    }
    return 0;
}

/* A site by index + 1; all zero for none. */
static inline struct stint_registry_site
master_site(const struct master *m, uint32_t number)
{
    struct stint_registry_header header;
    struct stint_registry_site site = {0};

    ck_assert_int_eq(pread(m->registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_le(number, header.sites.used);
    if (number > 0)
        ck_assert_int_eq(
            pread(m->registry, &site, sizeof(site),
                  (off_t)(header.sites.offset + (size_t)(number - 1) * header.sites.stride)),
            sizeof(site));
    return site;
}

/* A scope by its name, the newest of them. False: none in use or just gone. */
static inline int
master_scope(const struct master *m, const char *name, struct stint_registry_scope *ret)
{
    struct stint_registry_header header;
    int found = 0;

    ck_assert_int_eq(pread(m->registry, &header, sizeof(header), 0), sizeof(header));
    for (uint32_t i = 0; i < header.scopes.used; i++) {
        struct stint_registry_scope scope;

        ck_assert_int_eq(pread(m->registry, &scope, sizeof(scope),
                               (off_t)(header.scopes.offset + (size_t)i * header.scopes.stride)),
                         sizeof(scope));
        if (scope.state == STINT_SCOPE_FREE || strcmp(scope.name, name) != 0 ||
            (found && scope.opened_us < ret->opened_us))
            continue;
        *ret = scope;
        found = 1;
    }
    return found;
}

#endif
