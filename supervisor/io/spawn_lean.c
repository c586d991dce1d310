/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/spawn_lean.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "supervisor/io/identity.h"
#include "supervisor/io/spawn.h"
#include "supervisor/io/spawn_child.h"

#define ALIGN(n)   (((n) + 15) & ~(size_t)15)
#define LISTEN_PID "LISTEN_PID="
#define LEAST_ROOM ((size_t)1 << 17)

/* One thread, one start at a time: one area, as big as the biggest plan was. */
static struct {
    char *area; /* NULL: none yet */
    size_t room, used;
} lean;

static struct {
    uintptr_t begin; /* 0: not looked for yet; 1: not found */
} heap;

static bool
lean_room(size_t bytes)
{
    size_t room = LEAST_ROOM;
    void *area;

    lean.used = 0;
    if (lean.area && bytes <= lean.room)
        return true;
    while (room < bytes)
        room *= 2;
    area = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        return false;
    if (lean.area)
        (void)munmap(lean.area, lean.room);
    lean.area = area;
    lean.room = room;
    return true;
}

/* Room that lean_room() has seen to. */
static void *
put(const void *from, size_t bytes)
{
    void *to = lean.area + lean.used;

    lean.used += ALIGN(bytes);
    if (bytes > 0)
        memcpy(to, from, bytes);
    return to;
}

static size_t
count(char *const *strings)
{
    size_t n = 0;

    while (strings[n])
        n++;
    return n;
}

static size_t
strings_bytes(char *const *strings)
{
    size_t n = count(strings), bytes = ALIGN((n + 1) * sizeof(char *));

    for (size_t i = 0; i < n; i++)
        bytes += ALIGN(strlen(strings[i]) + 1);
    return bytes;
}

static char **
put_strings(char *const *strings)
{
    size_t n = count(strings);
    char **to = put(strings, (n + 1) * sizeof(char *));

    for (size_t i = 0; i < n; i++)
        to[i] = put(strings[i], strlen(strings[i]) + 1);
    return to;
}

static const char *
put_text(const char *text)
{
    return text ? put(text, strlen(text) + 1) : NULL;
}

static size_t
plan_bytes(const struct spawn_plan *plan)
{
    const struct spawn_request *req = plan->req;
    size_t bytes = ALIGN(sizeof(*plan)) + ALIGN(sizeof(*req)) + ALIGN(sizeof(struct identity));

    bytes += strings_bytes(req->argv) + strings_bytes(plan->envp);
    bytes += ALIGN(strlen(LISTEN_PID) + LISTEN_PID_ROOM);
    bytes += ALIGN(plan->n_places * sizeof(*plan->places));
    bytes += ALIGN(req->n_limits * sizeof(*req->limits));
    bytes += req->identity ? ALIGN(req->identity->n_groups * sizeof(gid_t)) : 0;
    bytes += req->directory ? ALIGN(strlen(req->directory) + 1) : 0;
    bytes += req->exe_path ? ALIGN(strlen(req->exe_path) + 1) : 0;
    return bytes;
}

static const struct identity *
put_identity(const struct identity *id)
{
    struct identity *to;

    if (!id)
        return NULL;
    to = put(id, sizeof(*id));
    to->groups = put(id->groups, id->n_groups * sizeof(gid_t));
    to->name = to->home = to->shell = NULL; /* nobody in the child asks */
    return to;
}

struct spawn_plan *
spawn_lean_plan(const struct spawn_plan *plan)
{
    struct spawn_plan *to;
    struct spawn_request *req;

    if (!lean_room(plan_bytes(plan)))
        return NULL;
    to = put(plan, sizeof(*plan));
    req = put(plan->req, sizeof(*plan->req));
    to->req = req;
    req->argv = put_strings(req->argv);
    to->envp = put_strings(plan->envp);
    for (size_t i = 0; plan->listen_pid && plan->envp[i]; i++)
        if (plan->listen_pid == plan->envp[i] + strlen(LISTEN_PID)) {
            to->envp[i] = put(plan->envp[i], strlen(LISTEN_PID) + LISTEN_PID_ROOM);
            to->listen_pid = to->envp[i] + strlen(LISTEN_PID); /* its digits come in the child */
        }
    to->places = put(plan->places, plan->n_places * sizeof(*plan->places));
    req->limits = put(req->limits, req->n_limits * sizeof(*req->limits));
    req->identity = put_identity(req->identity);
    req->directory = put_text(req->directory);
    req->exe_path = put_text(req->exe_path);
    req->listen_fds = NULL; /* these two are in `places` */
    req->fds = NULL;
    return to;
}

/* Where malloc()'s brk area begins, a whole page; what is mapped apart from it is copied as ever. */
static uintptr_t
heap_begin(void)
{
    char line[512];
    uintptr_t begin = 1;
    FILE *f = fopen("/proc/self/maps", "re");

    while (f && fgets(line, sizeof(line), f))
        if (strstr(line, " [heap]")) {
            begin = (uintptr_t)strtoull(line, NULL, 16);
            break;
        }
    if (f)
        (void)fclose(f);
    return begin;
}

void
spawn_lean_heap(bool leave)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end;

    if (heap.begin == 0)
        heap.begin = heap_begin();
    end = (uintptr_t)sbrk(0) & ~(page - 1);
    if (heap.begin == 1 || end <= heap.begin)
        return;
    /* It fails for want of memory only, and then the heap is copied. NOLINTNEXTLINE(performance-no-int-to-ptr) */
    (void)madvise((void *)heap.begin, end - heap.begin, leave ? MADV_DONTFORK : MADV_DOFORK);
}
