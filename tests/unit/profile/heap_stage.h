/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_PROFILE_HEAP_STAGE_H
#define STINT_TESTS_PROFILE_HEAP_STAGE_H

/* Programs whose heap is known, with the object that samples it, and a profile of them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "supervisor/profile/kinds.h"
#include "tests/unit/unit.h"
#include "worker-api/heap/heap_table.h"

enum { ALLOC_OBJECTS, ALLOC_SPACE, INUSE_OBJECTS, INUSE_SPACE };

struct guest {
    pid_t pid;
    int in;
    FILE *out;
};

/* It has done what it does, and waits. */
static inline struct guest
guest_start(const char *heap, const char *program, const char *scene, const char *mean,
            const char *said)
{
    struct guest g;
    int in[2], out[2];
    char line[256];

    ck_assert_int_eq(pipe(in), 0);
    ck_assert_int_eq(pipe(out), 0);
    g.pid = fork();
    if (g.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(in[1]);
        (void)close(out[0]);
        if (dup2(in[0], 0) == -1 || dup2(out[1], 1) == -1 || setenv("LD_PRELOAD", heap, 1) != 0 ||
            setenv("STINT_HEAP_SAMPLE", mean, 1) != 0)
            _exit(126);
        (void)execl(program, program, scene, "wait", (char *)NULL);
        _exit(127);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    g.in = in[1];
    ck_assert_ptr_nonnull(g.out = fdopen(out[0], "r"));
    do
        ck_assert_ptr_nonnull(fgets(line, sizeof(line), g.out));
    while (strncmp(line, said, strlen(said)) != 0);
    return g;
}

static inline void
guest_end(struct guest *g)
{
    int status;

    (void)close(g->in);
    (void)fclose(g->out);
    ck_assert_int_eq(waitpid(g->pid, &status, 0), g->pid);
    ck_assert_int_eq(status, 0);
}

static inline int
take(pid_t pid, struct profile **ret, struct error *reterr)
{
    struct profile_target t = {.pid = pid,
                               .service = "web",
                               .generation = 7,
                               .slot = 1,
                               .registry_fd = -1,
                               .channel_fd = -1};
    struct profile_wish w = {.until_us = mono_now_us() + 30 * US_PER_S};

    ck_assert_int_eq(profile_for(PROFILE_HEAP, ret), 0);
    return profile_take(PROFILE_HEAP, *ret, &t, &w, reterr);
}

static inline void
near(int64_t seen, double wanted)
{
    ck_assert_msg(fabs((double)seen - wanted) <= 0.1 * wanted, "%lld instead of %.0f",
                  (long long)seen, wanted);
}

static inline bool
said(const struct profile *p, const char *words)
{
    bool found = false;

    for (size_t i = 0; i < profile_comments(p); i++)
        found |= strstr(profile_comment_at(p, i), words) != NULL;
    return found;
}

#endif
