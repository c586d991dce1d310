/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MODEL_CALLS_H
#define MODEL_CALLS_H

/* What mc.h makes of the library's atomic operations and of its calls to libc. */
#include <pthread.h>
#include <stddef.h>
#include <time.h>

/* mc_point - others may go first. @at: what is touched next; to touch freed memory is a violation. */
void mc_point(const volatile void *at, const char *file, int line);
long mc_syscall(long number, ...); /* SYS_futex is the model's, others are the kernel's */
int mc_clock_gettime(clockid_t clock, struct timespec *ret_now);
pthread_t mc_self(void);
void *mc_calloc(size_t n, size_t size);
void *mc_malloc(size_t size);
int mc_posix_memalign(void **ret_memory, size_t align, size_t size);
void mc_free(void *memory);

#endif
