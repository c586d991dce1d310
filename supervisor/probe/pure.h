/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_PURE_H
#define STINT_PROBE_PURE_H

/* The last include of every judge*.c: a verdict comes from the facts alone, as in supervisor/core/. */
#undef printf
#undef fprintf
#undef read
#undef open

#pragma GCC poison fork clone execve kill waitpid open openat read write close pread ioctl
#pragma GCC poison fopen fclose printf fprintf puts perror syslog
#pragma GCC poison clock_gettime gettimeofday time sleep usleep nanosleep
#pragma GCC poison getpid getenv setenv rand random exit _exit abort syscall process_vm_readv

#endif
