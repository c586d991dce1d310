/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/bundle.h"

/* What the helper of a bundle does; it may hang on a disk, and be killed over it. */

#define BESIDE     ".new" /* directories that begin so are not whole, or somebody's who was killed */
#define FILE_BYTES ((rlim_t)16 << 20) /* of one file */
#define LOOK_US    (3 * US_PER_S)
#define KEPT_US    INT64_C(100000) /* of the time there is, for what comes behind the profiles */

struct writing {
    const struct bundle_request *rq;
    int dir; /* the new one */
    char words[512];
};

static void
miss(struct writing *w, const char *what, const char *why)
{
    size_t n = strlen(w->words);

    (void)snprintf(w->words + n, sizeof(w->words) - n, "%sno %s: %s", n > 0 ? "; " : "", what, why);
}

static void
put_text(struct writing *w, const char *name, const char *text)
{
    auto_fd int fd = -1;

    if (!text || !text[0])
        return;
    fd = openat(w->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    for (size_t n = strlen(text); fd >= 0 && n > 0;) {
        ssize_t r = write(fd, text, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            break;
        text += r;
        n -= (size_t)r;
    }
    if (fd < 0 || text[0])
        miss(w, name, strerrordesc_np(errno));
}

static void
put_profile(struct writing *w, enum profile_kind kind, const char *name, int64_t until_us)
{
    const struct profile_wish wish = {.until_us = until_us};
    const struct profile_target *t = &w->rq->target;
    auto_profile struct profile *p = NULL;
    struct error err = {0};
    auto_fd int fd = -1;
    int r = profile_for(kind, &p);

    if (r == 0)
        r = profile_comment(p, "%s profile of %s/%llu.%u, pid %d, past its drain deadline",
                            profile_kind_name(kind), t->service, (unsigned long long)t->generation,
                            t->slot, (int)t->pid);
    if (r == 0)
        r = profile_take(kind, p, t, &wish, &err);
    if (r == 0) {
        fd = openat(w->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        r = fd < 0 ? error_set(&err, -errno, "open it") : profile_write(p, fd, &err);
    }
    if (r < 0)
        miss(w, name, err.text[0] ? err.text : strerrordesc_np(-r));
}

/* ---- room ----------------------------------------------------------------------------------------- */

/* A directory of ours, with its files; whatever else is in it keeps it there. */
static void
throw_away(int bundles, const char *name)
{
    int fd = openat(bundles, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;

    if (!d) {
        (void)fd_close(fd);
        return;
    }
    while ((e = readdir(d))) /* NOLINT(concurrency-mt-unsafe): one thread */
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    (void)closedir(d);
    (void)unlinkat(bundles, name, AT_REMOVEDIR);
}

/* What others left that were killed over it: nobody writes there for as long as a minute. */
static void
sweep(int bundles)
{
    int fd = openat(bundles, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    struct stat st;

    if (!d) {
        (void)fd_close(fd);
        return;
    }
    while ((e = readdir(d))) /* NOLINT(concurrency-mt-unsafe): one thread */
        if (strncmp(e->d_name, BESIDE, strlen(BESIDE)) == 0 &&
            fstatat(bundles, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            wall_now_us() / US_PER_S - st.st_mtim.tv_sec > 60)
            throw_away(bundles, e->d_name);
    (void)closedir(d);
}

/* Room for one more. Others may write at the same time, so the number is what it is in the end. */
static void
make_room(int bundles, const char *state_dir)
{
    struct bundles all;

    sweep(bundles);
    for (unsigned i = 0; i < 2 * BUNDLES_MAX; i++) {
        bundles_read(state_dir, &all);
        if (all.n < BUNDLES_MAX)
            return;
        throw_away(bundles, all.of[all.n - 1].name);
    }
}

/* The newest stay, for as long as they are small enough together. */
static void
trim(int bundles, const char *state_dir)
{
    struct bundles all;
    uint64_t sum = 0;

    bundles_read(state_dir, &all);
    for (size_t i = 0; i < all.n; i++) {
        sum += all.of[i].bytes;
        if (i > 0 && sum > BUNDLES_BYTES)
            throw_away(bundles, all.of[i].name);
    }
}

/* ---- all of it ------------------------------------------------------------------------------------- */

void
bundle_name(const struct profile_target *t, char ret[BUNDLE_NAME])
{
    (void)snprintf(ret, BUNDLE_NAME, "%.65s-%" PRIu64 ".%u-%d", t->service, t->generation, t->slot,
                   (int)t->pid);
}

static int
open_bundles(const char *state_dir, struct error *reterr)
{
    auto_free char *path = NULL;
    int fd;

    if (asprintf(&path, "%s/bundles", state_dir) == -1)
        return error_set(reterr, -ENOMEM, "keep a bundle");
    if (mkdir(path, 0700) == -1 && errno != EEXIST)
        return error_set(reterr, -errno, "make '%s'", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? error_set(reterr, -errno, "open '%s'", path) : fd;
}

static void
fill(struct writing *w, const char *report)
{
    const struct bundle_request *rq = w->rq;
    int64_t now_us = mono_now_us(), left_us = rq->deadline_us - KEPT_US - now_us;
    int64_t cpu_us = left_us / 4 < BUNDLE_CPU_US ? left_us / 4 : BUNDLE_CPU_US;

    put_text(w, "report.json", report);
    put_text(w, "log.txt", rq->lines);
    if (rq->threads)
        put_profile(w, PROFILE_THREADS, "threads.pb.gz",
                    now_us + (left_us / 2 < LOOK_US ? left_us / 2 : LOOK_US));
    if (rq->heap)
        put_profile(w, PROFILE_HEAP, "heap.pb.gz", mono_now_us() + left_us / 4);
    if (rq->cpu)
        put_profile(w, PROFILE_CPU, "cpu.pb.gz", mono_now_us() + cpu_us);
}

static int
write_bundle(struct writing *w, const char *name, const char *report, struct error *reterr)
{
    auto_fd int bundles = open_bundles(w->rq->state_dir, reterr);
    char beside[BUNDLE_NAME + 16];

    if (bundles < 0)
        return bundles;
    make_room(bundles, w->rq->state_dir);
    (void)snprintf(beside, sizeof(beside), "%s-%s", BESIDE, name);
    throw_away(bundles, beside);
    if (mkdirat(bundles, beside, 0700) == -1)
        return error_set(reterr, -errno, "make a directory for it");
    w->dir = openat(bundles, beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (w->dir < 0)
        return error_set(reterr, -errno, "open its directory");
    fill(w, report);
    w->dir = fd_close(w->dir);
    throw_away(bundles, name); /* of a look that was made twice the later one stays */
    if (renameat(bundles, beside, bundles, name) == -1)
        return error_set(reterr, -errno, "put it in its place");
    trim(bundles, w->rq->state_dir);
    return 0;
}

bool
bundle_work(const struct bundle_request *rq, const char *report, int out)
{
    const struct rlimit bytes = {FILE_BYTES, FILE_BYTES};
    struct writing w = {.rq = rq, .dir = -1};
    auto_free struct bundle_told *told = calloc(1, sizeof(*told));
    struct error err = {0};

    if (!told)
        return false;
    (void)setrlimit(RLIMIT_FSIZE, &bytes);
    told->magic = BUNDLE_MAGIC;
    bundle_name(&rq->target, told->name);
    told->error = write_bundle(&w, told->name, report, &err);
    (void)snprintf(told->words, sizeof(told->words), "%s", told->error < 0 ? err.text : w.words);
    bundles_read(rq->state_dir, &told->all);
    return write(out, told, sizeof(*told)) == sizeof(*told);
}
