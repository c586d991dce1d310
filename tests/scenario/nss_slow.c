/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A name service for tests: libc loads it where nsswitch.conf says "stintslow". It knows one user,
 * slowpoke, who is whoever asks. While there is a fifo $STINT_TEST_GATE, each question is told to
 * $STINT_TEST_GATE-asked by a byte and waits for a byte from the gate.
 */
#include <errno.h>
#include <fcntl.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum nss_status _nss_stintslow_getpwnam_r(const char *name, struct passwd *pw, char *buffer,
                                          size_t room, int *errnop);

static void
wait_at_gate(void)
{
    const char *gate = getenv("STINT_TEST_GATE");
    int fd = gate ? open(gate, O_RDONLY | O_CLOEXEC) : -1, asked;
    char path[256], byte;
    ssize_t n = 0;

    if (fd == -1)
        return; /* no gate: fast */
    (void)snprintf(path, sizeof(path), "%s-asked", gate);
    asked = open(path, O_WRONLY | O_CLOEXEC);
    if (asked >= 0)
        n = write(asked, "?", 1);
    (void)close(asked);
    if (n == 1)
        n = read(fd, &byte, 1);
    (void)n;
    (void)close(fd);
}

enum nss_status
_nss_stintslow_getpwnam_r(const char *name, struct passwd *pw, char *buffer, size_t room,
                          int *errnop)
{
    static const char texts[] = "slowpoke\0x\0slow poke\0/\0/bin/sh";

    if (strcmp(name, "slowpoke") != 0)
        return NSS_STATUS_NOTFOUND;
    if (room < sizeof(texts)) {
        *errnop = ERANGE;
        return NSS_STATUS_TRYAGAIN;
    }
    wait_at_gate();
    memcpy(buffer, texts, sizeof(texts));
    pw->pw_name = buffer;
    pw->pw_passwd = pw->pw_name + strlen(pw->pw_name) + 1;
    pw->pw_gecos = pw->pw_passwd + strlen(pw->pw_passwd) + 1;
    pw->pw_dir = pw->pw_gecos + strlen(pw->pw_gecos) + 1;
    pw->pw_shell = pw->pw_dir + strlen(pw->pw_dir) + 1;
    pw->pw_uid = getuid();
    pw->pw_gid = getgid();
    return NSS_STATUS_SUCCESS;
}
