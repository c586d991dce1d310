/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "actor_hostile.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/probe/registry_tables.h"
#include "worker-api/wire.h"

static bool late_ready;
static const char *lingers_at; /* NULL: nowhere */

static void
flood(unsigned mib)
{
    static unsigned char block[1 << 16];

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = i % 256 == '\n' ? 0 : (unsigned char)(i % 256);
    for (unsigned i = 0; i < mib * 16; i++)
        for (size_t done = 0; done < sizeof(block);) {
            ssize_t n = write(STDOUT_FILENO, block + done, sizeof(block) - done);

            if (n <= 0)
                exit(90);
            done += (size_t)n;
        }
}

static void
lines(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        (void)printf("line %u of many, and none of them matters\n", i);
    (void)fflush(stdout);
}

static void
notify_spam(unsigned n)
{
    char text[1024];

    for (unsigned i = 0; i < n; i++) {
        if (i % 3 == 0)
            (void)snprintf(text, sizeof(text), "STATUS=%0900u", i);
        else if (i % 3 == 1)
            (void)snprintf(text, sizeof(text), "\n\n=%u\nX=\001\nEXTEND_TIMEOUT_USEC=-1\n", i);
        else
            (void)snprintf(text, sizeof(text), "READY=0\nWATCHDOG=%u\nSTOPPING=", i);
        actor_notify(text);
    }
}

static void
brood(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (fork() != 0)
            continue;
        (void)signal(SIGTERM, SIG_IGN);
        (void)alarm(60);
        for (;;)
            (void)pause();
    }
}

static void
tell(const char *fifo)
{
    int fd = open(fifo, O_WRONLY | O_CLOEXEC);

    if (fd == -1 || write(fd, "!", 1) != 1)
        exit(91);
    (void)close(fd);
}

/* @take: the byte, so that it is for one of those who wait; else it lets all of them go on. */
static void
await(const char *fifo, bool take)
{
    sigset_t term;
    struct pollfd p[2] = {{.events = POLLIN}, {.events = POLLIN}};
    char byte;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    p[0].fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    p[1].fd = signalfd(-1, &term, SFD_CLOEXEC);
    if (p[0].fd == -1 || p[1].fd == -1)
        exit(92);
    do {
        if (poll(p, 2, -1) > 0 && p[1].revents)
            exit(0);
    } while (take ? read(p[0].fd, &byte, 1) != 1 : !(p[0].revents & POLLIN));
    (void)close(p[0].fd);
    (void)close(p[1].fd);
}

static int
inherited(const char *name)
{
    const char *value = getenv(name);

    if (!value)
        exit(93);
    return atoi(value);
}

/* ---- the registry: its content is the worker's, so it may be anything ---------------------------- */

/* For a while: every entry is said to be whole, and is noise; tickets are drawn in leaps, and now and then go back. */
static void *
span_noise(void *arg)
{
    char *map = arg;
    struct stint_registry_header *header = (struct stint_registry_header *)(void *)map;
    uint64_t *seqs = (uint64_t *)(void *)(map + STINT_REGISTRY_SPANS_AT);
    unsigned char *entries = (unsigned char *)(seqs + STINT_REGISTRY_SPANS);
    uint64_t noise = 1;

    for (uint64_t n = 0;; n++) { /* whenever it is looked at */
        size_t entry = n % STINT_REGISTRY_SPANS;

        for (size_t i = 0; i < sizeof(struct stint_registry_span); i++) {
            noise = noise * UINT64_C(6364136223846793005) + 1442695040888963407U;
            entries[entry * sizeof(struct stint_registry_span) + i] = (unsigned char)(noise >> 56);
        }
        __atomic_store_n(&seqs[entry], n * 2 + 2, __ATOMIC_RELEASE);
        __atomic_store_n(&header->spans_begun,
                         n % 1000 == 999 ? noise : n + 1 - (n % 100 == 99 ? 50 : 0),
                         __ATOMIC_RELEASE);
    }
    return NULL;
}

static void
spans(int fd)
{
    const uint32_t at = STINT_REGISTRY_SPANS_AT;
    struct stint_registry_header header = {.magic = STINT_REGISTRY_MAGIC,
                                           .major = STINT_REGISTRY_MAJOR};
    char *map = mmap(NULL, STINT_REGISTRY_WITH_SPANS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pthread_t thread;

    if (map == MAP_FAILED)
        exit(88);
    fixture_header(&header);
    header.span_seqs = (struct stint_registry_table){at, 8, STINT_REGISTRY_SPANS, 0};
    header.spans =
        (struct stint_registry_table){at + STINT_REGISTRY_SPANS * (uint32_t)sizeof(uint64_t),
                                      sizeof(struct stint_registry_span), STINT_REGISTRY_SPANS, 0};
    memcpy(map, &header, sizeof(header));
    if (pthread_create(&thread, NULL, span_noise, map) != 0)
        exit(88);
}

static void
registry(const char *how)
{
    struct stint_registry_header header = {.magic = STINT_REGISTRY_MAGIC,
                                           .major = STINT_REGISTRY_MAJOR};
    const uint32_t odd = 1;
    int fd = inherited("STINT_REGISTRY");
    unsigned char *map =
        mmap(NULL, STINT_REGISTRY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (map == MAP_FAILED)
        exit(88);
    if (strcmp(how, "spans") == 0) {
        spans(fd);
        return;
    }
    fixture_header(&header);
    header.slots.used = header.slots.count;
    header.scopes.used = header.scopes.count;
    header.sites.used = header.sites.count;
    if (strcmp(how, "noise") == 0) {
        for (size_t i = 0; i < STINT_REGISTRY_BYTES; i++)
            map[i] = (unsigned char)(i * 131 + 17);
        memcpy(map, &header, sizeof(header));
        return;
    }
    if (strcmp(how, "bad-magic") == 0)
        header.magic = 0x21212121;
    else if (strcmp(how, "huge-slots") == 0)
        header.slots.stride = header.slots.count = UINT32_MAX;
    memcpy(map, &header, sizeof(header));
    if (strcmp(how, "odd") == 0)
        for (size_t i = 0; i < STINT_REGISTRY_SEQS; i++)
            memcpy(map + header.seqs.offset + i * sizeof(odd), &odd, sizeof(odd));
}

/* ---- the channel --------------------------------------------------------------------------------- */

static void
frame(int fd, uint16_t type, uint64_t sequence, const void *body, uint32_t bytes, uint32_t claim)
{
    char text[STINT_FRAME_MAX] = "";
    struct stint_frame f = {.type = type, .length = claim, .sequence = sequence};

    memcpy(text, &f, sizeof(f));
    if (bytes > 0)
        memcpy(text + sizeof(f), body, bytes);
    (void)send(fd, text, sizeof(f) + bytes, MSG_NOSIGNAL);
}

static void
pass_descriptor(int fd, int what)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr head;
    } control = {{0}};
    char byte = '!';
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.head), &what, sizeof(what));
    (void)sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void
channel(const char *how)
{
    struct stint_hello hello = {STINT_WIRE_MAJOR, STINT_WIRE_MINOR, (uint32_t)getpid()};
    int fd = inherited("STINT_CHANNEL");

    if (strcmp(how, "noise") == 0)
        (void)send(fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL);
    else if (strcmp(how, "length") == 0)
        frame(fd, STINT_FRAME_HELLO, 1, &hello, sizeof(hello), 4000);
    else if (strcmp(how, "fds") == 0)
        pass_descriptor(fd, STDIN_FILENO);
    else
        frame(fd, STINT_FRAME_HELLO, 1, &hello, sizeof(hello), sizeof(hello));
    if (strcmp(how, "sequence") == 0)
        frame(fd, STINT_FRAME_READY, 77, NULL, 0, 0);
    if (strcmp(how, "deluge") == 0)
        for (uint64_t i = 2; i < 20000; i++)
            frame(fd, 999, i, NULL, 0, 0); /* of a type that nobody knows: to be skipped */
}

/* To whoever listens at "stranger.sock". */
static void
send_away(const char *what)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "stranger.sock"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte;

    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == -1)
        exit(94);
    pass_descriptor(fd, strcmp(what, "listener") == 0  ? 3
                        : strcmp(what, "channel") == 0 ? inherited("STINT_CHANNEL")
                                                       : STDOUT_FILENO);
    if (read(fd, &byte, 1) != 1) /* he has it */
        exit(95);
    (void)close(fd);
}

static void *
for_ever(void *unused)
{
    for (;;)
        (void)pause();
    return unused;
}

/* Its first thread ends, another lives on: in /proc it looks like a zombie. */
static void
headless(const char *fifo)
{
    pthread_t thread;

    (void)signal(SIGTERM, SIG_IGN);
    if (pthread_create(&thread, NULL, for_ever, NULL) != 0)
        exit(96);
    tell(fifo);
    pthread_exit(NULL);
}

/* A child goes on and the parent ends, again and again: whoever is to be signalled is gone. */
static void
hop(const char *until)
{
    (void)signal(SIGTERM, SIG_IGN);
    for (unsigned i = 0; i < 200000 && access(until, F_OK) == -1; i++) {
        const struct timespec pause_ns = {0, 200000};

        if (fork() != 0)
            _exit(0);
        (void)nanosleep(&pause_ns, NULL);
    }
    _exit(0);
}

void
actor_hostile(const char *what, const char *value)
{
    unsigned n = (unsigned)strtoul(value, NULL, 10);
    const char *slot = getenv("STINT_SLOT");

    if (strncmp(what, "flood=", 6) == 0)
        flood(n);
    else if (strncmp(what, "lines=", 6) == 0)
        lines(n);
    else if (strcmp(what, "mute") == 0)
        (void)close(STDOUT_FILENO), (void)close(STDERR_FILENO);
    else if (strncmp(what, "notify-spam=", 12) == 0)
        notify_spam(n);
    else if (strcmp(what, "late-ready") == 0)
        late_ready = true;
    else if (strncmp(what, "brood=", 6) == 0)
        brood(n);
    else if (strncmp(what, "tell=", 5) == 0)
        tell(value);
    else if (strncmp(what, "await=", 6) == 0)
        await(value, true);
    else if (strncmp(what, "pass=", 5) == 0)
        await(value, false);
    else if ((strncmp(what, "hang-if=", 8) == 0 && access(value, F_OK) == 0) ||
             (strncmp(what, "slot-never=", 11) == 0 && slot && strcmp(slot, value) == 0))
        for (;;)
            (void)pause();
    else if (strncmp(what, "linger=", 7) == 0)
        lingers_at = value;
    else if (strncmp(what, "registry=", 9) == 0)
        registry(value);
    else if (strncmp(what, "channel=", 8) == 0)
        channel(value);
    else if (strncmp(what, "headless=", 9) == 0)
        headless(value);
    else if (strncmp(what, "hop=", 4) == 0)
        hop(value);
    else if (strcmp(what, "odd-name") == 0)
        (void)prctl(PR_SET_NAME, ") R 1 (\n\033[7m\"");
    else if (strcmp(what, "undumpable") == 0)
        (void)prctl(PR_SET_DUMPABLE, 0);
    else if (strncmp(what, "send=", 5) == 0)
        send_away(value);
}

/* Until there is a byte in it, which stays there for the others. */
static void
linger(const char *fifo)
{
    struct pollfd p = {.fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC), .events = POLLIN};

    while (p.fd >= 0 && poll(&p, 1, -1) != 1)
        ;
}

void
actor_asked_to_leave(void)
{
    if (late_ready)
        actor_notify("READY=1\nSTATUS=too late");
    if (lingers_at)
        linger(lingers_at);
}
