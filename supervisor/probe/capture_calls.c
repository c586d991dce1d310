/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the number of a system call to what is waited for, on which descriptor and for how long. */
#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "base/mem.h"
#include "base/units.h"
#include "supervisor/probe/capture_parts.h"

/* How a call is told when to give up. */
enum limit {
    LIMIT_NONE,
    LIMIT_MS,   /* an int; negative: never */
    LIMIT_SPEC, /* address of a struct timespec, 0: never; from the call on */
    LIMIT_VAL   /* … of a struct timeval */
};

/* What the first argument is. */
enum first {
    FIRST_OTHER,
    FIRST_FD,
    FIRST_SET /* poll, select: several descriptors */
};

static const struct call {
    long number;
    enum wait_class wait;
    enum first first;
    enum limit limit;
    unsigned limit_arg;
    const char *name;
} calls[] = {
    {SYS_read,            WAIT_READ,    FIRST_FD,    LIMIT_NONE, 0, "read"           },
    {SYS_readv,           WAIT_READ,    FIRST_FD,    LIMIT_NONE, 0, "readv"          },
    {SYS_pread64,         WAIT_READ,    FIRST_FD,    LIMIT_NONE, 0, "pread"          },
    {SYS_preadv,          WAIT_READ,    FIRST_FD,    LIMIT_NONE, 0, "preadv"         },
    {SYS_preadv2,         WAIT_READ,    FIRST_FD,    LIMIT_NONE, 0, "preadv2"        },
    {SYS_recvfrom,        WAIT_READ,    FIRST_FD,    LIMIT_NONE, 0, "recv"           },
    {SYS_recvmsg,         WAIT_READ,    FIRST_FD,    LIMIT_NONE, 0, "recvmsg"        },
    {SYS_recvmmsg,        WAIT_READ,    FIRST_FD,    LIMIT_NONE, 0,
     "recvmmsg"                                                                      }, /* its limit is looked at when one came */
    {SYS_splice,          WAIT_READ,    FIRST_FD,    LIMIT_NONE, 0, "splice"         },
    {SYS_tee,             WAIT_READ,    FIRST_FD,    LIMIT_NONE, 0, "tee"            },
    {SYS_getrandom,       WAIT_IO,      FIRST_OTHER, LIMIT_NONE, 0, "getrandom"      },
    {SYS_write,           WAIT_WRITE,   FIRST_FD,    LIMIT_NONE, 0, "write"          },
    {SYS_writev,          WAIT_WRITE,   FIRST_FD,    LIMIT_NONE, 0, "writev"         },
    {SYS_pwrite64,        WAIT_WRITE,   FIRST_FD,    LIMIT_NONE, 0, "pwrite"         },
    {SYS_pwritev,         WAIT_WRITE,   FIRST_FD,    LIMIT_NONE, 0, "pwritev"        },
    {SYS_pwritev2,        WAIT_WRITE,   FIRST_FD,    LIMIT_NONE, 0, "pwritev2"       },
    {SYS_sendto,          WAIT_WRITE,   FIRST_FD,    LIMIT_NONE, 0, "send"           },
    {SYS_sendmsg,         WAIT_WRITE,   FIRST_FD,    LIMIT_NONE, 0, "sendmsg"        },
    {SYS_sendmmsg,        WAIT_WRITE,   FIRST_FD,    LIMIT_NONE, 0, "sendmmsg"       },
    {SYS_sendfile,        WAIT_WRITE,   FIRST_FD,    LIMIT_NONE, 0, "sendfile"       },
    {SYS_vmsplice,        WAIT_WRITE,   FIRST_FD,    LIMIT_NONE, 0, "vmsplice"       },
    {SYS_accept,          WAIT_ACCEPT,  FIRST_FD,    LIMIT_NONE, 0, "accept"         },
    {SYS_accept4,         WAIT_ACCEPT,  FIRST_FD,    LIMIT_NONE, 0, "accept4"        },
    {SYS_connect,         WAIT_CONNECT, FIRST_FD,    LIMIT_NONE, 0, "connect"        },
    {SYS_ppoll,           WAIT_POLL,    FIRST_SET,   LIMIT_SPEC, 2, "ppoll"          },
    {SYS_pselect6,        WAIT_POLL,    FIRST_SET,   LIMIT_SPEC, 4, "pselect"        },
    {SYS_epoll_pwait,     WAIT_EPOLL,   FIRST_FD,    LIMIT_MS,   3, "epoll_pwait"    },
#ifdef SYS_epoll_pwait2
    {SYS_epoll_pwait2,    WAIT_EPOLL,   FIRST_FD,    LIMIT_SPEC, 3, "epoll_pwait2"   },
#endif
    {SYS_nanosleep,       WAIT_SLEEP,   FIRST_OTHER, LIMIT_SPEC, 0, "nanosleep"      },
    {SYS_clock_nanosleep, WAIT_SLEEP,   FIRST_OTHER, LIMIT_SPEC, 2, "clock_nanosleep"},
    {SYS_rt_sigtimedwait, WAIT_SIGNAL,  FIRST_OTHER, LIMIT_SPEC, 2, "sigwait"        },
    {SYS_rt_sigsuspend,   WAIT_SIGNAL,  FIRST_OTHER, LIMIT_NONE, 0, "sigsuspend"     },
    {SYS_wait4,           WAIT_CHILD,   FIRST_OTHER, LIMIT_NONE, 0, "wait4"          },
    {SYS_waitid,          WAIT_CHILD,   FIRST_OTHER, LIMIT_NONE, 0, "waitid"         },
    {SYS_flock,           WAIT_FLOCK,   FIRST_FD,    LIMIT_NONE, 0, "flock"          },
    {SYS_fcntl,           WAIT_FLOCK,   FIRST_FD,    LIMIT_NONE, 0, "fcntl"          },
    {SYS_fsync,           WAIT_IO,      FIRST_FD,    LIMIT_NONE, 0, "fsync"          },
    {SYS_fdatasync,       WAIT_IO,      FIRST_FD,    LIMIT_NONE, 0, "fdatasync"      },
    {SYS_sync_file_range, WAIT_IO,      FIRST_FD,    LIMIT_NONE, 0, "sync_file_range"},
    {SYS_fallocate,       WAIT_IO,      FIRST_FD,    LIMIT_NONE, 0, "fallocate"      },
    {SYS_ioctl,           WAIT_IO,      FIRST_FD,    LIMIT_NONE, 0, "ioctl"          },
    {SYS_sync,            WAIT_IO,      FIRST_OTHER, LIMIT_NONE, 0, "sync"           },
    {SYS_io_getevents,    WAIT_IO,      FIRST_OTHER, LIMIT_SPEC, 4, "io_getevents"   },
    {SYS_io_uring_enter,  WAIT_IO,      FIRST_FD,    LIMIT_NONE, 0, "io_uring_enter" },
    {SYS_openat,          WAIT_IO,      FIRST_OTHER, LIMIT_NONE, 0, "openat"         }, /* a FIFO, too */
    {SYS_mq_timedreceive, WAIT_READ,    FIRST_FD,    LIMIT_NONE, 0, "mq_receive"     },
    {SYS_mq_timedsend,    WAIT_WRITE,   FIRST_FD,    LIMIT_NONE, 0, "mq_send"        },
    {SYS_semtimedop,      WAIT_SEM,     FIRST_OTHER, LIMIT_SPEC, 3, "semtimedop"     },
    {SYS_semop,           WAIT_SEM,     FIRST_OTHER, LIMIT_NONE, 0, "semop"          },
    {SYS_msgrcv,          WAIT_READ,    FIRST_OTHER, LIMIT_NONE, 0, "msgrcv"         },
    {SYS_msgsnd,          WAIT_WRITE,   FIRST_OTHER, LIMIT_NONE, 0, "msgsnd"         },
#ifdef SYS_poll
    {SYS_poll,            WAIT_POLL,    FIRST_SET,   LIMIT_MS,   2, "poll"           },
    {SYS_select,          WAIT_POLL,    FIRST_SET,   LIMIT_VAL,  4, "select"         },
    {SYS_epoll_wait,      WAIT_EPOLL,   FIRST_FD,    LIMIT_MS,   3, "epoll_wait"     },
    {SYS_pause,           WAIT_SIGNAL,  FIRST_OTHER, LIMIT_NONE, 0, "pause"          },
    {SYS_open,            WAIT_IO,      FIRST_OTHER, LIMIT_NONE, 0, "open"           },
    {SYS_vfork,           WAIT_CHILD,   FIRST_OTHER, LIMIT_NONE, 0, "vfork"          },
#endif
};

static int64_t
capped(int64_t s, int64_t us)
{
    if (s < 0)
        return 0;
    return s > INT64_MAX / US_PER_S - 1 ? INT64_MAX : s * US_PER_S + us;
}

/* limit_read - the number at @address, read in the other process. Not known: as if there were none. */
static int64_t
limit_read(struct capture *c, uint64_t address, enum limit limit)
{
    struct timespec at;
    struct timeval tv;

    if (address == 0)
        return INT64_MAX;
    if (limit == LIMIT_VAL)
        return remote_read(&c->memory, address, &tv, sizeof(tv)) < 0
                   ? INT64_MAX
                   : capped(tv.tv_sec, tv.tv_usec);
    return remote_read(&c->memory, address, &at, sizeof(at)) < 0
               ? INT64_MAX
               : capped(at.tv_sec, at.tv_nsec / 1000);
}

/* left - until @abs_us on a clock. */
static int64_t
left(clockid_t clock, int64_t abs_us)
{
    struct timespec now;
    int64_t now_us;

    if (abs_us == INT64_MAX || clock_gettime(clock, &now) < 0)
        return abs_us;
    now_us = capped(now.tv_sec, now.tv_nsec / 1000);
    return abs_us > now_us ? abs_us - now_us : 0;
}

static int64_t
limit_of(struct capture *c, const struct call *call, const uint64_t *args)
{
    uint64_t arg = args[call->limit_arg];
    int64_t us;

    if (call->limit == LIMIT_NONE)
        return INT64_MAX;
    if (call->limit == LIMIT_MS)
        return (int32_t)arg < 0 ? INT64_MAX : (int32_t)arg * US_PER_MS;
    us = limit_read(c, arg, call->limit);
    if (call->number == SYS_clock_nanosleep && ((uint32_t)args[1] & TIMER_ABSTIME))
        us = left((clockid_t)args[0], us);
    return us;
}

static void
futex(struct capture *c, size_t i)
{
    struct thread_facts *t = &c->facts->threads[i];
    uint32_t op = (uint32_t)t->args[1];

    memcpy(t->call_name, "futex", sizeof("futex")); /* what thousands wait in */
    t->wait = WAIT_FUTEX;
    t->timeout_us = limit_read(c, t->args[3], LIMIT_SPEC);
    if ((op & (uint32_t)FUTEX_CMD_MASK) != FUTEX_WAIT) /* else it is from the call on */
        t->timeout_us =
            left(op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC, t->timeout_us);
    capture_futex(c, i);
}

/* futex_first - of several words the first is what it is about: libstint's waits have their token behind it. */
static bool
futex_first(struct capture *c, struct thread_facts *t)
{
#ifdef SYS_futex_waitv
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } first;

    if (t->call != SYS_futex_waitv || t->args[1] == 0 ||
        remote_read(&c->memory, t->args[0], &first, sizeof(first)) < 0)
        return false;
    t->args[0] = first.address;
    t->args[1] = FUTEX_WAIT_BITSET | (first.flags & FUTEX_PRIVATE_FLAG) |
                 ((clockid_t)t->args[4] == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0);
    t->args[2] = first.value;
    return true; /* the limit is the fourth of both calls */
#else
    (void)c;
    (void)t;
    return false;
#endif
}

/* kernel_word - no system call to be seen: at least the kernel's own word for the place. */
static void
kernel_word(const struct capture *c, struct thread_facts *t)
{
    char wchan[64];

    if (t->call_name[0] == '\0' && !c->calls_refused &&
        proc_wchan_read(c->req->pid, t->tid, wchan, sizeof(wchan)) == 0)
        (void)snprintf(t->call_name, sizeof(t->call_name), "%.31s", wchan);
}

/*
 * Interrupted by a stop and gone on: then the kernel only says "restart". What was called is in the
 * instructions before: mov $number,%eax; syscall.
 */
static long
restarted(struct capture *c, const struct proc_syscall *call)
{
#if defined(__x86_64__)
    unsigned char code[7];
    uint32_t number;

    if (call->number == SYS_restart_syscall &&
        remote_read(&c->memory, call->pc - sizeof(code), code, sizeof(code)) == 0 &&
        code[0] == 0xb8 && code[5] == 0x0f && code[6] == 0x05) {
        memcpy(&number, code + 1, sizeof(number));
        return (long)number;
    }
#else
    (void)c;
#endif
    return call->number;
}

static void
call_classify(struct capture *c, size_t i)
{
    struct thread_facts *t = &c->facts->threads[i];
    const struct call *call = NULL;

    if (!c->foreign_abi && (t->call == SYS_futex || futex_first(c, t))) {
        futex(c, i);
        return;
    }
    for (size_t k = 0; k < ARRAY_LEN(calls) && !c->foreign_abi && !call; k++)
        if (calls[k].number == t->call)
            call = &calls[k];
    if (!call) {
        t->wait = WAIT_OTHER;
        (void)snprintf(t->call_name, sizeof(t->call_name), "system call %ld", t->call);
        return;
    }
    t->wait = call->wait;
    (void)snprintf(t->call_name, sizeof(t->call_name), "%s", call->name);
    t->timeout_us = limit_of(c, call, t->args);
    if (call->first == FIRST_FD) {
        t->fd = (int)t->args[0]; /* the kernel looks at the lower half only */
        capture_fd_target(c, t->fd, t->fd_target, sizeof(t->fd_target));
    }
    if (call->first == FIRST_SET || t->wait == WAIT_EPOLL)
        capture_polled(c, t);
}

/* Beyond its system call: how the kernel has it down. */
static void
state_classify(const struct capture *c, struct thread_facts *t, const struct look *l)
{
    bool on_cpu = t->state == 'R' || (l->called && l->call.running);

    if (t->state == 'T' || t->state == 't') {
        t->wait = WAIT_STOPPED;
    } else if (t->state != 'D' && on_cpu) {
        t->wait = WAIT_RUNNING;
    } else if (t->state == 'D' || (t->wait == WAIT_UNKNOWN && l->called)) {
        t->wait = WAIT_KERNEL; /* or asleep outside of any call: for a page of memory */
        kernel_word(c, t);
    }
}

void
capture_classify(struct capture *c, size_t i)
{
    struct thread_facts *t = &c->facts->threads[i];
    const struct look *l = &c->second[i];

    /* Who runs has left the call that was seen a moment before; of the stopped it says where. */
    if (l->called && !l->call.running && t->state != 'R' && !t->kernel) {
        t->sp = l->call.sp;
        t->pc = l->call.pc;
        if (l->call.number >= 0) {
            t->call = restarted(c, &l->call);
            memcpy(t->args, l->call.args, sizeof(t->args));
            call_classify(c, i);
        }
    }
    state_classify(c, t, l);
}
