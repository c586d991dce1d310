/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_LOGS_WORLD_H
#define STINT_TESTS_UNIT_IO_LOGS_WORLD_H

/* Logs with a loop, a journal whose reader may be slow, a directory, and a real writer process. */
#include "tests/unit/io/loop.h" /* has a parameter of the name of a variable below */

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/logs.h"
#include "supervisor/io/peek.h"
#include "tests/unit/io/journal_world.h"
#include "tests/unit/io/own_dir.h"

#define JOURNALD    "journald" /* its socket, where a test makes one */
#define PATIENCE_US (30 * US_PER_S)

static struct logs *logs;
static struct log *web; /* the log of service "web" */
static struct service_spec spec;
static struct service_spec *specs[1];
static struct log_waiter waiter;
static unsigned went; /* calls of waiter.go */
static int kept_fd;   /* of the last memory that was kept: a copy */
static uint64_t kept_id;

static inline int
on_keep(void *env, uint64_t id, int fd)
{
    (void)env;
    (void)fd_close(kept_fd);
    kept_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    kept_id = id;
    return 0;
}

static inline void
on_drop(void *env, uint64_t id)
{
    (void)env;
    if (id == kept_id)
        kept_fd = fd_close(kept_fd);
}

static inline void
on_go(struct log_waiter *w)
{
    (void)w;
    went++;
}

static inline void
open_logs(void)
{
    const struct logs_options o = {
        .loop = loop, .journal = journal, .keep = on_keep, .drop = on_drop};

    ck_assert_int_eq(logs_create(&o, &logs), 0);
}

static inline void
configure(void)
{
    specs[0] = &spec;
    logs_configure(logs, specs, 1);
    if (!web)
        web = logs_get(logs, "web");
    ck_assert_ptr_nonnull(web);
}

static inline void
begin(void)
{
    const struct journal_options o = {.level = LOG_LEVEL_INFO, .journal_socket = JOURNALD};
    struct journal_options with = o;

    own_dir_enter();
    set_up();
    with.fd = ends[1];
    open_journal(&with);
    kept_fd = -1;
    went = 0;
    web = NULL;
    spec = (struct service_spec){.name = (char *)(uintptr_t) "web"};
    spec.log = (struct service_log){.to = LOG_TO_FILE,
                                    .file = strdup(full("web.log")),
                                    .buffer = 256 << 10,
                                    .block_us = 100 * US_PER_MS,
                                    .keep = 1000,
                                    .mode = 0640};
    log_waiter_init(&waiter, on_go);
    open_logs();
}

static inline void
end(void)
{
    log_waiter_finish(&waiter);
    log_unref(web);
    logs_destroy(logs);
    free(spec.log.file);
    kept_fd = fd_close(kept_fd);
    tear_down();
    own_dir_leave();
}

static inline void
line_of(uint64_t worker, const char *bytes, size_t n, unsigned flags)
{
    const struct journal_origin from = {.service = "web",
                                        .generation = 7,
                                        .slot = (unsigned)worker,
                                        .pid = 4711,
                                        .stream = "stdout"};

    log_line(web, &(struct printed){&from, worker, CAPTURE_STDOUT, bytes, n, flags, -1});
}

static inline void
line(const char *text)
{
    line_of(1, text, strlen(text), 0);
}

static inline struct log_status
status(void)
{
    struct log_status st;

    ck_assert(logs_status(logs, "web", &st));
    return st;
}

static inline bool
nothing_waits(void *env)
{
    (void)env;
    take();
    return status().waiting == 0;
}

static inline void
add_file(struct text *out, const char *name)
{
    struct error why = {0};
    auto_free char *data = NULL;
    size_t n;

    ck_assert_msg(file_read(name, 1 << 30, &data, &n, &why) == 0, "%s", why.text);
    text_addn(out, data, n);
}

static inline void
await_written(void)
{
    ck_assert(loop_until(loop, nothing_waits, NULL, PATIENCE_US));
}

static inline void
assert_file(const char *want)
{
    auto_text struct text is = TEXT_INIT;

    await_written();
    add_file(&is, "web.log");
    ck_assert_str_eq(text_str(&is), want);
}

static inline bool
log_says(void *words)
{
    take();
    return strstr(text_str(&got), words) != NULL;
}

static inline void
await_event(const char *words)
{
    ck_assert_msg(loop_until(loop, log_says, (void *)(uintptr_t)words, PATIENCE_US),
                  "'%s' not in:\n%s", words, text_str(&got));
}

/* The process that writes: the newest child of ours. */
static inline pid_t
writer_pid(void)
{
    char path[64], pids[256] = "";
    char *at = pids, *end;
    long pid = 0;
    FILE *children;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    children = fopen(path, "re");
    ck_assert_ptr_nonnull(children);
    ck_assert_ptr_nonnull(fgets(pids, sizeof(pids), children));
    (void)fclose(children);
    for (long next; (next = strtol(at, &end, 10)) > 0; at = end)
        pid = next;
    ck_assert_int_gt(pid, 0);
    return (pid_t)pid;
}

#endif
