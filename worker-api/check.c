/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "worker-api/state.h"
#include "worker-api/tasks.h"

#define PATIENCE_US   440000
#define PAUSE_MOST_US 100000

struct stint_leak_baseline {
    pid_t pid;
    struct kernel_tasks tasks;
};

struct stint_leak_baseline *
stint_leak_baseline(void)
{
    const struct task_filter all = {0};
    struct stint_leak_baseline *baseline = calloc(1, sizeof(*baseline));

    if (!baseline)
        return NULL;
    baseline->pid = getpid();
    if (stn_tasks_look(&baseline->tasks, &all) < 0) {
        free(baseline);
        return NULL;
    }
    return baseline;
}

void
stint_leak_baseline_free(struct stint_leak_baseline *baseline)
{
    if (!baseline)
        return;
    stn_tasks_finish(&baseline->tasks);
    free(baseline);
}

static bool
was_there(const struct stint_leak_baseline *baseline, const struct kernel_task *task)
{
    for (size_t i = 0; baseline && baseline->pid == getpid() && i < baseline->tasks.n; i++) {
        const struct kernel_task *old = &baseline->tasks.of[i];

        /* A registered one also has the time it was started, which is finer than the kernel's. */
        if (old->tid == task->tid && old->start == task->start &&
            (!old->registered || !task->registered || old->is.started_us == task->is.started_us))
            return true;
    }
    return false;
}

static bool
matches(const char *const *patterns, const char *text)
{
    for (; patterns && *patterns; patterns++)
        if (fnmatch(*patterns, text, 0) == 0)
            return true;
    return false;
}

static bool
is_leak(const struct kernel_task *task, const struct stint_leak_baseline *baseline,
        const struct stint_leak_options *options, pid_t self)
{
    if (!task->wanted || task->exempt || task->tid == self || task->tid == getpid() ||
        was_there(baseline, task) || matches(options->ignore_names, task->is.name) ||
        (task->registered && matches(options->ignore_functions, task->is.function)))
        return false;
    return task->registered || !stn_task_is_runtime(task->tid);
}

/* One look: the leaks come first in @ret. How many there are, or -ENOMEM. */
static int
look(struct kernel_tasks *ret, const struct stint_leak_baseline *baseline,
     const struct stint_leak_options *options)
{
    const struct task_filter filter = {.token = options->only_token, .scope = options->only_scope};
    const pid_t self = (pid_t)syscall(SYS_gettid);
    struct kernel_tasks tasks;
    int n = 0;

    if (stn_tasks_look(&tasks, &filter) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < tasks.n; i++)
        if (is_leak(&tasks.of[i], baseline, options, self))
            tasks.of[n++] = tasks.of[i];
    *ret = tasks;
    return n;
}

static void
pause_for(int64_t usec)
{
    const struct timespec time = {.tv_sec = usec / 1000000, .tv_nsec = usec % 1000000 * 1000};

    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL); /* shorter is fine */
}

static double
seconds_since(int64_t us)
{
    return (double)(stint_now_us() - us) / 1e6;
}

static void
say(void *env, const struct stint_straggler *s)
{
    const bool said = strncmp(s->waits, "in the kernel", 13) != 0;
    char where[192] = ", not started by libstint", wait[128] = "", since[64] = "";

    (void)env;
    if (s->started_us != 0)
        (void)snprintf(where, sizeof(where), ", started %.3f s ago in %s at %s:%u",
                       seconds_since(s->started_us), s->function, s->file, s->line);
    if (s->waits[0] != '\0')
        (void)snprintf(wait, sizeof(wait), "%s%s", said ? ", waits " : ", ", s->waits);
    if (s->cancelled_us != 0)
        (void)snprintf(since, sizeof(since), ", cancelled %.3f s ago",
                       seconds_since(s->cancelled_us));
    (void)fprintf(stderr, "libstint: leaked thread %s (%d)%s%s%s\n", s->name, (int)s->tid, where,
                  wait, since);
}

int
stint_leak_check(struct stint_leak_baseline *baseline, const struct stint_leak_options *given,
                 void (*report)(void *env, const struct stint_straggler *thread), void *env)
{
    struct stint_leak_options options = {0};
    struct kernel_tasks tasks = {0};
    int64_t pause = 1, limit;
    int n;

    if (given)
        memcpy(&options, given, given->size < sizeof(options) ? given->size : sizeof(options));
    limit = stint_now_us() + (options.patience_us == 0 ? PATIENCE_US : options.patience_us);
    while ((n = look(&tasks, baseline, &options)) > 0 ||
           (n == 0 && __atomic_load_n(&stn.starting, __ATOMIC_ACQUIRE) > 0)) {
        int64_t left = limit - stint_now_us();

        if (left <= 0)
            break;
        stn_tasks_finish(&tasks);
        pause_for(pause < left ? pause : left);
        pause = pause < PAUSE_MOST_US / 2 ? pause * 2 : PAUSE_MOST_US;
    }
    for (int i = 0; i < n; i++)
        (report ? report : say)(env, &tasks.of[i].is);
    stn_tasks_finish(&tasks);
    return n;
}

int
stint_snapshot(void (*each)(void *env, const struct stint_straggler *thread), void *env)
{
    const struct task_filter all = {0};
    struct kernel_tasks tasks;
    int n;

    if (stn_tasks_look(&tasks, &all) < 0)
        return -ENOMEM;
    n = (int)tasks.n;
    for (int i = 0; i < n; i++)
        each(env, &tasks.of[i].is);
    stn_tasks_finish(&tasks);
    return n;
}
