/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private sockets in the place of those of `listen`, and their names in texts. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "config/spec.h"
#include "supervisor/preflight/cage.h"

/* Held until all are chosen, so that no two are the same. Return: the socket, or negative errno. */
static int
free_port(bool v6, unsigned *ret)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *any = v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
    socklen_t size = v6 ? sizeof(in6) : sizeof(in);
    auto_fd int fd = socket(any->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd == -1 || bind(fd, any, size) == -1 || getsockname(fd, any, &size) == -1)
        return -errno;
    *ret = ntohs(v6 ? in6.sin6_port : in.sin_port);
    return steal_fd(fd);
}

static int
private_tcp(const struct listener_spec *l, struct cage_socket *s, int *ret_held)
{
    bool v6 = strchr(l->host, ':') != NULL;

    *ret_held = free_port(v6, &s->port);
    if (*ret_held < 0)
        return *ret_held;
    return asprintf(&s->address, v6 ? "tcp://[::1]:%u" : "tcp://127.0.0.1:%u", s->port) < 0
               ? -ENOMEM
               : 0;
}

int
cage_sockets(struct cage *c, struct error *reterr)
{
    const struct service_spec *spec = c->options->spec;
    auto_free int *held = calloc(spec->n_listen + 1, sizeof(*held));
    int r = 0;

    c->sockets = calloc(spec->n_listen + 1, sizeof(*c->sockets));
    if (!held || !c->sockets)
        return error_set(reterr, -ENOMEM, "choose private sockets");
    for (size_t i = 0; i < spec->n_listen; i++)
        held[i] = -1;
    for (size_t i = 0; i < spec->n_listen && r == 0; i++) {
        struct cage_socket *s = &c->sockets[c->n_sockets++];

        s->name = spec->listen[i].name;
        if (spec->listen[i].family == LISTENER_TCP)
            r = private_tcp(&spec->listen[i], s, &held[i]);
        else if (asprintf(&s->address, "unix:%s/%zu.sock", c->directory, i) < 0)
            r = -ENOMEM;
        else if (strlen(s->address + strlen("unix:")) >=
                 sizeof(((struct sockaddr_un *)0)->sun_path))
            r = -ENAMETOOLONG;
        if (r < 0)
            (void)error_set(reterr, r, "choose a private socket for '%s'", s->name);
    }
    for (size_t i = 0; i < spec->n_listen; i++)
        (void)fd_close(held[i]);
    return r;
}

/* ---- names in texts -------------------------------------------------------------------------- */

/* "{listen.http}" at @s. Return: its length, with the value added; 0: it is none of ours. */
static size_t
placeholder(const struct cage *c, const char *s, struct text *out)
{
    size_t n = strcspn(s, "}") + 1;

    if (s[n - 1] != '}')
        return 0;
    if (n == strlen("{cage}") && strncmp(s, "{cage}", n) == 0) {
        text_add(out, c->work);
        return n;
    }
    if (n == strlen("{program}") && strncmp(s, "{program}", n) == 0) {
        text_add(out, c->program);
        return n;
    }
    for (size_t i = 0; i < c->n_sockets; i++) {
        const struct cage_socket *k = &c->sockets[i];
        auto_text struct text listen = TEXT_INIT, port = TEXT_INIT;

        text_addf(&listen, "{listen.%s}", k->name);
        text_addf(&port, "{port.%s}", k->name);
        if (listen.bytes == n && strncmp(s, text_str(&listen), n) == 0) {
            text_add(out, strncmp(k->address, "tcp://", 6) == 0 ? k->address + 6 : k->address + 5);
            return n;
        }
        if (port.bytes == n && strncmp(s, text_str(&port), n) == 0) {
            text_addf(out, "%u", k->port);
            return n;
        }
    }
    return 0;
}

char *
cage_expand(const struct cage *c, const char *text)
{
    struct text t = TEXT_INIT;

    text_add(&t, "");
    while (*text) {
        size_t n = *text == '{' ? placeholder(c, text, &t) : 0;

        if (n == 0)
            text_addn(&t, text, n = 1);
        text += n;
    }
    return text_steal(&t);
}
