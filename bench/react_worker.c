// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The service of bench/crash_restart and bench/change_to_serving, static: the first line of its main() takes the
 * time, the next ones send it to the socket named by REACT_SOCKET. Who sent it the kernel says.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int
main(void)
{
    struct timespec began;
    int unused = clock_gettime(CLOCK_MONOTONIC, &began), fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = getenv("REACT_SOCKET");
    size_t bytes = path ? strlen(path) : sizeof(to.sun_path);

    (void)unused;
    if (bytes >= sizeof(to.sun_path))
        return 1;
    memcpy(to.sun_path, path, bytes);
    if (sendto(fd, &began, sizeof(began), 0, (const struct sockaddr *)&to, sizeof(to)) == -1)
        return 1;
    for (;;)
        (void)pause();
}
