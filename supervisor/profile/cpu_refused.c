/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why the kernel does not let us sample a process, and what would help: never what is set already. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/probe/proc.h"
#include "supervisor/profile/cpu_perf.h"

/*
 * Beyond this an ordinary user may sample nobody. Debian's kernel has such a level, and starts with it; it asks for
 * CAP_SYS_ADMIN then, as tests/vm/run shows.
 */
#define NOBODY 2

const char *
cpu_refused_why(const struct cpu_refusal *r)
{
    if (r->paranoid > NOBODY && !r->admin)
        return "allow it with 'sysctl kernel.perf_event_paranoid=2', or give the supervisor "
               "CAP_SYS_ADMIN (CAP_PERFMON is not enough for Debian's kernel)";
    if (r->filtered)
        return "a seccomp filter forbids that call: in a container, use a profile that has it "
               "(Docker's does for a container with CAP_PERFMON)";
    if (!r->admin && !r->perfmon)
        return "it runs as another user or forbids to be looked at: give the supervisor "
               "CAP_PERFMON";
    return "a security module forbids it, or our capabilities count in this user namespace only";
}

static long
number_in(const char *path, const char *behind, long unknown)
{
    auto_free char *text = NULL;
    const char *at = NULL;

    if (file_read(path, 64U << 10, &text, NULL, NULL) == 0)
        at = strstr(text, behind);
    return at ? strtol(at + strlen(behind), NULL, 10) : unknown;
}

int
cpu_refused(int r, pid_t pid, struct error *reterr)
{
    const struct cpu_refusal refusal = {
        .paranoid = (int)number_in("/proc/sys/kernel/perf_event_paranoid", "", -1),
        .admin = proc_capable(CAP_SYS_ADMIN),
        .perfmon = proc_capable(CAP_PERFMON),
        .filtered = number_in("/proc/self/status", "\nSeccomp:\t", 0) == 2,
    };

    if (r == -ENOSYS)
        return error_say(reterr, r, "this kernel or its seccomp filter has no perf_event_open()");
    if (r == -EACCES || r == -EPERM)
        return error_say(reterr, r,
                         "the kernel does not permit to sample process %d from outside "
                         "(perf_event_open: %s; kernel.perf_event_paranoid is %d): %s",
                         (int)pid, strerrordesc_np(-r), refusal.paranoid,
                         cpu_refused_why(&refusal));
    return error_set(reterr, r, "sample process %d", (int)pid);
}
