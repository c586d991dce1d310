/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_SOCKETS_FIXTURE_H
#define STINT_TESTS_UNIT_IO_SOCKETS_FIXTURE_H

/* A set of listeners for each test, and clients that try to connect. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/mem.h"
#include "supervisor/io/sockets.h"
#include "tests/unit/io/process.h"

static struct listeners set;
static struct error error;

static inline void
begin(void)
{
    listeners_init(&set);
}

static inline void
end(void)
{
    listeners_finish(&set);
    folder_remove();
}

static inline struct listener_spec
spec_of(char *address)
{
    return (struct listener_spec){.address = address, .mode = 0660, .backlog = 16};
}

static inline struct listener *
acquire(char *address)
{
    struct listener_spec spec = spec_of(address);
    struct listener *l = NULL;

    ck_assert_msg(listeners_acquire(&set, &spec, LISTENER_OWNER_ANY, &l, &error) == 0, "%s",
                  error.text);
    return l;
}

/* connects - a client's view. Return: a connected socket or negative errno. */
static inline int
connects(const struct listener *l)
{
    int fd = socket(l->bound.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (const struct sockaddr *)&l->bound.sa, l->bound.bytes) == 0)
        return fd;
    (void)close(fd);
    return -errno;
}

static inline void
ck_assert_connects(const struct listener *l)
{
    int fd = connects(l);

    ck_assert_msg(fd >= 0, "nobody could connect");
    (void)close(fd);
}

static inline char *
unix_address(const char *name)
{
    static char buffers[2][300];
    static unsigned next;
    char *address = buffers[next++ % 2];

    (void)snprintf(address, sizeof buffers[0], "unix:%s", in_folder(name));
    return address;
}

#endif
