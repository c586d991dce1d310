/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's tables say of a process's sockets: in its own network, whatever ours is. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/plain.h"
#include "supervisor/probe/capture_parts.h"
#include "supervisor/probe/capture_peers.h"

#define TABLE_MAX   ((size_t)16 << 20) /* of one table's text: 100,000 connections */
#define REPLIES_MAX 4096               /* of the kernel, 32 KiB each at most */
#define ESTABLISHED 0x01               /* TCP_ESTABLISHED, for both families of sockets */
#define LISTENING   0x0a               /* TCP_LISTEN */

/* address_text - "0100007F:1F90" or with 32 digits → "127.0.0.1:8080". Return: the port. */
static uint16_t
address_text(const char *hex, char *buf, size_t room)
{
    uint32_t words[4] = {0};
    char host[INET6_ADDRSTRLEN] = "?", digits[9] = "";
    const char *colon = strchr(hex, ':');
    size_t n = colon ? (size_t)(colon - hex) : 0;
    uint16_t port = colon ? (uint16_t)strtoul(colon + 1, NULL, 16) : 0;
    bool mapped;

    for (size_t i = 0; i < 4 && i < n / 8; i++) {
        memcpy(digits, hex + 8 * i, 8);
        words[i] = (uint32_t)strtoul(digits, NULL, 16); /* network order, as it lies in memory */
    }
    mapped = n == 32 && words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff);
    if (n == 8)
        (void)inet_ntop(AF_INET, words, host, sizeof(host));
    else if (mapped)
        (void)inet_ntop(AF_INET, &words[3], host, sizeof(host));
    else if (n == 32)
        (void)inet_ntop(AF_INET6, words, host, sizeof(host));
    (void)snprintf(buf, room, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
    return port;
}

/* The columns of a line of /proc/net/tcp that matter. */
struct row {
    char *local, *remote;
    unsigned state;
    uint64_t inode;
};

static bool
row_parse(char *line, struct row *ret)
{
    char *rest = NULL, *word = strtok_r(line, " ", &rest), *words[10];
    size_t n = 0;

    for (; word && n < ARRAY_LEN(words); word = strtok_r(NULL, " ", &rest))
        words[n++] = word;
    if (n < ARRAY_LEN(words) || !strchr(words[1], ':'))
        return false; /* the heading */
    ret->local = words[1];
    ret->remote = words[2];
    ret->state = (unsigned)strtoul(words[3], NULL, 16);
    ret->inode = strtoull(words[9], NULL, 10);
    return true;
}

static void
row_ours(struct socket_end *s, const struct row *row, const char *protocol)
{
    char local[64], remote[64];

    s->tcp = strcmp(protocol, "tcp") == 0;
    s->port = address_text(row->local, local, sizeof(local));
    s->peer_port = address_text(row->remote, remote, sizeof(remote));
    s->listening = s->tcp && row->state == LISTENING;
    s->established = s->tcp && row->state == ESTABLISHED;
    (void)snprintf(s->key, sizeof(s->key), "%.45s %.45s", row->local, row->remote);
    (void)snprintf(s->peer_key, sizeof(s->peer_key), "%.45s %.45s", row->remote, row->local);
    if (s->listening)
        (void)snprintf(s->text, sizeof(s->text), "%s %s, listening", protocol, local);
    else if (strtoul(strchr(row->remote, ':') + 1, NULL, 16) == 0)
        (void)snprintf(s->text, sizeof(s->text), "%s %s", protocol, local);
    else /* the arrow is turned round when its port is one we listen on */
        (void)snprintf(s->text, sizeof(s->text), "%s %s → %s%s", protocol, local, remote,
                       s->tcp && !s->established ? ", not established" : "");
}

static int
by_key(const void *a, const void *b)
{
    const struct socket_end *const *x = a, *const *y = b;

    return strcmp((*x)->peer_key, (*y)->peer_key);
}

/* peers_find - the other ends on this machine: rows with our addresses the other way round. */
static void
peers_find(struct ends *ends, char *text)
{
    auto_free struct socket_end **keys = calloc(ends->n_sockets + 1, sizeof(struct socket_end *));
    size_t n = 0;
    char *rest = NULL;

    if (!keys)
        return; /* known peers are a courtesy */
    for (size_t i = 0; i < ends->n_sockets; i++)
        if (ends->sockets[i].established)
            keys[n++] = &ends->sockets[i];
    if (n == 0)
        return;
    qsort(keys, n, sizeof(struct socket_end *), by_key);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        struct socket_end wanted, *one = &wanted, **found;
        struct row row;

        if (!row_parse(line, &row) || row.inode == 0)
            continue;
        (void)snprintf(wanted.peer_key, sizeof(wanted.peer_key), "%.45s %.45s", row.local,
                       row.remote);
        found = bsearch(&one, keys, n, sizeof(struct socket_end *), by_key);
        if (found)
            (*found)->peer = row.inode;
    }
}

/* note_listener - of whomever: the supervisor holds those of its workers, a backend has its own. */
static void
note_listener(bool *ports, const struct row *row, const char *protocol)
{
    if (row->state == LISTENING && strcmp(protocol, "tcp") == 0)
        ports[(uint16_t)strtoul(strchr(row->local, ':') + 1, NULL, 16)] = true;
}

static void
table_read(struct capture *c, struct ends *ends, const char *name, const char *protocol,
           bool *ports)
{
    auto_free char *text = NULL, *again = NULL;
    char path[64], *rest = NULL;

    (void)snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)c->req->pid, name);
    if (capture_late(c) || file_read(path, TABLE_MAX, &text, NULL, NULL) < 0)
        return;
    again = strcmp(protocol, "tcp") == 0 ? strdup(text) : NULL;
    for (char *line = strtok_r(text, "\n", &rest); line && !capture_late(c);
         line = strtok_r(NULL, "\n", &rest)) {
        struct socket_end *s;
        struct row row;

        if (!row_parse(line, &row))
            continue;
        note_listener(ports, &row, protocol);
        s = ends_socket(ends, row.inode);
        if (s)
            row_ours(s, &row, protocol);
    }
    if (again)
        peers_find(ends, again);
}

/*
 * incoming - who is connected to a port on which somebody listens, here, came to us. And where somebody
 * listens at the other end, on this machine, we went there: a port that was given says nothing then.
 */
static void
incoming(struct ends *ends, const bool *ports)
{
    static const char there[] = "→", back[] = "←"; /* of one length */

    for (size_t i = 0; i < ends->n_sockets; i++) {
        struct socket_end *s = &ends->sockets[i];
        char *arrow = s->tcp && !s->listening ? strstr(s->text, there) : NULL;

        if (arrow && ports[s->port])
            memcpy(arrow, back, sizeof(back) - 1);
        else if (arrow && s->peer != 0 && ports[s->peer_port])
            (void)snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%s",
                           SOCKET_SERVER);
    }
}

static void
unix_reply(struct ends *ends, struct nlmsghdr *h)
{
    struct unix_diag_msg *m = NLMSG_DATA(h);
    unsigned left = h->nlmsg_len - (unsigned)NLMSG_LENGTH(sizeof(*m));
    struct socket_end *s = ends_socket(ends, m->udiag_ino);
    char name[80] = "";

    if (!s || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
        return;
    for (struct rtattr *a = (struct rtattr *)(m + 1); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        size_t n = RTA_PAYLOAD(a);

        if (a->rta_type == UNIX_DIAG_PEER && n >= sizeof(uint32_t)) {
            uint32_t peer;

            memcpy(&peer, RTA_DATA(a), sizeof(peer));
            s->peer = peer;
        } else if (a->rta_type == UNIX_DIAG_NAME && n > 0) {
            n = n < sizeof(name) - 1 ? n : sizeof(name) - 1;
            memcpy(name, RTA_DATA(a), n);
            name[n] = '\0';
            if (name[0] == '\0')
                name[0] = '@'; /* abstract */
        }
    }
    plain_text(name);
    s->listening = m->udiag_state == LISTENING;
    s->established = m->udiag_state == ESTABLISHED && m->udiag_type != SOCK_DGRAM && s->peer != 0;
    (void)snprintf(s->text, sizeof(s->text), "unix%s%s%s", name[0] != '\0' ? " " : "", name,
                   s->listening ? ", listening" : "");
}

/* diag_socket - one in the network of the process: a socket stays in that where it was made. */
static int
diag_socket(const struct capture *c)
{
    char path[64];
    struct stat ours, its;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)c->req->pid);
    auto_fd int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    auto_fd int away = open(path, O_RDONLY | O_CLOEXEC);

    if (home == -1 || away == -1 || fstat(home, &ours) < 0 || fstat(away, &its) < 0)
        return -EACCES;
    if (ours.st_ino == its.st_ino)
        away = fd_close(away);
    else if (setns(away, CLONE_NEWNET) < 0)
        return -errno;
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (away != -1)
        (void)setns(home, CLONE_NEWNET); /* we have just been there */
    return fd == -1 ? -EAFNOSUPPORT : fd;
}

static void
unix_read(struct capture *c, struct ends *ends)
{
    struct {
        struct nlmsghdr h;
        struct unix_diag_req r;
    } ask = {
        .h = {.nlmsg_len = sizeof(ask),
              .nlmsg_type = SOCK_DIAG_BY_FAMILY,
              .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP      },
        .r = {.sdiag_family = AF_UNIX,
              .udiag_states = ~0U,
              .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER},
    };
    auto_free char *buf = malloc(32768);
    auto_fd int fd = diag_socket(c);

    if (!buf || fd < 0 || send(fd, &ask, sizeof(ask), 0) != (ssize_t)sizeof(ask))
        return;
    for (int n = 0; n < REPLIES_MAX && !capture_late(c); n++) {
        ssize_t got = recv(fd, buf, 32768, 0); /* the kernel answers at once */
        unsigned left = got > 0 ? (unsigned)got : 0;

        if (left == 0)
            return;
        for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)buf; NLMSG_OK(h, left);
             h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
                return;
            unix_reply(ends, h);
        }
    }
}

int
ends_sockets_read(struct capture *c, struct ends *ends)
{
    auto_free bool *ports = calloc(UINT16_MAX + 1, sizeof(*ports));
    bool strange = false;

    if (!ports)
        return -ENOMEM;
    ends->sockets = calloc(ends->n + 1, sizeof(*ends->sockets));
    if (!ends->sockets)
        return -ENOMEM;
    for (size_t i = 0; i < ends->n; i++)
        if (ends->of[i].socket && (i == 0 || ends->of[i - 1].inode != ends->of[i].inode))
            ends->sockets[ends->n_sockets++].inode = ends->of[i].inode;
    if (ends->n_sockets == 0)
        return 0;
    table_read(c, ends, "tcp", "tcp", ports);
    table_read(c, ends, "tcp6", "tcp", ports);
    table_read(c, ends, "udp", "udp", ports);
    table_read(c, ends, "udp6", "udp", ports);
    incoming(ends, ports);
    for (size_t i = 0; i < ends->n_sockets; i++)
        strange |= ends->sockets[i].text[0] == '\0';
    if (strange)
        unix_read(c, ends);
    return 0;
}
