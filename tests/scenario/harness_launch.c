/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "harness_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

static bool
put(const char *path, const char *text)
{
    auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* The limit is one of the namespace: nobody else has less for it. */
static bool
take_inotify_away(void)
{
    char map[64];

    (void)snprintf(map, sizeof(map), "%d %d 1", (int)getuid(), (int)getuid());
    return unshare(CLONE_NEWUSER) == 0 && put("/proc/self/setgroups", "deny") &&
           put("/proc/self/uid_map", map) && put("/proc/sys/user/max_inotify_instances", "0");
}

static bool
own_mounts(void)
{
    char uid[64], gid[64];

    (void)snprintf(uid, sizeof(uid), "%d %d 1", (int)getuid(), (int)getuid());
    (void)snprintf(gid, sizeof(gid), "%d %d 1", (int)getgid(), (int)getgid());
    if (unshare(CLONE_NEWNS) == -1 &&
        !(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && put("/proc/self/setgroups", "deny") &&
          put("/proc/self/uid_map", uid) && put("/proc/self/gid_map", gid)))
        return false;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* The master asks nss_slow.c, and nobody else on this machine does. */
static bool
give_slow_names(void)
{
    static const char text[] = "passwd: stintslow files\ngroup: files\n";
    const char *module = getenv("NSS_MODULE");
    char folder[4096], conf[] = "/tmp/stint-nsswitch-XXXXXX";
    auto_fd int fd = mkstemp(conf);
    bool ok = fd >= 0 && fchmod(fd, 0644) == 0 &&
              write(fd, text, strlen(text)) == (ssize_t)strlen(text) && module && own_mounts() &&
              mount(conf, "/etc/nsswitch.conf", NULL, MS_BIND, NULL) == 0;

    (void)unlink(conf);
    if (!ok)
        return false;
    /* a daemon that answers for libc would not ask our module; mostly there is none */
    (void)mount("none", "/run/nscd", "tmpfs", 0, NULL);
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(module, '/') - module), module);
    return setenv("LD_LIBRARY_PATH", folder, 1) == 0 &&
           setenv("STINT_TEST_GATE", scn_path("gate"), 1) == 0;
}

static bool
hide_proc(void)
{
    return own_mounts() && mount("proc", "/proc", "proc", 0, "hidepid=2") == 0;
}

/* As container runtimes do for processes without CAP_SYS_PTRACE. */
static bool
forbid_looks(void)
{
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kcmp, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_getfd, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    const struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

bool
launch_world(const struct scn_world *world)
{
    return (!world->no_inotify || take_inotify_away()) &&
           (!world->slow_names || give_slow_names()) && (!world->hidden_proc || hide_proc()) &&
           (!world->no_look || forbid_looks());
}

/* For good: with @capability, also over the exec of a program that has none of its own. */
static bool
become(uid_t uid, unsigned capability)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};
    const __u32 bit = 1U << capability % 32;

    sets[capability / 32] =
        (struct __user_cap_data_struct){.effective = bit, .permitted = bit, .inheritable = bit};
    if (prctl(PR_SET_KEEPCAPS, capability != 0, 0, 0, 0) == -1 || setgroups(0, NULL) == -1 ||
        setgid(uid) == -1 || setuid(uid) == -1)
        return false;
    return capability == 0 || (syscall(SYS_capset, &head, sets) == 0 &&
                               prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0);
}

void
launch_child(const struct scn_world *world, const char *stint, int log, int told)
{
    bool ok = launch_world(world);

    if (world->uid)
        ok = become(world->uid, world->capability);
    if (world->has_child && fork() == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGTERM, SIG_DFL); /* the test library has a handler of its own */
        for (;;)
            (void)pause();
    }
    /*
     * A test that fails takes its master along, which stops in order. Not as a member of its group:
     * the test library kills that, and whoever is no actor would be left behind.
     */
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)dup2(log, STDERR_FILENO);
    if (world->no_stderr)
        (void)close(STDERR_FILENO);
    if (ok && write(told, "!", 1) == 1)
        (void)execl(stint, "stint", "run", "-c", scn_path("stint.yaml"),
                    world->watchdog ? "--watchdog" : (char *)NULL, world->watchdog, (char *)NULL);
    _exit(127);
}
