/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_PROFILE_FIXTURE_H
#define STINT_TESTS_UNIT_PROFILE_FIXTURE_H

/* Small profiles, and `go tool pprof`, which was written by others and has to understand them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/profile/profile.h"
#include "tests/unit/unit.h"

static const struct profile_type cpu_types[] = {
    {"samples", "count"      },
    {"cpu",     "nanoseconds"}
};
static struct error why;

static inline struct profile *
a_profile(void)
{
    struct profile *p = NULL;

    ck_assert_int_eq(profile_new(&p, cpu_types, 2, "cpu"), 0);
    return p;
}

/* main ─▶ @leaf in a program that lies at @base; named, in generation @generation. */
static inline void
add(struct profile *p, uint64_t base, const char *leaf, int64_t n, int64_t generation)
{
    const struct profile_mapping m = {.start = base,
                                      .limit = base + 0x4000,
                                      .offset = 0x1000,
                                      .file = "/usr/bin/web",
                                      .build_id = "c0ffee",
                                      .has_functions = true,
                                      .has_files = true,
                                      .has_lines = true};
    const struct profile_label labels[] = {
        {"service",    "web", 0,          NULL  },
        {"generation", NULL,  generation, NULL  },
        {"slot",       NULL,  0,          "slot"},
        {"scope",      "",    0,          NULL  }
    };
    const int64_t values[] = {n, n * 10000000};
    struct profile_frame frames[] = {
        {base + 0x10 + strlen(leaf), 0, leaf,   "/src/web.c", 12},
        {base + 0x800,               0, "main", "/src/web.c", 99}
    };
    uint64_t id = 0;

    ck_assert_int_eq(profile_mapping(p, &m, &id), 0);
    frames[0].mapping = frames[1].mapping = id;
    ck_assert_int_eq(profile_sample(p, frames, 2, values, labels, 4), 0);
}

/* The bytes of @p as a file, at its beginning. */
static inline int
written(const struct profile *p)
{
    int fd = memfd_create("profile", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_msg(profile_write(p, fd, &why) == 0, "%s", why.text);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static inline struct profile *
again(const struct profile *p)
{
    auto_fd int fd = written(p);
    struct profile *q = NULL;

    ck_assert_msg(profile_read(&q, fd, &why) == 0, "%s", why.text);
    return q;
}

/* What pprof says of @p: `go tool pprof ARGS FILE`; @base: NULL, or the profile of -diff_base. */
static inline void
pprof(const char *args, const struct profile *p, const struct profile *base, struct text *ret)
{
    auto_fd int fd = written(p), base_fd = base ? written(base) : -1;
    char command[512], option[64] = "", line[1024];
    FILE *said;
    size_t n;

    if (base)
        (void)snprintf(option, sizeof(option), "-diff_base=/proc/%d/fd/%d", getpid(), base_fd);
    (void)snprintf(command, sizeof(command),
                   "PPROF_TMPDIR=/nonexistent go tool pprof %s %s /proc/%d/fd/%d 2>&1", args,
                   option, getpid(), fd);
    said = popen(command, "r");
    ck_assert_ptr_nonnull(said);
    text_clear(ret);
    while ((n = fread(line, 1, sizeof(line), said)) > 0)
        text_addn(ret, line, n);
    ck_assert_msg(pclose(said) == 0, "%s: %s", command, text_str(ret));
}

#define has(text, what) \
    ck_assert_msg(strstr(text_str(text), what) != NULL, "no '%s' in:\n%s", what, text_str(text))
#define has_not(text, what) \
    ck_assert_msg(strstr(text_str(text), what) == NULL, "'%s' in:\n%s", what, text_str(text))

#endif
