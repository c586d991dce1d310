/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An errno of exec says little; looking at the file once more tells the cases apart. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/io/spawn.h"

#define INTERPRETER_MAX 256 /* BINPRM_BUF_SIZE of the kernel for #!; ELF's are shorter still */

static const char *const step_names[SPAWN_STEP_COUNT] = {
    [SPAWN_STEP_NONE] = "none",           [SPAWN_STEP_SETSID] = "setsid",
    [SPAWN_STEP_CGROUP] = "cgroup",       [SPAWN_STEP_FDS] = "dup2",
    [SPAWN_STEP_RLIMIT] = "setrlimit",    [SPAWN_STEP_CHDIR] = "chdir",
    [SPAWN_STEP_SETGROUPS] = "setgroups", [SPAWN_STEP_SETGID] = "setresgid",
    [SPAWN_STEP_SETUID] = "setresuid",    [SPAWN_STEP_EXEC] = "execve",
};

static const char *const limit_names[RLIM_NLIMITS] = {
    [RLIMIT_AS] = "as",
    [RLIMIT_CORE] = "core",
    [RLIMIT_CPU] = "cpu",
    [RLIMIT_DATA] = "data",
    [RLIMIT_FSIZE] = "fsize",
    [RLIMIT_LOCKS] = "locks",
    [RLIMIT_MEMLOCK] = "memlock",
    [RLIMIT_MSGQUEUE] = "msgqueue",
    [RLIMIT_NICE] = "nice",
    [RLIMIT_NOFILE] = "nofile",
    [RLIMIT_NPROC] = "nproc",
    [RLIMIT_RSS] = "rss",
    [RLIMIT_RTPRIO] = "rtprio",
    [RLIMIT_RTTIME] = "rttime",
    [RLIMIT_SIGPENDING] = "sigpending",
    [RLIMIT_STACK] = "stack",
};

const char *
spawn_step_name(enum spawn_step step)
{
    return (unsigned)step < SPAWN_STEP_COUNT ? step_names[step] : "unknown";
}

static const char *
words(int code)
{
    const char *text = strerrordesc_np(-code);

    return text ? text : "unknown error";
}

static bool
elf_interpreter(int fd, const Elf64_Ehdr *head, char *interpreter)
{
    Elf64_Phdr part;
    ssize_t n;

    for (unsigned i = 0; i < head->e_phnum; i++) {
        off_t at = (off_t)(head->e_phoff + (Elf64_Off)i * head->e_phentsize);

        if (pread(fd, &part, sizeof part, at) != (ssize_t)sizeof part)
            return false;
        if (part.p_type != PT_INTERP)
            continue;
        n = pread(fd, interpreter, INTERPRETER_MAX - 1, (off_t)part.p_offset);
        if (n <= 0)
            return false;
        interpreter[n] = '\0'; /* the file has a NUL before that, if it is sane */
        return true;
    }
    return false;
}

/* interpreter_of - what the file asks to be run by: "#! /bin/sh -e" or an ELF's program loader. */
static bool
interpreter_of(const char *exe, char interpreter[INTERPRETER_MAX])
{
    auto_fd int fd = open(exe, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char head[INTERPRETER_MAX] = {0};
    Elf64_Ehdr elf;
    ssize_t n;

    if (fd == -1 || (n = pread(fd, head, sizeof head - 1, 0)) < 4)
        return false;
    if (head[0] == '#' && head[1] == '!') {
        const char *word = head + 2 + strspn(head + 2, " \t");

        (void)snprintf(interpreter, INTERPRETER_MAX, "%.*s", (int)strcspn(word, " \t\r\n"), word);
        return interpreter[0] != '\0';
    }
    if (n < (ssize_t)sizeof elf || memcmp(head, ELFMAG, SELFMAG) != 0 ||
        head[EI_CLASS] != ELFCLASS64)
        return false;
    memcpy(&elf, head, sizeof elf);
    return elf_interpreter(fd, &elf, interpreter);
}

static void
explain_missing(const char *exe, char *buf, size_t room)
{
    char interpreter[INTERPRETER_MAX];

    if (access(exe, F_OK) == -1)
        (void)snprintf(buf, room, "'%s' does not exist", exe);
    else if (!interpreter_of(exe, interpreter))
        (void)snprintf(buf, room, "'%s' exists, but what it needs to run does not", exe);
    else
        (void)snprintf(buf, room, "the interpreter '%s' named in '%s' does not exist", interpreter,
                       exe);
}

static void
explain_denied(const char *exe, char *buf, size_t room)
{
    char interpreter[INTERPRETER_MAX];
    struct stat st;

    if (stat(exe, &st) == -1)
        (void)snprintf(buf, room, "'%s' cannot be reached: %s", exe, words(-errno));
    else if (S_ISDIR(st.st_mode))
        (void)snprintf(buf, room, "'%s' is a directory", exe);
    else if (!S_ISREG(st.st_mode))
        (void)snprintf(buf, room, "'%s' is not a regular file", exe);
    else if (!(st.st_mode & 0111))
        (void)snprintf(buf, room, "'%s' is not executable (its mode is %04o)", exe,
                       (unsigned)st.st_mode & 07777);
    else if (interpreter_of(exe, interpreter) && access(interpreter, X_OK) == -1)
        (void)snprintf(buf, room, "the interpreter '%s' named in '%s' is not executable",
                       interpreter, exe);
    else
        (void)snprintf(buf, room,
                       "no permission to execute '%s': its mode, a directory above it, or a noexec "
                       "mount",
                       exe);
}

static void
explain_exec(int error, const char *exe, char *buf, size_t room)
{
    switch (error) {
    case -ENOENT:
        explain_missing(exe, buf, room);
        return;
    case -EACCES:
        explain_denied(exe, buf, room);
        return;
    case -ENOEXEC:
        (void)snprintf(buf, room,
                       "'%s' is not a program: neither an executable of this machine nor a script "
                       "that starts with #!",
                       exe);
        return;
    case -ETXTBSY:
        (void)snprintf(buf, room, "'%s' is still being written: it is open for writing", exe);
        return;
    case -ENOTDIR:
        (void)snprintf(buf, room, "'%s': something in this path is not a directory", exe);
        return;
    case -ELIBBAD:
    case -EINVAL:
        (void)snprintf(buf, room, "'%s' or its interpreter is a damaged executable", exe);
        return;
    case -E2BIG:
        (void)snprintf(buf, room, "the arguments and environment of '%s' are too long", exe);
        return;
    case -EAGAIN:
        (void)snprintf(buf, room, "'%s': its user has more processes than the limit 'nproc' allows",
                       exe);
        return;
    default:
        (void)snprintf(buf, room, "execute '%s': %s", exe, words(error));
        return;
    }
}

static void
explain_limit(const struct spawn_failure *failure, char *buf, size_t room)
{
    const char *name = failure->detail >= 0 && failure->detail < (int)RLIM_NLIMITS
                           ? limit_names[failure->detail]
                           : NULL;

    (void)snprintf(buf, room, "set the limit '%s': %s%s", name ? name : "?", words(failure->error),
                   failure->error == -EPERM ? " (only root may raise a hard limit)" : "");
}

char *
spawn_explain(const struct spawn_failure *failure, const char *exe, const char *directory,
              char *buf, size_t room)
{
    char path[4096];

    if (exe[0] != '/' && directory) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, exe);
        exe = path;
    }
    switch (failure->step) {
    case SPAWN_STEP_EXEC:
        explain_exec(failure->error, exe, buf, room);
        break;
    case SPAWN_STEP_CHDIR:
        (void)snprintf(buf, room, "enter the directory '%s': %s", directory ? directory : "",
                       words(failure->error));
        break;
    case SPAWN_STEP_RLIMIT:
        explain_limit(failure, buf, room);
        break;
    case SPAWN_STEP_FDS:
        (void)snprintf(buf, room, "pass it a descriptor: %s", words(failure->error));
        break;
    case SPAWN_STEP_CGROUP:
        (void)snprintf(buf, room, "join the cgroup of its generation: %s", words(failure->error));
        break;
    case SPAWN_STEP_SETGROUPS:
    case SPAWN_STEP_SETGID:
    case SPAWN_STEP_SETUID:
        (void)snprintf(buf, room, "become its user (%s): %s%s", spawn_step_name(failure->step),
                       words(failure->error),
                       failure->error == -EPERM ? "; stint itself does not run as root" : "");
        break;
    case SPAWN_STEP_NONE:
    case SPAWN_STEP_SETSID:
    case SPAWN_STEP_COUNT:
        (void)snprintf(buf, room, "%s: %s", spawn_step_name(failure->step), words(failure->error));
        break;
    }
    return buf;
}
