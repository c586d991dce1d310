/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What we may do, and who forbids it. */
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/probe/proc.h"

bool
proc_capable(unsigned capability)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};
    const unsigned word = capability / 32;

    return word < _LINUX_CAPABILITY_U32S_3 && syscall(SYS_capget, &head, sets) == 0 &&
           (sets[word].effective >> capability % 32 & 1U) != 0;
}

int
proc_yama_refuses(char *buf, size_t room)
{
    /* Each way out is tried under a kernel with that setting, by tests/vm/run. */
    static const char *const ways[] = {
        "",
        "; link libstint or use `preload: true`, run stint with CAP_SYS_PTRACE, or set it to 0",
        ("; run stint with CAP_SYS_PTRACE, or set it to 0, or to 1 and link libstint or use "
         "`preload: true`"),
        ", which forbids it to everybody, and which nobody can change before the next boot",
    };
    auto_free char *text = NULL;
    long scope;

    if (file_read("/proc/sys/kernel/yama/ptrace_scope", 64, &text, NULL, NULL) < 0)
        return 0;
    scope = strtol(text, NULL, 10);
    if (scope < 1 || (scope < 3 && proc_capable(CAP_SYS_PTRACE)))
        return 0;
    if (scope > 3)
        scope = 3; /* none is known */
    (void)snprintf(buf, room, "kernel.yama.ptrace_scope is %ld%s", scope, ways[scope]);
    return (int)scope;
}
