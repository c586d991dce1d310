/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/survey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/cgroup_internal.h"
#include "supervisor/io/leftovers.h"
#include "supervisor/probe/proc.h"

#define UNKNOWN_MAX 256 /* processes that nobody knows */
#define TOLD_MAX    16  /* of one generation, with all that is known */
#define NAMED_MAX   2   /* … in words */
#define TOLD_BYTES  ((size_t)4 << 20)

/* The kernel takes the dead out of their cgroup when they have left the processor for the last time. */
#define EMPTY_TRIES 20
#define EMPTY_NS    5000000L

/* Children of ours that nobody knows, and who is below them. */
struct unknown {
    const struct survey_request *rq;
    pid_t of[UNKNOWN_MAX];
    size_t n;
    bool cut; /* there are more */
};

static bool
add(struct unknown *u, const struct proc_stat *child)
{
    if (child->state == 'Z' || child->state == 'X')
        return true;
    for (size_t i = 0; i < u->n; i++)
        if (u->of[i] == child->pid)
            return true;
    u->cut = u->n == UNKNOWN_MAX;
    if (!u->cut)
        u->of[u->n++] = child->pid;
    return !u->cut;
}

static bool
is_known(void *env, pid_t pid)
{
    const struct unknown *u = env;

    return pid == getpid() || pid == u->rq->top[0] || u->rq->is_known(u->rq->env, pid);
}

static bool
on_child(void *env, const struct proc_stat *child)
{
    return add(env, child);
}

static void
find_unknown(struct unknown *u)
{
    for (size_t i = 0; i < 2; i++)
        if (u->rq->top[i] > 0)
            (void)proc_children(u->rq->top[i], is_known, on_child, u); /* none may be seen */
    for (size_t i = 0; i < u->n && !u->cut; i++)
        (void)proc_children(u->of[i], NULL, on_child, u);
}

/* ---- one generation -------------------------------------------------------------------------------- */

/* 1: somebody is in it; 0: nobody; negative errno */
static int
populated(const char *leaf)
{
    auto_fd int fd = open(leaf, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int r = fd == -1 ? -errno : 1;
    pid_t pid;

    if (r == -ENOENT)
        return 0; /* removed, and only an empty one can be */
    for (int i = 0; r == 1 && i < EMPTY_TRIES; i++) {
        auto_fd int events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        const struct timespec pause = {0, EMPTY_NS};

        r = events == -1 ? -errno : cgroup_populated(events);
        if (r != 1 || cgroup_pids(fd, &pid, 1) > 0)
            break;
        (void)nanosleep(&pause, NULL); /* the dead are on their way out of it */
    }
    return r;
}

/* What its environment says; 0: nothing. */
static bool
says_generation(const struct survey_subject *s, pid_t pid, bool *ret_anothers)
{
    char service[65], number[24];
    uint64_t generation;

    *ret_anothers = false;
    if (proc_environ_get(pid, "STINT_SERVICE", service, sizeof(service)) < 0 ||
        proc_environ_get(pid, "STINT_GENERATION", number, sizeof(number)) < 0)
        return false;
    generation = strtoull(number, NULL, 10);
    *ret_anothers =
        strcmp(service, s->service) != 0 || generation < s->root || generation > s->generation;
    return !*ret_anothers;
}

static bool
has(const struct leftovers *l, pid_t pid)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->of[i].pid == pid)
            return true;
    return false;
}

static bool
holds_own(const struct leftover *l, const struct held *held)
{
    for (unsigned i = 0; i < l->n_holds; i++)
        if (held[l->holds[i].what].own)
            return true;
    return false;
}

/* Is that one of this generation? Then it is in @l. What may not be seen is noted. */
static void
look_at(const struct survey_subject *s, const struct leftover_look *look, pid_t pid,
        struct leftovers *l, bool *ret_refused)
{
    struct leftover one;
    bool anothers, says;

    if (has(l, pid) || leftover_read(pid, look, &one) < 0)
        return;
    says = says_generation(s, pid, &anothers);
    *ret_refused = *ret_refused || (one.refused && !anothers);
    if (!says && (anothers || one.n_holds == 0))
        return;
    if (!says && !holds_own(&one, s->held) && one.start_time >= s->before) {
        *ret_refused = true; /* nothing tells whose it is */
        return;
    }
    if (l->n < TOLD_MAX)
        l->of[l->n++] = one;
    l->total++;
}

static bool
holds_any(const struct leftovers *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->of[i].n_holds > 0)
            return true;
    return false;
}

static json_t *
survey_one(const struct survey_request *rq, const struct survey_subject *s, const struct unknown *u)
{
    struct leftovers_request find = {
        .leaf = s->leaf,
        .look = {.held = s->held,
                 .n_held = HELD_MAX,
                 .fds = LEFTOVER_FDS,
                 .top = {rq->top[0], rq->top[1]}},
        .max = TOLD_MAX
    };
    struct leftovers l;
    auto_text struct text words = TEXT_INIT;
    bool refused = u->cut;
    int in_leaf = s->leaf ? populated(s->leaf) : -ENOENT;
    json_t *o;

    if (leftovers_find(&find, &l) < 0)
        return NULL;
    for (size_t i = 0; i < l.n; i++)
        refused = refused || l.of[i].refused;
    for (size_t i = 0; i < u->n; i++)
        look_at(s, &find.look, u->of[i], &l, &refused);
    leftovers_tell(&l, s->held, NAMED_MAX, &words);
    if (in_leaf == 1 && l.total == 0)
        text_add(&words, "who is in its cgroup is of a pid namespace that is not seen from here");
    o = json_pack("{s:i, s:b, s:b, s:I, s:o, s:s}", "populated", in_leaf, "refused", refused,
                  "held", holds_any(&l), "left", (json_int_t)l.total, "processes",
                  leftovers_json(&l, s->held), "text", text_str(&words));
    leftovers_finish(&l);
    return o;
}

bool
survey_work(const struct survey_request *rq, int out)
{
    struct unknown u = {.rq = rq};
    json_t *all = json_array();
    auto_free char *bytes = NULL;
    ssize_t n;

    find_unknown(&u);
    for (size_t i = 0; i < rq->n; i++)
        if (json_array_append_new(all, survey_one(rq, &rq->of[i], &u)) < 0)
            return false; /* no memory; it ends with us */
    bytes = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    n = bytes ? write(out, bytes, strlen(bytes)) : -1;
    return n >= 0 && (size_t)n == strlen(bytes);
}

/* ---- what it told ------------------------------------------------------------------------------------ */

int
survey_read(int out, size_t n, json_t **ret_all)
{
    struct stat st;
    auto_free char *bytes = NULL;
    json_t *all;

    if (fstat(out, &st) == -1 || st.st_size <= 0 || st.st_size > (off_t)TOLD_BYTES)
        return -EBADMSG;
    bytes = malloc((size_t)st.st_size);
    if (!bytes)
        return -ENOMEM;
    if (pread(out, bytes, (size_t)st.st_size, 0) != (ssize_t)st.st_size)
        return -EBADMSG;
    all = json_loadb(bytes, (size_t)st.st_size, 0, NULL);
    if (json_array_size(all) != n) {
        json_decref(all);
        return -EBADMSG;
    }
    *ret_all = all;
    return 0;
}

void
survey_at(const json_t *all, size_t i, struct survey_found *ret)
{
    const json_t *o = json_array_get(all, i);
    json_int_t in_leaf = json_integer_value(json_object_get(o, "populated"));
    json_int_t left = json_integer_value(json_object_get(o, "left"));
    bool refused = json_is_true(json_object_get(o, "refused"));
    struct survey *s = &ret->survey;

    *ret = (struct survey_found){.processes = json_object_get(o, "processes"),
                                 .text = json_string_value(json_object_get(o, "text"))};
    if (!ret->text)
        ret->text = "";
    s->left = left > 0 ? (unsigned)(left < UINT32_MAX ? left : UINT32_MAX) : 0;
    if (s->left == 0 && in_leaf == 1) /* of a namespace that we do not see */
        s->left = 1;
    s->good[FINDING_PIDS] = s->left == 0;
    s->how[FINDING_PIDS] = KNOWN_SEEN;
    s->good[FINDING_CGROUP] = in_leaf == 0;
    s->how[FINDING_CGROUP] = in_leaf >= 0         ? KNOWN_SEEN
                             : in_leaf == -ENOENT ? KNOWN_NOT
                                                  : KNOWN_REFUSED;
    s->good[FINDING_FDS] = !json_is_true(json_object_get(o, "held"));
    /* Nobody is left, so nobody holds anything; else it depends on who may be looked at. */
    s->how[FINDING_FDS] =
        refused && s->good[FINDING_FDS] && in_leaf != 0 ? KNOWN_REFUSED : KNOWN_SEEN;
}
