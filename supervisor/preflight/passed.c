/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/preflight/passed.h"

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
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"

#define PASSED_DIRECTORY "preflight"
#define PASSED_BYTES     2048

static void
body(const char *service, const struct passed *p, struct text *out)
{
    char digest[DIGEST_TEXT];

    text_addf(out,
              "stint-preflight 1\nservice %s\ncandidate %s\nat_wall_us %" PRId64
              "\nby_uid %u\nchecks %u\nskipped %u\n",
              service, digest_format(p->candidate, digest), p->at_wall_us, (unsigned)p->by_uid,
              p->checks, p->skipped);
}

static void
seal(struct text *t)
{
    char digest[DIGEST_TEXT];

    text_addf(t, "seal %s\n", digest_format(digest_of(text_str(t), t->bytes), digest));
}

/* ---- the newest are kept ---------------------------------------------------------------------- */

struct kept {
    char name[256];
    struct timespec at;
};

static int
newest_first(const void *a, const void *b)
{
    const struct timespec *x = &((const struct kept *)a)->at, *y = &((const struct kept *)b)->at;

    return x->tv_sec != y->tv_sec     ? (x->tv_sec < y->tv_sec ? 1 : -1)
           : x->tv_nsec != y->tv_nsec ? (x->tv_nsec < y->tv_nsec ? 1 : -1)
                                      : 0;
}

/* "web.0123…ef" is of `web`, and not "web.api.0123…". */
static bool
is_of(const char *name, const char *service)
{
    size_t n = strlen(service);

    return strncmp(name, service, n) == 0 && name[n] == '.' &&
           strlen(name + n + 1) == DIGEST_TEXT - 1 &&
           strspn(name + n + 1, "0123456789abcdef") == DIGEST_TEXT - 1;
}

/* Whatever cannot be removed is kept: it does no harm. */
static void
forget_oldest(const char *directory, const char *service)
{
    DIR *d = opendir(directory);
    struct kept *all = NULL;
    size_t n = 0, room = 0;
    struct dirent *e;

    while (d && (e = readdir(d)) != NULL) {
        struct stat st;

        if (!is_of(e->d_name, service) || fstatat(dirfd(d), e->d_name, &st, 0) == -1)
            continue;
        if (n == room) {
            struct kept *bigger = realloc(all, (room += 128) * sizeof(*bigger));

            if (!bigger)
                break;
            all = bigger;
        }
        (void)snprintf(all[n].name, sizeof(all[n].name), "%s", e->d_name);
        all[n++].at = st.st_mtim;
    }
    if (n > PASSED_KEPT)
        qsort(all, n, sizeof(*all), newest_first);
    for (size_t i = PASSED_KEPT; i < n; i++)
        (void)unlinkat(dirfd(d), all[i].name, 0);
    free(all);
    if (d)
        (void)closedir(d);
}

int
passed_write(const char *state_dir, const char *service, const struct passed *p,
             struct error *reterr)
{
    auto_text struct text directory = TEXT_INIT, path = TEXT_INIT, t = TEXT_INIT;
    char digest[DIGEST_TEXT];
    int r;

    text_addf(&directory, "%s/" PASSED_DIRECTORY, state_dir);
    text_addf(&path, "%s/%s.%s", text_str(&directory), service,
              digest_format(p->candidate, digest));
    body(service, p, &t);
    seal(&t);
    if (directory.failed || path.failed || t.failed)
        return error_set(reterr, -ENOMEM, "note that the preflight has passed");
    r = dir_make(text_str(&directory), 0755, reterr);
    if (r == 0)
        r = file_replace(text_str(&path), text_str(&t), t.bytes, 0644, reterr);
    if (r == 0)
        forget_oldest(text_str(&directory), service);
    return r;
}

/* ---- reading ---------------------------------------------------------------------------------- */

static int
read_whole(int fd, char *buf, size_t room, const char *path, struct error *reterr)
{
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) == -1)
        return error_set(reterr, -errno, "look at '%s'", path);
    if (!S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) ||
        (st.st_mode & (S_IWGRP | S_IWOTH)))
        return error_say(reterr, -EPERM,
                         "'%s' is not believed: it has to be a file of root or of uid %u that "
                         "nobody else may write",
                         path, (unsigned)geteuid());
    n = pread(fd, buf, room - 1, 0);
    if (n < 0)
        return error_set(reterr, -errno, "read '%s'", path);
    buf[n] = '\0';
    return 0;
}

static int64_t
number_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    return at ? strtoll(at + strlen(key), NULL, 10) : -1;
}

/* Our own words, to the byte: else it is not one of these. */
static int
understand(const char *text, const char *service, struct passed *p)
{
    auto_text struct text same = TEXT_INIT;

    p->at_wall_us = number_of(text, "\nat_wall_us ");
    p->by_uid = (uid_t)number_of(text, "\nby_uid ");
    p->checks = (unsigned)number_of(text, "\nchecks ");
    p->skipped = (unsigned)number_of(text, "\nskipped ");
    body(service, p, &same);
    seal(&same);
    return same.failed ? -ENOMEM : strcmp(text_str(&same), text) == 0 ? 0 : -EPROTO;
}

int
passed_read(const char *state_dir, const char *service, struct digest candidate, struct passed *ret,
            struct error *reterr)
{
    auto_text struct text path = TEXT_INIT;
    struct passed p = {.candidate = candidate};
    char digest[DIGEST_TEXT], buf[PASSED_BYTES];
    auto_fd int fd = -1;
    int r;

    text_addf(&path, "%s/" PASSED_DIRECTORY "/%s.%s", state_dir, service,
              digest_format(candidate, digest));
    if (path.failed)
        return error_set(reterr, -ENOMEM, "look for a preflight that has passed");
    fd = open(text_str(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd == -1 && errno == ENOENT)
        return error_say(reterr, -ENOENT, "no preflight has passed candidate %s of '%s'", digest,
                         service);
    if (fd == -1)
        return error_set(reterr, -errno, "open '%s'", text_str(&path));
    r = read_whole(fd, buf, sizeof(buf), text_str(&path), reterr);
    if (r == 0)
        r = understand(buf, service, &p);
    else
        return r;
    if (r < 0)
        return error_say(reterr, r, "'%s' is damaged", text_str(&path));
    *ret = p;
    return 0;
}
