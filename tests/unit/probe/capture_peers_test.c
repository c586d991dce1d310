/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has the other end of what a thread waits for, and whom a process still serves. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/unit/probe/capture_fixture.h"

static int theirs[2]; /* a pipe: we write, the actor reads */
static int inner[2];  /* … of the actor alone */
static int talk[2];   /* a pair of unix sockets: one each */
static int closet[2]; /* … of the actor alone */
static int server, client = -1;

static void *
reads_theirs(void *arg)
{
    char c;

    (void)!read(theirs[0], &c, 1);
    return arg;
}

static void *
reads_inner(void *arg)
{
    char c;

    (void)!read(inner[0], &c, 1);
    return arg;
}

static void *
talks(void *arg)
{
    struct pollfd p = {talk[1], POLLIN, 0};

    (void)poll(&p, 1, -1);
    return arg;
}

static void *
talks_to_itself(void *arg)
{
    char c;

    (void)!recv(closet[0], &c, 1, 0);
    return arg;
}

static void *
serves(void *arg)
{
    int fd = accept(server, NULL, NULL);
    char c;

    stage->fds[0] = fd;
    (void)!read(fd, &c, 1);
    return arg;
}

static void *
takes_in(void *arg)
{
    while (stage->fds[0] == 0)
        (void)sched_yield();
    (void)accept(server, NULL, NULL);
    return arg;
}

static void
set_the_scene(void)
{
    (void)close(theirs[1]);
    (void)close(talk[0]);
    if (pipe(inner) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, closet) != 0)
        _exit(95);
    stage->fds[1] = inner[1];
    stage->fds[2] = closet[1];
    (void)start(1, reads_theirs);
    (void)start(2, reads_inner);
    (void)start(3, talks);
    (void)start(4, talks_to_itself);
    (void)start(5, serves);
    (void)start(6, takes_in);
}

static uint16_t
port_of(int fd, struct sockaddr_in *at)
{
    socklen_t n = sizeof(*at);

    memset(at, 0, sizeof(*at));

    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)at, &n), 0);
    return ntohs(at->sin_port);
}

static void
setup(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

    ck_assert_int_eq(pipe(theirs), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, talk), 0);
    server = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(server, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(listen(server, 4), 0);
    actor_start(set_the_scene);
    client = socket(AF_INET, SOCK_STREAM, 0); /* not in the actor */
    (void)port_of(server, &at);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
}

static void
ends(const struct thread_facts *t, const char *target, const char *peer)
{
    ck_assert_msg(strstr(t->fd_target, target), "'%s' is not in '%s'", target, t->fd_target);
    ck_assert_msg(strcmp(t->fd_peer, peer) == 0, "'%s' is not '%s'", t->fd_peer, peer);
}

static char *
ours(int fd, char *buf, size_t room)
{
    (void)snprintf(buf, room, "pid %d (unit.probe.capt), fd %d", (int)getpid(), fd);
    return buf;
}

START_TEST(the_other_end_of_a_pipe_and_of_a_socket_is_found)
{
    char peer[100], target[100];
    struct sockaddr_in at;

    ends(await(1, WAIT_READ), "pipe:[", ours(theirs[1], peer, sizeof(peer)));
    (void)snprintf(peer, sizeof(peer), "this process, fd %d", stage->fds[1]);
    ends(await(2, WAIT_READ), "pipe:[", peer);
    ends(await(3, WAIT_POLL), "→ unix", ours(talk[0], peer, sizeof(peer)));
    (void)snprintf(peer, sizeof(peer), "this process, fd %d", stage->fds[2]);
    ends(await(4, WAIT_READ), "unix", peer);
    (void)snprintf(target, sizeof(target), "tcp 127.0.0.1:%u ← 127.0.0.1:%u", port_of(server, &at),
                   port_of(client, &at));
    ends(await(5, WAIT_READ), target, ours(client, peer, sizeof(peer)));
    (void)snprintf(target, sizeof(target), "tcp 127.0.0.1:%u, listening", port_of(server, &at));
    ends(await(6, WAIT_ACCEPT), target, "");
}
END_TEST

START_TEST(whom_it_serves_and_what_it_listens_on_is_told_clients_first)
{
    char text[100];
    struct sockaddr_in at;

    (void)await(5, WAIT_READ);
    (void)await(6, WAIT_ACCEPT);
    ck_assert_uint_eq(facts.connections, 2); /* not what it has within itself */
    (void)snprintf(text, sizeof(text), "tcp 127.0.0.1:%u ← 127.0.0.1:%u", port_of(server, &at),
                   port_of(client, &at));
    ck_assert_msg(strstr(facts.peers, text), "'%s' is not in '%s'", text, facts.peers);
    ck_assert_ptr_nonnull(strstr(facts.peers, "unix"));
    ck_assert_uint_eq(facts.listeners, 1);
    (void)snprintf(text, sizeof(text), "tcp 127.0.0.1:%u, listening", port_of(server, &at));
    ck_assert_str_eq(facts.listening, text);
}
END_TEST

static void
becomes_a_worker(void)
{
    char number[32];
    char name[] = "worker";
    char *const argv[] = {name, NULL}, *const envp[] = {number, NULL};

    (void)snprintf(number, sizeof(number), "STINT_CHANNEL=%d", talk[1]);
    (void)close(talk[0]);
    (void)execve("/proc/self/exe", argv, envp);
    _exit(93);
}

START_TEST(the_supervisors_channel_is_nobodys_client)
{
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, talk), 0);
    actor_start(becomes_a_worker);
    (void)close(talk[1]);
    do { /* before its exec it has no such environment */
        ck_assert_int_eq(look(0), 0);
        ck_assert_msg(mono_now_us() < deadline_us, "'%s' counts", facts.peers);
    } while (facts.connections > 0 || facts.threads[0].wait != WAIT_SIGNAL);
    ck_assert_str_eq(facts.peers, "");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *s = suite_create("capture_peers");
    TCase *t = tcase_create("capture_peers"), *w = tcase_create("capture_peers_worker");

    if (argc > 0 && strcmp(argv[0], "worker") == 0)
        return pause();
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_checked_fixture(w, NULL, teardown);
    tcase_set_timeout(t, 60);
    tcase_set_timeout(w, 60);
    tcase_add_test(t, the_other_end_of_a_pipe_and_of_a_socket_is_found);
    tcase_add_test(t, whom_it_serves_and_what_it_listens_on_is_told_clients_first);
    tcase_add_test(w, the_supervisors_channel_is_nobodys_client);
    suite_add_tcase(s, t);
    suite_add_tcase(s, w);
    return unit_main(s);
}
