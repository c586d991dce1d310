/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/helper.h"

struct bundle {
    struct helper *helper; /* owned */
    char *state_dir;       /* owned */
    void (*on_done)(void *env, const char *path, const char *words, const struct bundles *all);
    void *env;
};

struct task {
    const struct bundle_request *rq;
    const char *report;
};

static void
bundle_destroy(struct bundle *b)
{
    free(b->state_dir);
    free(b);
}

static bool
text_within(const char *s, size_t room)
{
    return memchr(s, '\0', room) != NULL;
}

static bool
read_told(int out, struct bundle_told *told)
{
    if (pread(out, told, sizeof(*told), 0) != sizeof(*told) || told->magic != BUNDLE_MAGIC ||
        !text_within(told->name, sizeof(told->name)) ||
        !text_within(told->words, sizeof(told->words)) || told->all.n > BUNDLES_MAX)
        return false;
    for (size_t i = 0; i < told->all.n; i++)
        if (!text_within(told->all.of[i].name, BUNDLE_NAME))
            return false;
    return true;
}

static void
on_end(void *env, enum helper_end how, int out)
{
    struct bundle *b = env;
    auto_free struct bundle_told *told = calloc(1, sizeof(*told));
    auto_free char *path = NULL;
    const char *words = how == HELPER_LATE ? "it took too long" : "the process that wrote it died";
    void (*on_done)(void *, const char *, const char *, const struct bundles *) = b->on_done;
    void *whose = b->env;

    if (told && how == HELPER_DONE && read_told(out, told)) {
        words = told->words;
        if (told->error == 0 && asprintf(&path, "%s/bundles/%s", b->state_dir, told->name) == -1)
            path = NULL;
    }
    bundle_destroy(b);
    on_done(whose, path, words, path ? &told->all : NULL);
}

static bool
work(const void *env, int keep, int out)
{
    const struct task *t = env;

    (void)keep;
    return bundle_work(t->rq, t->report, out);
}

int
bundle_start(struct ev_loop *loop, const struct bundle_request *rq, struct bundle **ret)
{
    auto_free char *report = rq->report ? json_dumps(rq->report, JSON_INDENT(2)) : NULL;
    struct task task = {rq, report ? report : ""};
    int keeps[] = {rq->target.registry_fd, rq->target.channel_fd};
    struct bundle *b = calloc(1, sizeof(*b));
    struct helper_job job = {.name = "stint-bundle",
                             .work = work,
                             .task = &task,
                             .keep = -1,
                             .keeps = keeps,
                             .n_keeps = ARRAY_LEN(keeps),
                             .deadline_us = rq->deadline_us,
                             .on_end = on_end,
                             .env = b};
    int r = -ENOMEM;

    if (!b)
        return r;
    b->state_dir = strdup(rq->state_dir);
    b->on_done = rq->on_done;
    b->env = rq->env;
    if (b->state_dir)
        r = helper_start(loop, &job, &b->helper);
    if (r < 0)
        bundle_destroy(b);
    else
        *ret = b;
    return r;
}

void
bundle_cancel(struct bundle *b)
{
    if (!b)
        return;
    helper_cancel(b->helper);
    bundle_destroy(b);
}

/* ---- what is there ------------------------------------------------------------------------------- */

static uint64_t
bytes_in(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    uint64_t sum = 0;
    struct stat st;

    if (!d) {
        (void)fd_close(fd);
        return 0;
    }
    while ((e = readdir(d))) /* NOLINT(concurrency-mt-unsafe): one thread */
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
    (void)closedir(d);
    return sum;
}

static int
newest_first(const void *a, const void *b)
{
    const struct bundle_entry *x = a, *y = b;

    if (x->at_wall_us != y->at_wall_us)
        return x->at_wall_us > y->at_wall_us ? -1 : 1;
    return strcmp(x->name, y->name);
}

void
bundles_read(const char *state_dir, struct bundles *ret)
{
    auto_free char *path = NULL;
    const struct dirent *e;
    DIR *d = asprintf(&path, "%s/bundles", state_dir) == -1 ? NULL : opendir(path);
    struct stat st;

    ret->n = 0;
    while (d && (e = readdir(d))) { /* NOLINT(concurrency-mt-unsafe): one thread */
        struct bundle_entry *to = &ret->of[ret->n];

        if (e->d_name[0] == '.' || ret->n == BUNDLES_MAX || strlen(e->d_name) >= BUNDLE_NAME ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
            continue;
        *to = (struct bundle_entry){.bytes = bytes_in(dirfd(d), e->d_name)};
        memcpy(to->name, e->d_name, strlen(e->d_name) + 1);
        to->at_wall_us = (int64_t)st.st_mtim.tv_sec * US_PER_S + (int64_t)st.st_mtim.tv_nsec / 1000;
        ret->n++;
    }
    if (d)
        (void)closedir(d);
    qsort(ret->of, ret->n, sizeof(*ret->of), newest_first);
}

/* "web-7.0-4711" is of web: names of services may have hyphens, so the rest is looked at from behind. */
static bool
is_of(const char *name, const char *service)
{
    size_t n = strlen(service);

    return strncmp(name, service, n) == 0 && name[n] == '-' &&
           strspn(name + n + 1, "0123456789.-") == strlen(name + n + 1);
}

json_t *
bundles_report(const struct bundles *all, const char *state_dir, const char *service)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < all->n; i++) {
        const struct bundle_entry *e = &all->of[i];
        auto_free char *path = NULL;

        if ((service && !is_of(e->name, service)) ||
            asprintf(&path, "%s/bundles/%s", state_dir, e->name) == -1)
            continue;
        (void)json_array_append_new(/* no memory: it is shorter */
                                    list, json_pack("{s:s, s:s, s:I, s:I}", "name", e->name, "path",
                                                    path, "bytes", (json_int_t)e->bytes, "age_ms",
                                                    (json_int_t)((wall_now_us() - e->at_wall_us) /
                                                                 US_PER_MS)));
    }
    return list;
}
