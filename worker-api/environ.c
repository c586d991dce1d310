/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker-api/state.h"

#define FIRST_LISTENER 3 /* SD_LISTEN_FDS_START of the protocol */

/* A decimal number of the environment, whole and in range; false leaves *@ret alone. */
static bool
number(const char *variable, uint64_t max, uint64_t *ret)
{
    const char *text = getenv(variable);
    uint64_t value = 0;

    if (!text || !*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > (max - (uint64_t)(*text - '0')) / 10)
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *ret = value;
    return true;
}

static int
close_on_exec(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    return flags == -1 ? -1 : fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

/* All of a worker's environment is inherited by its children: $LISTEN_PID says whom it was made for. */
static bool
is_for_another(void)
{
    uint64_t pid;

    return number("LISTEN_PID", INT32_MAX, &pid) && (pid_t)pid != getpid();
}

int
stn_environ_take_fd(const char *variable)
{
    uint64_t fd;
    bool good = number(variable, INT32_MAX, &fd) && close_on_exec((int)fd) == 0;

    (void)unsetenv(variable); /* EINVAL is for names that are not ours */
    return good && !is_for_another() ? (int)fd : -1;
}

/* The first of a list with colons between them. Return: what follows it, NULL at the end. */
static const char *
add_listener(int fd, const char *names)
{
    size_t length = names ? strcspn(names, ":") : 0;

    if (stn.n_listeners < LISTENERS_MAX) {
        struct listener *l = &stn.listeners[stn.n_listeners++];

        l->fd = fd;
        stn_text_copy(l->name, length < sizeof(l->name) ? length + 1 : sizeof(l->name), names);
    }
    return names && names[length] == ':' ? names + length + 1 : NULL;
}

/* Those of a gated service come first: they are its own, what is inherited may be a probe's. */
static void
read_listeners(void)
{
    const char *names = getenv("LISTEN_FDNAMES"), *gated = getenv("STINT_GATED");
    uint64_t pid, count;

    if (!number("LISTEN_PID", INT32_MAX, &pid) || (pid_t)pid != getpid())
        return; /* meant for another process, or for none */
    while (gated && *gated)
        gated = add_listener(-1, gated);
    if (!number("LISTEN_FDS", INT32_MAX - FIRST_LISTENER, &count))
        return;
    for (uint64_t i = 0; i < count; i++) {
        int fd = FIRST_LISTENER + (int)i;

        if (close_on_exec(fd) == 0)
            names = add_listener(fd, names);
        else if (names)
            names = strchr(names, ':') ? strchr(names, ':') + 1 : NULL;
    }
}

static void
read_trace(void)
{
    const char *text = getenv("TRACEPARENT"), *state = getenv("TRACESTATE");
    struct tracestate list = {.members = 0};
    size_t bytes;
    char *copy;

    if (!text || !stn_trace_parse(text, strlen(text), &stn.trace))
        return;
    stn_trace_enter(&stn.trace);
    stn_text_copy(stn.trace_id, sizeof(stn.trace_id), text + 3);
    if (state)
        stn_tracestate_add(&list, state, strlen(state));
    bytes = stn_tracestate_bytes(&list);
    copy = bytes > 0 ? malloc(bytes) : NULL;
    if (copy)
        stn_tracestate_put(&list, copy);
    stn.trace.state = copy; /* for as long as the process lives */
}

void
stn_environ_read(void)
{
    uint64_t value;

    if (number("STINT_GENERATION", UINT64_MAX, &value))
        stn.generation = value;
    if (number("STINT_SLOT", UINT32_MAX, &value))
        stn.slot = (unsigned)value;
    stn_text_copy(stn.service, sizeof(stn.service), getenv("STINT_SERVICE"));
    stn_text_copy(stn.notify, sizeof(stn.notify), getenv("NOTIFY_SOCKET"));
    stn_deadlines_read(getenv("STINT_DEADLINES"));
    read_listeners();
    read_trace();
}

uint64_t
stint_generation(void)
{
    return stn.generation;
}

unsigned
stint_slot(void)
{
    return stn.slot;
}

const char *
stint_service(void)
{
    return stn.service;
}

const char *
stint_trace_id(void)
{
    return stn.trace_id;
}
