/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CORE_PURE_H
#define STINT_CORE_PURE_H

/*
 * The last include of every .c in supervisor/core/: from here on the world is out of reach, by
 * compile error with gcc and clang. Deciding needs no syscall and no clock; time comes with the event.
 */
/* With _FORTIFY_SOURCE clang has some of them as macros, which cannot be poisoned as such. */
#undef printf
#undef fprintf
#undef read
#undef recv
#undef open
#undef openat

#pragma GCC poison fork vfork clone execve execv execvp execl posix_spawn system popen
#pragma GCC poison kill waitpid waitid wait wait4 raise signal sigaction alarm
#pragma GCC poison open openat read write close socket bind listen accept connect send recv ioctl
#pragma GCC poison fopen fclose printf fprintf puts perror syslog
#pragma GCC poison clock_gettime gettimeofday time sleep usleep nanosleep
#pragma GCC poison getpid getenv setenv rand random
#pragma GCC poison exit _exit abort
#pragma GCC poison pthread_create pthread_mutex_lock ev_run ev_io_start ev_timer_start

#endif
