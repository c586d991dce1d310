/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/heaps.h"

/* What the helper does that keeps a heap profile; it may hang on a disk, and be killed over it. */

#define BESIDE     ".new-" /* not whole, or somebody's who was killed */
#define SUFFIX     ".pb.gz"
#define LISTED_MAX 4096

struct kept {
    char name[HEAPS_NAME];
    size_t service_n; /* bytes of the name that are the service's */
    uint64_t generation, bytes;
    int64_t at_us; /* wall clock */
    bool beside;
};

struct list_of_kept {
    struct kept *of; /* owned */
    size_t n;
};

/* ---- What is there ------------------------------------------------------------------------- */

/* "web-7.pb.gz" is of web: names of services may have hyphens, so it is read from behind. */
static bool
name_read(const char *name, struct kept *ret)
{
    const char *dash = strrchr(name, '-');
    char *end = NULL;

    *ret = (struct kept){.beside = strncmp(name, BESIDE, strlen(BESIDE)) == 0};
    if (!dash || dash == name || strlen(name) >= sizeof(ret->name))
        return false;
    memcpy(ret->name, name, strlen(name) + 1);
    ret->service_n = (size_t)(dash - name);
    ret->generation = strtoull(dash + 1, &end, 10);
    return dash[1] >= '0' && dash[1] <= '9' && strcmp(end, SUFFIX) == 0;
}

static int
newest_first(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;

    if (x->at_us != y->at_us)
        return x->at_us > y->at_us ? -1 : 1;
    return x->generation > y->generation ? -1 : x->generation < y->generation;
}

/* list_kept - all of them, the newest first; those beside are in it, too. */
static int
list_kept(int heaps, struct list_of_kept *ret)
{
    int fd = openat(heaps, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    struct stat st;

    *ret = (struct list_of_kept){.of = calloc(LISTED_MAX, sizeof(*ret->of))};
    if (!d || !ret->of) {
        int r = ret->of ? -errno : -ENOMEM;

        if (d)
            (void)closedir(d);
        else
            (void)fd_close(fd);
        free(steal(ret->of));
        return r;
    }
    while (ret->n < LISTED_MAX &&
           (e = readdir(d))) { /* NOLINT(concurrency-mt-unsafe): one thread */
        struct kept *k = &ret->of[ret->n];

        if (!name_read(e->d_name, k) || fstatat(heaps, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode))
            continue;
        k->bytes = (uint64_t)st.st_size;
        k->at_us = (int64_t)st.st_mtim.tv_sec * US_PER_S + (int64_t)st.st_mtim.tv_nsec / 1000;
        ret->n++;
    }
    (void)closedir(d);
    qsort(ret->of, ret->n, sizeof(*ret->of), newest_first);
    return 0;
}

static bool
is_of(const struct kept *k, const char *service)
{
    return !k->beside && strlen(service) == k->service_n &&
           memcmp(k->name, service, k->service_n) == 0;
}

/* The newest stay: some of each service, and as many of all as there is room for. */
static void
trim(int heaps)
{
    struct list_of_kept all;
    uint64_t sum = 0;
    size_t left = 0;

    if (list_kept(heaps, &all) < 0)
        return;
    for (size_t i = 0; i < all.n; i++) {
        const struct kept *k = &all.of[i];
        unsigned newer = 0;
        bool old;

        for (size_t j = 0; j < i && newer < HEAPS_EACH; j++)
            newer += !all.of[j].beside && all.of[j].service_n == k->service_n &&
                     memcmp(all.of[j].name, k->name, k->service_n) == 0;
        /* Beside: nobody writes there for as long as two minutes. */
        old = k->beside ? wall_now_us() - k->at_us > 120 * US_PER_S
                        : newer == HEAPS_EACH || left == HEAPS_MAX || sum + k->bytes > HEAPS_BYTES;
        if (old && left > 0) {
            (void)unlinkat(heaps, k->name, 0);
        } else if (!k->beside) {
            sum += k->bytes;
            left++;
        }
    }
    free(all.of);
}

static int
heaps_directory(const char *state_dir, bool make)
{
    auto_free char *path = NULL;
    int fd;

    if (asprintf(&path, "%s/heaps", state_dir) == -1)
        return -ENOMEM;
    if (make && mkdir(path, 0700) == -1 && errno != EEXIST)
        return -errno;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

int
heaps_open(const char *state_dir, const char *service, uint64_t above, uint64_t below,
           uint64_t *ret_bytes)
{
    auto_fd int heaps = heaps_directory(state_dir, false);
    const struct kept *best = NULL;
    struct list_of_kept all;
    int r = heaps < 0 ? heaps : list_kept(heaps, &all);

    if (r < 0)
        return r;
    for (size_t i = 0; i < all.n; i++)
        if (is_of(&all.of[i], service) && all.of[i].generation > above &&
            all.of[i].generation < below && (!best || all.of[i].generation > best->generation))
            best = &all.of[i];
    r = best ? openat(heaps, best->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (r < 0)
        r = best ? -errno : -ENOENT;
    else
        *ret_bytes = best->bytes;
    free(all.of);
    return r;
}

/* ---- One more ------------------------------------------------------------------------------- */

static int
take(const struct heap_keep_request *rq, int memory, struct heap_keep_told *told)
{
    const struct profiling_request want = {.kind = PROFILE_HEAP,
                                           .service = rq->service,
                                           .targets = rq->targets,
                                           .n = rq->n,
                                           .remark = "kept when it was about to be relieved"};
    struct profiling_told said;

    if (!profiling_work(&want, -1, memory) || pread(memory, &said, sizeof(said), 0) != sizeof(said))
        return -EIO;
    memcpy(told->words, said.words, sizeof(told->words));
    told->bytes = said.error == 0 ? said.bytes : 0;
    return said.error;
}

static int
copy(int from, off_t at, int to)
{
    char buf[65536];
    ssize_t n;

    while ((n = pread(from, buf, sizeof(buf), at)) > 0) {
        for (ssize_t done = 0; done < n;) {
            ssize_t r = write(to, buf + done, (size_t)(n - done));

            if (r < 0 && errno == EINTR)
                continue;
            if (r <= 0)
                return r < 0 ? -errno : -ENOSPC;
            done += r;
        }
        at += n;
    }
    return n < 0 ? -errno : 0;
}

static int
keep(const struct heap_keep_request *rq, int memory, struct heap_keep_told *told)
{
    auto_fd int heaps = heaps_directory(rq->state_dir, true), fd = -1;
    char beside[sizeof(told->name) + sizeof(BESIDE)];
    int r;

    if (heaps < 0)
        return heaps;
    (void)snprintf(told->name, sizeof(told->name), "%.65s-%" PRIu64 SUFFIX, rq->service,
                   rq->generation);
    (void)snprintf(beside, sizeof(beside), BESIDE "%s", told->name);
    (void)unlinkat(heaps, beside, 0);
    fd = openat(heaps, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    r = fd < 0 ? -errno : copy(memory, sizeof(struct profiling_told), fd);
    if (r == 0 && renameat(heaps, beside, heaps, told->name) == -1)
        r = -errno;
    if (r < 0)
        (void)unlinkat(heaps, beside, 0);
    else
        trim(heaps);
    return r;
}

bool
heap_keep_work(const struct heap_keep_request *rq, int out)
{
    auto_fd int memory = memfd_create("stint-heap", MFD_CLOEXEC);
    struct heap_keep_told told = {.magic = HEAP_KEEP_MAGIC};
    struct error err = {0};

    if (memory < 0)
        return false;
    told.error = take(rq, memory, &told);
    if (told.error == 0) {
        told.error = keep(rq, memory, &told);
        if (told.error < 0) {
            (void)error_set(&err, told.error, "keep it in '%s/heaps'", rq->state_dir);
            (void)snprintf(told.words, sizeof(told.words), "%s", err.text);
        }
    }
    return write(out, &told, sizeof(told)) == sizeof(told);
}
