/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/outdated.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/helper.h"

#define DELETED " (deleted)"

struct outdated_look {
    struct outdated_request req; /* without its asks */
    struct helper *helper;       /* owned */
    int found; /* owned; memory that the child fills, so that what it found outlives its deadline */
};

/* ---- one line ------------------------------------------------------------------------------- */

/* Memory that is no file anybody could replace. */
static bool
is_memory(const char *path)
{
    static const char *const kinds[] = {"/memfd:",        "/SYSV", "/dev/", "/[aio]",
                                        "/anon_hugepage", "/i915", "/drm"};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strncmp(path, kinds[i], strlen(kinds[i])) == 0)
            return true;
    return false;
}

/* A server of NFS keeps a deleted file that somebody has open under such a name. */
static bool
is_kept_by_nfs(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && strncmp(slash + 1, ".nfs", 4) == 0;
}

static bool
is_named(const struct outdated_answer *a, const char *path, size_t n)
{
    for (const char *at = a->files; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (strcspn(at, "\n") == n && memcmp(at, path, n) == 0)
            return true;
    return false;
}

static void
name_file(struct outdated_answer *a, const char *path, size_t n)
{
    size_t used = strlen(a->files);

    a->n++;
    if (a->n > OUTDATED_NAMED || used + n + 2 > sizeof(a->files))
        return;
    memcpy(a->files + used, path, n);
    memcpy(a->files + used + n, "\n", 2);
}

struct mapping {
    const char *perms; /* four letters */
    uint64_t inode;
    const char *path; /* up to the end of the line: n bytes */
    size_t n;
};

/* "START-END PERMS OFFSET DEVICE INODE   PATH"; a newline in the path is "\012" there. */
static bool
mapping_parse(const char *line, struct mapping *ret)
{
    const char *field[5] = {line};

    for (int i = 1; i < 5; i++) {
        const char *blank = strchr(field[i - 1], ' ');

        if (!blank)
            return false;
        field[i] = blank + 1;
    }
    ret->perms = field[1];
    ret->inode = strtoull(field[4], NULL, 10);
    ret->path = field[4] + strcspn(field[4], " \n");
    ret->path += strspn(ret->path, " ");
    ret->n = strcspn(ret->path, "\n");
    return field[2] - field[1] == 5 && ret->inode > 0 && ret->path[0] == '/';
}

bool
outdated_line(const char *line, const char *program, struct outdated_answer *a)
{
    const size_t mark = strlen(DELETED);
    struct mapping m;

    if (!mapping_parse(line, &m) || m.perms[2] != 'x' || m.perms[3] != 'p' || is_memory(m.path))
        return false;
    if (m.n > mark && strncmp(m.path + m.n - mark, DELETED, mark) == 0)
        m.n -= mark;
    else if (!is_kept_by_nfs(m.path))
        return false;
    if (program && strlen(program) == m.n && memcmp(program, m.path, m.n) == 0)
        return false;
    if (!is_named(a, m.path, m.n))
        name_file(a, m.path, m.n);
    return true;
}

/* ---- one process ------------------------------------------------------------------------------ */

/* A file may be called "x (deleted)". Then it is there, where the process sees it. */
static bool
is_its_name(pid_t pid, const char *line)
{
    char path[4200];
    struct mapping m;
    struct stat st;

    if (!strstr(line, DELETED) || !mapping_parse(line, &m))
        return false;
    (void)snprintf(path, sizeof(path), "/proc/%d/root%.*s", (int)pid, (int)m.n, m.path);
    return stat(path, &st) == 0 && st.st_ino == m.inode;
}

void
outdated_read(const struct outdated_ask *ask, struct outdated_answer *ret)
{
    auto_free char *line = NULL;
    size_t room = 0, lines = 0;
    char path[64];
    FILE *maps;

    *ret = (struct outdated_answer){.id = ask->id};
    (void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)ask->pid);
    maps = fopen(path, "re");
    if (!maps) {
        ret->error = -errno;
        return;
    }
    errno = 0;
    for (; getline(&line, &room, maps) > 0; lines++)
        if (!is_its_name(ask->pid, line))
            (void)outdated_line(line, ask->program, ret);
    if (ferror(maps))
        ret->error = errno ? -errno : -EIO;
    else if (lines == 0)
        ret->error = -ESRCH; /* it has no memory any more: a zombie */
    (void)fclose(maps);
}

/* ---- many, in a child --------------------------------------------------------------------------- */

static bool
work(const void *arg, int keep, int out)
{
    const struct outdated_request *req = arg;

    (void)out; /* only given to the master when all was done */
    for (size_t i = 0; i < req->n; i++) {
        struct outdated_answer a;

        outdated_read(&req->asks[i], &a);
        if (pwrite(keep, &a, sizeof(a), (off_t)(i * sizeof(a))) != (ssize_t)sizeof(a))
            return false;
    }
    return true;
}

static void
on_helped(void *env, enum helper_end how, int out)
{
    struct outdated_look *look = env;
    struct outdated_answer a;

    (void)how; /* as far as it came */
    (void)out;
    look->helper = NULL;
    for (off_t at = 0; pread(look->found, &a, sizeof(a), at) == (ssize_t)sizeof(a);
         at += (off_t)sizeof(a)) {
        a.files[sizeof(a.files) - 1] = '\0';
        look->req.on_answer(look->req.env, &a);
    }
    look->found = fd_close(look->found);
    look->req.on_end(look->req.env);
    free(look);
}

int
outdated_start(struct ev_loop *loop, const struct outdated_request *req, struct outdated_look **ret)
{
    struct outdated_look *look = calloc(1, sizeof(*look));
    struct helper_job job = {
        .name = "stint-maps",
        .work = work,
        .task = req,
        .deadline_us = req->deadline_us,
        .on_end = on_helped,
        .env = look,
    };
    int r;

    if (!look)
        return -ENOMEM;
    look->req = *req;
    look->req.asks = NULL;
    look->found = memfd_create("stint-maps", MFD_CLOEXEC);
    job.keep = look->found;
    r = look->found >= 0 ? helper_start(loop, &job, &look->helper) : -errno;
    if (r < 0) {
        outdated_cancel(look);
        return r;
    }
    *ret = look;
    return 0;
}

void
outdated_cancel(struct outdated_look *look)
{
    if (!look)
        return;
    helper_cancel(look->helper);
    fd_close(look->found);
    free(look);
}
