/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "supervisor/probe/judge_trial.h"

#include "supervisor/probe/pure.h"

/*
 * Does a thread wait for a client of the process? Such a one is not stuck: it serves, and its client
 * does not let go. A connection of the process's own making, to a database, is its own affair.
 *
 * While somebody listens on its port, the process or its supervisor, the probe marks what came in
 * ("←"), and what goes to somebody who listens on this machine (", a server"). For the rest the ports
 * tell: who asks has one that was given to him, who serves a known one.
 */
#define GIVEN_PORT 32768 /* Linux gives ports from here on */

static unsigned long
port_of(const char *address, size_t bytes)
{
    while (bytes > 0 && address[bytes - 1] != ':')
        bytes--;
    return bytes > 0 ? strtoul(address + bytes, NULL, 10) : 0;
}

/* @s: "tcp LOCAL → REMOTE", and whatever follows. */
static bool
tcp_came_in(const char *s)
{
    static const char there[] = " → ", back[] = " ← ";
    const char *local = strchr(s, ' '), *remote;
    size_t bytes, far;

    if (!local)
        return false;
    bytes = strcspn(++local, " ,");
    remote = local + bytes;
    if (strncmp(remote, back, sizeof(back) - 1) == 0)
        return true;
    if (strncmp(remote, there, sizeof(there) - 1) != 0)
        return false;
    remote += sizeof(there) - 1;
    far = strcspn(remote, " ,");
    if (strncmp(remote + far, ", not established", 17) == 0 ||
        strncmp(remote + far, ", a server", 10) == 0)
        return false;
    return port_of(local, bytes) < GIVEN_PORT || port_of(remote, far) >= GIVEN_PORT;
}

/* An accepted one has the name of the socket that accepted it; who connects has none. */
static bool
unix_came_in(const char *s)
{
    return s[4] == ' ' && (s[5] == '/' || s[5] == '@') && !strstr(s, ", listening");
}

/* Is one that came in among these, "fd 3 → tcp …, fd 4 → eventfd (0)"? */
static bool
some_came_in(const char *list)
{
    for (const char *s = list; (s = strstr(s, "tcp")) != NULL; s++)
        if ((s == list || s[-1] == ' ') && tcp_came_in(s))
            return true;
    for (const char *s = list; (s = strstr(s, "unix")) != NULL; s++)
        if ((s == list || s[-1] == ' ') && unix_came_in(s))
            return true;
    return false;
}

static unsigned
listed(const char *targets)
{
    unsigned n = 0;

    for (const char *s = targets; (s = strstr(s, "fd ")) != NULL; s++)
        n++;
    return n;
}

bool
trial_serves(const struct trial *t, size_t i)
{
    const struct thread_facts *f = &t->facts->threads[i];
    bool many = f->wait == WAIT_POLL || f->wait == WAIT_EPOLL;

    if (t->facts->connections == 0 || (!many && f->wait != WAIT_READ && f->wait != WAIT_WRITE))
        return false;
    if (some_came_in(f->fd_target))
        return true;
    /* Of many the first few are told; those of the process may be among the others. */
    return many && (f->fd_target[0] == '\0' || f->n_fds > listed(f->fd_target)) &&
           some_came_in(t->facts->peers);
}
