/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/survey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/plain.h"
#include "base/text.h"
#include "supervisor/io/cgroup_internal.h"
#include "supervisor/io/leftovers.h"
#include "supervisor/probe/proc.h"

#define TOLD_MAX   16 /* of one generation, with all that is known */
#define NAMED_MAX  2  /* … in words */
#define TOLD_BYTES ((size_t)4 << 20)

/* The kernel takes the dead out of their cgroup when they have left the processor for the last time. */
#define EMPTY_TRIES 20
#define EMPTY_NS    5000000L

/* ---- what says whose somebody is --------------------------------------------------------------------- */

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
    struct proc_stat st;
    uint64_t generation;

    *ret_anothers = false;
    if (proc_stat_read(pid, &st) < 0)
        return false;
    pid = proc_voice(&st);
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

/* ---- one generation ---------------------------------------------------------------------------------- */

/* What is found of one. */
struct finding_of {
    const struct survey_subject *s;
    struct leftover_look look;
    struct leftovers left;     /* processes of it */
    struct text words, doubts; /* who may be of it */
    char holder[128];
    unsigned in_doubt;
    bool refused; /* something may not be seen */
    bool held;    /* somebody has what it was given … */
    bool lent;    /* … who is none of ours, and may have it from a worker that lives */
};

static void
note_holder(struct finding_of *f, const struct leftover *l)
{
    if (f->holder[0] == '\0')
        (void)snprintf(f->holder, sizeof(f->holder), "%d `%.30s`, %s (fd %d)", (int)l->pid,
                       l->command[0] ? l->command : l->comm, f->s->held[l->holds[0].what].name,
                       l->holds[0].fd);
    plain_text(f->holder); /* it may have been cut within a letter */
}

static void
doubt(struct finding_of *f, const struct leftover *l, const struct text *rivals)
{
    f->refused = true;
    if (f->in_doubt++ >= NAMED_MAX)
        return;
    text_addf(&f->doubts, "%s%d ", f->in_doubt > 1 ? "; " : "", (int)l->pid);
    leftover_tell(l, f->s->held, &f->doubts);
    text_addf(&f->doubts, ", may be of it or of %s: nothing tells",
              rivals->bytes ? text_str(rivals) : "another that lives");
}

/* Is that one of this generation? Then it is in `left`. What may not be seen is noted. */
static void
look_at(struct finding_of *f, pid_t pid)
{
    auto_text struct text rivals = TEXT_INIT;
    struct leftovers *l = &f->left;
    struct leftover one;
    bool anothers, says;

    if (has(l, pid) || leftover_read(pid, &f->look, &one) < 0)
        return;
    says = says_generation(f->s, pid, &anothers);
    f->refused = f->refused || (one.refused && !anothers);
    if (!says && (anothers || one.n_holds == 0))
        return;
    if (!says && !holds_own(&one, f->s->held)) {
        enum survey_origin of = survey_origin(f->s, &one, &rivals);

        if (of == ORIGIN_UNKNOWN)
            doubt(f, &one, &rivals);
        if (of != ORIGIN_OURS)
            return;
    }
    if (l->n < TOLD_MAX)
        l->of[l->n++] = one;
    l->total++;
}

/* Does somebody that lives have it, too, so that it may be from there? */
static bool
is_shared(const struct survey_subject *s, const struct leftover *l)
{
    uint64_t theirs = 0;

    for (size_t i = 0; i < s->n_rivals; i++)
        theirs |= s->rivals[i].has;
    return !holds_own(l, s->held) && (s->more_rivals || (survey_bits(l) & ~theirs) == 0);
}

static void
tell_outsiders(struct finding_of *f, size_t index, const struct outsiders *o)
{
    unsigned n = 0, sure = 0;

    for (size_t i = 0; i < o->n; i++) {
        struct leftover one;

        if (!(o->who[i].of & UINT64_C(1) << index) ||
            leftover_read(o->who[i].pid, &f->look, &one) < 0 || one.n_holds == 0)
            continue;
        sure += !is_shared(f->s, &one);
        note_holder(f, &one);
        if (n++ >= NAMED_MAX)
            continue;
        text_addf(&f->words, "%s%d ", f->words.bytes ? "; " : "", (int)one.pid);
        leftover_tell(&one, f->s->held, &f->words);
        text_add(&f->words, is_shared(f->s, &one)
                                ? ", and is none of ours: it was sent that, by one of it or by a "
                                  "worker that lives"
                                : ", and is none of ours: it was sent that");
    }
    if (n > NAMED_MAX || (n > 0 && o->more > 0))
        text_addf(&f->words, "; and %u more", (n > NAMED_MAX ? n - NAMED_MAX : 0) + o->more);
    f->lent = n > 0 && sure == 0 && !f->held;
    f->held = f->held || n > 0;
}

static enum known
fds_known(const struct finding_of *f, int in_leaf, bool asked, unsigned unread)
{
    if (f->held)
        return f->lent ? KNOWN_CONCLUDED : KNOWN_SEEN;
    /* Nobody is in its cgroup, so nobody of it holds anything; but whoever may leave that may have done so. */
    if (f->in_doubt > 0 || (f->refused && in_leaf != 0))
        return KNOWN_REFUSED;
    if (f->s->held[0].inode == 0) /* it had nothing, or gave it back */
        return KNOWN_SEEN;
    return !asked ? KNOWN_CONCLUDED : unread > 0 ? KNOWN_REFUSED : KNOWN_SEEN;
}

static json_t *
survey_one(const struct survey_request *rq, size_t index, const struct survey_unknown *u,
           const struct outsiders *outsiders)
{
    const struct survey_subject *s = &rq->of[index];
    struct finding_of f = {
        .s = s,
        .look = {.held = s->held,
                 .n_held = HELD_MAX,
                 .fds = LEFTOVER_FDS,
                 .top = {rq->top[0], rq->top[1]}},
        .words = TEXT_INIT,
        .doubts = TEXT_INIT,
        .refused = u->cut || u->restless || u->hidden > 0
    };
    struct leftovers_request find = {.leaf = s->leaf, .look = f.look, .max = TOLD_MAX};
    int in_leaf = s->leaf ? populated(s->leaf) : -ENOENT;
    json_t *o;

    if (leftovers_find(&find, &f.left) < 0)
        return NULL;
    for (size_t i = 0; i < f.left.n; i++)
        f.refused = f.refused || f.left.of[i].refused;
    for (size_t i = 0; i < u->n; i++)
        look_at(&f, u->of[i]);
    for (size_t i = 0; i < f.left.n; i++)
        if (f.left.of[i].n_holds > 0) {
            f.held = true;
            note_holder(&f, &f.left.of[i]);
        }
    leftovers_tell(&f.left, s->held, NAMED_MAX, &f.words);
    if (in_leaf == 1 && f.left.total == 0)
        text_add(&f.words, "who is in its cgroup is of a pid namespace that is not seen from here");
    tell_outsiders(&f, index, outsiders);
    if (u->restless && in_leaf != 0)
        text_addf(&f.words, "%sprocesses that begin and end all the time may be of it",
                  f.words.bytes ? "; " : "");
    if (u->hidden > 0 && in_leaf != 0)
        text_addf(&f.words, "%sprocess %d%s may be of it: /proc does not show it (hidepid)",
                  f.words.bytes ? "; " : "", (int)u->first_hidden,
                  u->hidden > 1 ? " and others" : "");
    if (f.doubts.bytes > 0)
        text_addf(&f.words, "%s%s", f.words.bytes ? "; " : "", text_str(&f.doubts));
    o = json_pack("{s:i, s:b, s:b, s:i, s:i, s:I, s:s, s:o, s:s}", "populated", in_leaf, "unsure",
                  ((u->hidden > 0 || u->restless) && in_leaf != 0) || f.in_doubt > 0, "held",
                  f.held, "how", fds_known(&f, in_leaf, rq->outsiders, outsiders->unread), "unread",
                  s->held[0].inode ? (int)outsiders->unread : 0, "left", (json_int_t)f.left.total,
                  "holder", f.holder, "processes", leftovers_json(&f.left, s->held), "text",
                  text_str(&f.words));
    leftovers_finish(&f.left);
    text_finish(&f.words);
    text_finish(&f.doubts);
    return o;
}

bool
survey_work(const struct survey_request *rq, int out)
{
    struct survey_unknown u;
    struct outsiders outsiders = {.n = 0};
    json_t *all = json_array();
    auto_free char *bytes = NULL;
    ssize_t n;

    survey_unknown(rq, &u);
    if (rq->outsiders)
        outsiders_find(rq, &outsiders);
    for (size_t i = 0; i < rq->n; i++)
        if (json_array_append_new(all, survey_one(rq, i, &u, &outsiders)) < 0)
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
    json_int_t how = json_integer_value(json_object_get(o, "how"));
    json_int_t unread = json_integer_value(json_object_get(o, "unread"));
    const char *holder = json_string_value(json_object_get(o, "holder"));
    struct survey *s = &ret->survey;

    *ret = (struct survey_found){.processes = json_object_get(o, "processes"),
                                 .text = json_string_value(json_object_get(o, "text"))};
    if (!ret->text)
        ret->text = "";
    s->left = left > 0 ? (unsigned)(left < UINT32_MAX ? left : UINT32_MAX) : 0;
    if (s->left == 0 && in_leaf == 1) /* of a namespace that we do not see */
        s->left = 1;
    s->good[FINDING_PIDS] = s->left == 0;
    s->how[FINDING_PIDS] =
        s->left == 0 && json_is_true(json_object_get(o, "unsure")) ? KNOWN_REFUSED : KNOWN_SEEN;
    s->good[FINDING_CGROUP] = in_leaf == 0;
    s->how[FINDING_CGROUP] = in_leaf >= 0         ? KNOWN_SEEN
                             : in_leaf == -ENOENT ? KNOWN_NOT
                                                  : KNOWN_REFUSED;
    s->good[FINDING_FDS] = !json_is_true(json_object_get(o, "held"));
    s->how[FINDING_FDS] = how > KNOWN_NOT && how < KNOWN_COUNT ? (enum known)how : KNOWN_CONCLUDED;
    s->unread = unread > 0 ? (unsigned)(unread < UINT32_MAX ? unread : UINT32_MAX) : 0;
    (void)snprintf(s->holder, sizeof(s->holder), "%s", holder ? holder : "");
}
