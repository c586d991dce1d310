// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The service of bench/scale: static, and as small as a program can be. It says when its main() began
 * on the FIFO named by SCALE_STAMPS, keeps that open so that its end is seen, and waits to be
 * ended by a signal. No libc: what is measured is who starts it.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include <fcntl.h>

#include "bench/scale_stamp.h"

static long
call(long number, long a, long b, long c, long d)
{
    long r;

#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;

    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;

    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    r = x0;
#else
#error "the worker of bench/scale knows x86_64 and aarch64"
#endif
    return r;
}

static const char *
value_of(char *const *envp, const char *name)
{
    for (; *envp; envp++) {
        size_t n = 0;

        while (name[n] && (*envp)[n] == name[n])
            n++;
        if (!name[n])
            return *envp + n;
    }
    return NULL;
}

__attribute__((used)) static _Noreturn void
begin(long *stack)
{
    struct scale_stamp stamp = {0};
    struct timespec now = {0};
    char *const *envp = (char *const *)(stack + 1 + stack[0] + 1);
    const char *path = value_of(envp, "SCALE_STAMPS=");
    long fd;

    (void)call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0);
    stamp.at_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    stamp.pid = (int32_t)call(SYS_getpid, 0, 0, 0, 0);
    fd = path ? call(SYS_openat, AT_FDCWD, (long)path, O_WRONLY, 0) : -1;
    if (fd < 0 || call(SYS_write, fd, (long)&stamp, sizeof(stamp), 0) != (long)sizeof(stamp))
        (void)call(SYS_exit_group, 1, 0, 0, 0);
    for (;;)
        (void)call(SYS_ppoll, 0, 0, 0, 0);
}

/* The stack as the kernel leaves it: argc, argv, NULL, envp, NULL. */
#if defined(__x86_64__)
__asm__(
    ".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
#else
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x0, sp\n\tbl begin\n");
#endif
