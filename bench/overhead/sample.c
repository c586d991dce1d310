/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a program as a worker and samples it as the helper of a supervisor does.
 *
 *   overhead-sample none|outside|inside PROGRAM [ARG]...
 *
 * inside: perf_event_open() is forbidden to this process, by a seccomp filter. The program is started
 * alike in all three, by channel, registry and the word to go. Prints what this process itself took.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/probe/registry.h"
#include "supervisor/profile/kinds.h"
#include "worker-api/wire.h"

static void
number_set(const char *variable, long number)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%ld", number);
    (void)setenv(variable, text, 1);
}

static int
forbid(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {ARRAY_LEN(filter), filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
                   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0
               ? -errno
               : 0;
}

/* The first progress is made when it samples. */
static void
on_progress(void *env, unsigned percent)
{
    int *go = env;

    (void)percent;
    if (*go >= 0 && write(*go, "", 1) == 1)
        *go = -1;
}

static int
profile(const char *mode, const struct profile_target *target, int go)
{
    struct profile_wish wish = {
        .until_us = mono_now_us() + 20 * US_PER_S, .progress = on_progress, .env = &go, .hz = 99};
    struct error error = {.code = 0};
    struct profile *p = NULL;
    struct rusage used;
    int r = strcmp(mode, "inside") == 0 ? forbid() : 0;

    if (r == 0)
        r = profile_for(PROFILE_CPU, &p);
    if (r == 0)
        r = profile_cpu(p, target, &wish, &error);
    if (r < 0) {
        (void)fprintf(stderr, "%s: %s\n", mode, error.text);
        return 1;
    }
    (void)getrusage(RUSAGE_SELF, &used); /* cannot fail */
    (void)printf("samples %lld\n", (long long)profile_total(p, 0));
    (void)printf("helper_us %ld\n", (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000L +
                                        used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    profile_free(p);
    return 0;
}

int
main(int argc, char **argv)
{
    const struct {
        struct stint_frame head;
        struct stint_hello body;
    } hello = {
        {STINT_FRAME_HELLO, 0, sizeof(hello.body),             1},
        {STINT_WIRE_MAJOR,                 STINT_WIRE_MINOR,   (uint32_t)getpid()}
    };
    struct profile_target target = {.service = "work", .generation = 1};
    int ends[2], go[2], status = 0, r;

    if (argc < 3 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
        pipe2(go, O_CLOEXEC) < 0 || registry_create(&target.registry_fd, NULL) < 0 ||
        send(ends[0], &hello, sizeof(hello), 0) < 0)
        return 2;
    target.channel_fd = ends[0];
    target.pid = fork();
    if (target.pid < 0)
        return 2;
    if (target.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        number_set("STINT_CHANNEL", dup(ends[1]));
        number_set("STINT_REGISTRY", dup(target.registry_fd));
        number_set("LISTEN_PID", getpid());
        number_set("WORK_GO", dup(go[0]));
        (void)execv(argv[2], argv + 2);
        _exit(127);
    }
    if (strcmp(argv[1], "none") == 0)
        r = write(go[1], "", 1) == 1 ? 0 : 1;
    else
        r = profile(argv[1], &target, go[1]);
    (void)waitpid(target.pid, &status, 0);
    return r == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}
