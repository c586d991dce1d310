/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapter.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/units.h"

#define ASK       "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define BEGUN_MS  300 /* in flight by then: what is asked after it has long been answered */
#define AGAIN_MS  300 /* a client that comes back after so long */
#define TRIES     8
#define ANSWER_MS 8000
#define LINGER_US (15 * US_PER_S)

/* One connection and what came on it. */
struct fate {
    int fd;
    char text[65536];
    size_t bytes;
    int64_t ended_us; /* 0: open */
    int64_t last_us;  /* when the last byte came */
    bool reset;
};

static void
fate_connect(struct fate *f)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)adp_port(0))};

    memset(f, 0, sizeof(*f));
    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(f->fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(fd_nonblock(f->fd), 0);
}

/* Return: false: it could not be sent. */
static bool
fate_ask(struct fate *f, const char *path)
{
    f->bytes = 0;
    f->text[0] = '\0';
    return dprintf(f->fd, ASK, path) > 0;
}

/* A whole answer: its head, and as much as that announces (chunks: the last one). */
static bool
fate_answered(const struct fate *f)
{
    const char *head = strstr(f->text, "\r\n\r\n");
    const char *length = strcasestr(f->text, "\r\nContent-Length: ");

    if (strncmp(f->text, "HTTP/1.", 7) != 0 || !head)
        return false;
    if (length && length < head)
        return f->bytes >= (size_t)(head + 4 - f->text) + strtoul(length + 18, NULL, 10);
    return strstr(head, "\r\n0\r\n\r\n") != NULL;
}

static void
fate_read(struct fate *f)
{
    ssize_t n = read(f->fd, f->text + f->bytes, sizeof(f->text) - 1 - f->bytes);

    if (n > 0) {
        f->bytes += (size_t)n;
        f->text[f->bytes] = '\0';
        f->last_us = mono_now_us();
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        f->ended_us = mono_now_us();
        f->reset = n == -1;
    }
}

/* Look at all of them until the time; with @answer only until that one is answered or over. */
static void
fates_watch(struct fate *const *fates, size_t n, int64_t until_us, const struct fate *answer)
{
    struct pollfd p[4];

    while (mono_now_us() < until_us) {
        bool open = false;

        if (answer && (answer->ended_us != 0 || fate_answered(answer)))
            return;
        for (size_t i = 0; i < n; i++) {
            p[i] = (struct pollfd){fates[i]->ended_us ? -1 : fates[i]->fd, POLLIN, 0};
            open = open || p[i].fd >= 0;
        }
        if (!open)
            return;
        (void)poll(p, (nfds_t)n, (int)((until_us - mono_now_us()) / US_PER_MS) + 1);
        for (size_t i = 0; i < n; i++)
            if (p[i].revents)
                fate_read(fates[i]);
    }
}

static void
tell(const struct adapter *a, const char *what, const char *fate)
{
    (void)printf("%s: %-42s %s\n", a->name, what, fate);
}

/* It was quiet when the drain began. What then: an end by itself, or an answer to a late question? */
static bool
late_question(const struct adapter *a, const char *what, struct fate *f, int64_t before_us,
              int64_t drained_us)
{
    char text[160];
    bool answered;

    if (f->ended_us != 0 && f->ended_us < before_us) {
        tell(a, what, "none: closed after its answer");
        return false;
    }
    if (f->ended_us != 0) {
        (void)snprintf(text, sizeof(text), "%s %.0f ms after the verdict",
                       f->reset ? "reset" : "closed",
                       (double)(f->ended_us > drained_us ? f->ended_us - drained_us : 0) / 1000);
        tell(a, what, text);
        return false;
    }
    if (fate_ask(f, "/"))
        fates_watch(&f, 1, mono_now_us() + ANSWER_MS * US_PER_MS, f);
    answered = fate_answered(f);
    (void)snprintf(text, sizeof(text), "open; asked %d ms after the verdict: %s%s", AGAIN_MS,
                   answered ? "answered" : "lost",
                   answered && strcasestr(f->text, "\r\nConnection: close") ? ", Connection: close"
                                                                            : "");
    tell(a, what, text);
    return answered;
}

/* A request that was asked before the handoff and is not answered when the old one is told to leave. */
static void
in_flight(const struct adapter *a, void (*hand_over)(const struct adapter *a))
{
    static struct fate slow;
    struct fate *one = &slow;
    int64_t begun_us, drained_us;
    unsigned tries = 0;
    char text[128];

    /* On a busy machine the next one may need longer to start than the answer takes: once more then. */
    do {
        fate_connect(&slow);
        begun_us = mono_now_us();
        ck_assert(fate_ask(&slow, a->slow));
        fates_watch(&one, 1, begun_us + BEGUN_MS * US_PER_MS, NULL);
        hand_over(a);
        drained_us = mono_now_us();
        fates_watch(&one, 1, drained_us + LINGER_US, &slow);
        slow.fd = fd_close(slow.fd);
        ck_assert_msg(fate_answered(&slow), "%s dropped a request in flight: %s", a->name,
                      slow.bytes ? "cut short" : "no answer");
    } while (slow.last_us <= drained_us && ++tries < TRIES);
    ck_assert_msg(slow.last_us > drained_us, "%s was too quick: nothing was in flight", a->slow);
    (void)snprintf(text, sizeof(text), "answered in full after %.0f ms, %.0f ms after the verdict",
                   (double)(slow.last_us - begun_us) / 1000,
                   (double)(slow.last_us - drained_us) / 1000);
    tell(a, "a request in flight:", text);
}

void
adp_fates(const struct adapter *a, void (*hand_over)(const struct adapter *a))
{
    static struct fate idle, silent;
    struct fate *both[] = {&idle, &silent};
    int64_t before_us, drained_us;
    bool answered;

    fate_connect(&idle);
    ck_assert(fate_ask(&idle, "/"));
    fates_watch(both, 1, mono_now_us() + ANSWER_MS * US_PER_MS, &idle);
    ck_assert_msg(fate_answered(&idle), "no answer: %s", idle.text);
    fate_connect(&silent);
    /* a question that came after it is answered: by then it was accepted, too */
    ck_assert_int_eq(adp_ask(adp_port(0), "/", NULL, 0), 200);
    fates_watch(both, 2, mono_now_us() + BEGUN_MS * US_PER_MS, NULL);
    before_us = mono_now_us();
    hand_over(a);
    drained_us = mono_now_us();
    fates_watch(both, 2, drained_us + AGAIN_MS * US_PER_MS, NULL);
    idle.bytes = 0;
    (void)late_question(a, "an idle keep-alive connection:", &idle, before_us, drained_us);
    answered =
        late_question(a, "a connection that had not asked yet:", &silent, before_us, drained_us);
    ck_assert_msg(answered || a->closes_silent, "%s lost the first request of a connection",
                  a->name);
    idle.fd = fd_close(idle.fd);
    silent.fd = fd_close(silent.fd);
    if (a->slow)
        in_flight(a, hand_over);
}
