// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stint-listen: bind, listen, and become another program, which has the socket as if by socket
 * activation. For masters that hand nothing over: each process of theirs binds for itself.
 *
 *     stint-listen PORT PROGRAM [ARGUMENT...]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG   1024
#define LISTEN_FD 3

static _Noreturn void
die(const char *what)
{
    (void)fprintf(stderr, "stint-listen: %s: %s\n", what, strerrordesc_np(errno));
    exit(EXIT_FAILURE);
}

int
main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    const int on = 1;
    char pid[16];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (argc < 3) {
        (void)fprintf(stderr, "usage: stint-listen PORT PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    to.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
        bind(fd, (struct sockaddr *)&to, sizeof(to)) == -1 || listen(fd, BACKLOG) == -1)
        die(argv[1]);
    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    if (setenv("LISTEN_PID", pid, 1) == -1 || setenv("LISTEN_FDS", "1", 1) == -1 ||
        setenv("LISTEN_FDNAMES", "http", 1) == -1)
        die("environment");
    if (fd == LISTEN_FD ? fcntl(fd, F_SETFD, 0) == -1 : dup2(fd, LISTEN_FD) == -1)
        die("descriptor 3");
    execvp(argv[2], argv + 2);
    die(argv[2]);
}
