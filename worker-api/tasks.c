/* SPDX-License-Identifier: MIT */
#include "worker-api/tasks.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker-api/state.h"

/* A file of /proc/self/task/@tid, as a string without its last newline; "" when it is not there. */
static void
read_task(pid_t tid, const char *name, char *out, size_t size)
{
    char path[64];
    ssize_t n;
    int fd;

    out[0] = '\0';
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/%s", (int)tid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return;
    n = read(fd, out, size - 1);
    (void)close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

/* Field 22 of stat, behind a name that may hold anything. */
static uint64_t
start_of(pid_t tid)
{
    char line[1024];
    const char *at;

    read_task(tid, "stat", line, sizeof(line));
    at = strrchr(line, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

static int
by_tid(const void *a, const void *b)
{
    pid_t left = ((const struct kernel_task *)a)->tid, right = ((const struct kernel_task *)b)->tid;

    return (left > right) - (left < right);
}

static int
add(struct kernel_tasks *tasks, size_t *room, pid_t tid)
{
    struct kernel_task *more;

    if (tasks->n == *room) {
        *room = *room ? *room * 2 : 32;
        more = reallocarray(tasks->of, *room, sizeof(*more));
        if (!more)
            return -ENOMEM;
        tasks->of = more;
    }
    tasks->of[tasks->n++] =
        (struct kernel_task){.tid = tid, .start = start_of(tid), .is = {.tid = tid}};
    return 0;
}

/* No /proc: those that are registered are all we know of; one who comes meanwhile is for the next look. */
static int
list_registered(struct kernel_tasks *tasks)
{
    size_t room = 0, n = 0;
    pid_t *tids;
    int r = 0;

    stn_tree_take();
    for (const struct stint_thread *t = stn.threads; t; t = t->later)
        room++;
    stn_tree_give();
    tids = calloc(room + 1, sizeof(*tids));
    if (!tids)
        return -ENOMEM;
    stn_tree_take();
    for (const struct stint_thread *t = stn.threads; t && n < room; t = t->later)
        tids[n++] = (pid_t)t->tid;
    stn_tree_give();
    room = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = add(tasks, &room, tids[i]);
    free(tids);
    return r;
}

static int
list_tasks(struct kernel_tasks *tasks)
{
    DIR *dir = opendir("/proc/self/task");
    const struct dirent *entry;
    size_t room = 0;
    int r = 0;

    if (!dir)
        return errno == ENOMEM ? -ENOMEM : list_registered(tasks);
    while (r == 0 &&
           (entry = readdir(dir))) /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            r = add(tasks, &room, (pid_t)strtol(entry->d_name, NULL, 10));
    (void)closedir(dir);
    return r;
}

/* Tree lock held. */
static bool
passes(const struct stint_thread *thread, const struct task_filter *filter)
{
    const struct token *token = thread->token;

    if (filter->scope && !stn_scope_within(thread->scope, filter->scope))
        return false;
    while (filter->token && token && &token->head != filter->token)
        token = token->parent;
    return token || !filter->token;
}

static bool
is_exempt(const struct stint_thread *thread)
{
    const struct stint_registry_slot *slot = thread->slot;

    return slot && (__atomic_load_n(&slot->flags, __ATOMIC_RELAXED) & STINT_SLOT_EXEMPT) &&
           __atomic_load_n(&slot->exempt_until_us, __ATOMIC_RELAXED) > stint_now_us();
}

/* What the kernel knows where the thread said nothing. */
static void
describe(struct kernel_task *task)
{
    char wchan[64];

    if (!task->registered)
        read_task(task->tid, "comm", task->is.name, sizeof(task->is.name));
    if (task->is.waits[0] == '\0')
        read_task(task->tid, "wchan", wchan, sizeof(wchan));
    else
        wchan[0] = '\0';
    if (wchan[0] != '\0' && strcmp(wchan, "0") != 0)
        (void)snprintf(task->is.waits, sizeof(task->is.waits), "in the kernel's %s", wchan);
}

int
stn_tasks_look(struct kernel_tasks *ret, const struct task_filter *filter)
{
    struct kernel_tasks tasks = {0};
    int r = list_tasks(&tasks);

    if (r < 0) {
        stn_tasks_finish(&tasks);
        return r;
    }
    if (tasks.n > 0)
        qsort(tasks.of, tasks.n, sizeof(*tasks.of), by_tid);
    stn_tree_take();
    for (const struct stint_thread *t = stn.threads; t && tasks.n > 0; t = t->later) {
        struct kernel_task key = {.tid = (pid_t)__atomic_load_n(&t->tid, __ATOMIC_RELAXED)};
        struct kernel_task *task = bsearch(&key, tasks.of, tasks.n, sizeof(key), by_tid);

        if (!task)
            continue; /* it has just ended */
        task->registered = true;
        task->exempt = is_exempt(t);
        task->wanted = passes(t, filter);
        stn_straggler_fill(t, &task->is);
    }
    stn_tree_give();
    for (size_t i = 0; i < tasks.n; i++) {
        tasks.of[i].is.size = sizeof(tasks.of[i].is);
        if (!tasks.of[i].registered)
            tasks.of[i].wanted = !filter->scope && !filter->token;
        if (tasks.of[i].wanted)
            describe(&tasks.of[i]);
    }
    *ret = tasks;
    return 0;
}

void
stn_tasks_finish(struct kernel_tasks *tasks)
{
    free(tasks->of);
    *tasks = (struct kernel_tasks){0};
}

bool
stn_task_is_runtime(pid_t tid)
{
    static const char *const inits[] = {"__asan_init", "__tsan_init", "__hwasan_init",
                                        "__lsan_init"};
    char line[256];
    const char *pc;
    Dl_info at, of;

    read_task(tid, "syscall", line, sizeof(line));
    pc = strrchr(line, ' '); /* the last of: number, arguments, stack pointer, program counter */
    if (!pc || dladdr((const void *)(uintptr_t)strtoull(pc, NULL, 16), &at) == 0) /* NOLINT */
        return false;
    for (size_t i = 0; i < sizeof(inits) / sizeof(inits[0]); i++) {
        const void *init = dlsym(RTLD_DEFAULT, inits[i]);

        if (init && dladdr(init, &of) != 0 && of.dli_fbase == at.dli_fbase)
            return true; /* other threads make their calls in libc */
    }
    return false;
}
