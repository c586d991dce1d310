/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_PROFILE_CPU_FIXTURE_H
#define STINT_TESTS_UNIT_PROFILE_CPU_FIXTURE_H

/* A program of subjects/ and a CPU profile of it. */
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/units.h"
#include "supervisor/probe/registry.h"
#include "supervisor/profile/kinds.h"
#include "tests/unit/profile/fixture.h"
#include "worker-api/wire.h"

#define ENOUGH 400 /* samples: less is chance */
#define OFTEN  497 /* a second, where it is not the rate that is tested: it takes less time then */

static pid_t burning;
static int channel = -1, registry = -1; /* of a worker: the master's ends */

#ifndef BURN
#define BURN "./burn-" /* the build says where they really are */
#endif

static inline void
number_set(const char *variable, long number)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%ld", number);
    (void)setenv(variable, text, 1);
}

static inline void
burn_exec(const char *variant, const char *shape, int out, int their_channel)
{
    char program[512];

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(out, STDOUT_FILENO);
    if (their_channel >= 0) {
        number_set("STINT_CHANNEL", dup(their_channel));
        number_set("STINT_REGISTRY", dup(registry));
        number_set("LISTEN_PID", getpid());
    }
    (void)snprintf(program, sizeof(program), BURN "%s", variant);
    (void)execl(program, program, shape, (char *)NULL);
    _exit(93);
}

/* burn - run it, as a worker with channel and registry if it is one, until it says that it is ready. */
static inline void
burn(const char *variant, const char *shape)
{
    bool worker = strcmp(variant, "worker") == 0;
    struct {
        struct stint_frame head;
        struct stint_hello body;
    } hello = {
        {STINT_FRAME_HELLO, 0, sizeof(hello.body),             1},
        {STINT_WIRE_MAJOR,                 STINT_WIRE_MINOR,   (uint32_t)getpid()}
    };
    int out[2], ends[2] = {-1, -1};
    char word[6];

    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    if (worker) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        ck_assert_int_eq(registry_create(&registry, NULL), 0);
        ck_assert_int_eq(send(ends[0], &hello, sizeof(hello), 0), sizeof(hello));
        channel = ends[0];
    }
    burning = fork();
    ck_assert_int_ge(burning, 0);
    if (burning == 0)
        burn_exec(variant, shape, out[1], ends[1]);
    (void)close(out[1]);
    if (worker)
        (void)close(ends[1]);
    ck_assert_msg(read(out[0], word, sizeof(word)) == sizeof(word), "%s %s is ready", variant,
                  shape);
    (void)close(out[0]);
}

static inline void
extinguish(void)
{
    if (burning > 0) {
        (void)kill(burning, SIGKILL);
        (void)waitpid(burning, NULL, 0);
    }
    burning = 0;
}

static inline void
percent_note(void *env, unsigned percent)
{
    unsigned *last = env;

    ck_assert_uint_gt(percent, *last);
    ck_assert_uint_le(percent, 100);
    *last = percent;
}

/* sampled - of what burns; longer where the machine is so busy that there are too few samples. */
static inline struct profile *
sampled(int64_t us, unsigned hz)
{
    const struct profile_target target = {.pid = burning,
                                          .service = "web",
                                          .generation = 7,
                                          .slot = 3,
                                          .registry_fd = registry,
                                          .channel_fd = channel};
    struct profile *p = NULL;

    ck_assert_int_eq(profile_for(PROFILE_CPU, &p), 0);
    for (int i = 0; i < 6 && (i == 0 || profile_total(p, 0) < ENOUGH); i++, us *= 2) {
        unsigned percent = 0;
        const struct profile_wish wish = {
            .until_us = mono_now_us() + us, .hz = hz, .progress = percent_note, .env = &percent};
        int r = profile_cpu(p, &target, &wish, &why);

        ck_assert_msg(r == 0, "%s", why.text);
        ck_assert_uint_eq(percent, 100);
    }
    return p;
}

/* ---- What is in it ------------------------------------------------------------------------- */

struct share {
    const char *function; /* in */
    int64_t with, all,
        rooted; /* nanoseconds: of stacks it is on; of all; that reach where they began */
};

static inline int
share_see(void *env, const struct profile_view *v)
{
    struct share *s = env;
    bool on = false, rooted = false;

    for (size_t i = 0; i < v->n_lines; i++) {
        const char *f = v->lines[i].function;

        on |= strcmp(f, s->function) == 0;
        rooted |= strcmp(f, "main") == 0 || strcmp(f, "one_of_two") == 0 ||
                  strcmp(f, "short_lived") == 0 || strcmp(f, "server") == 0 ||
                  strcmp(f, "spawned") == 0 || strcmp(f, "worker") == 0;
    }
    s->all += v->values[1];
    s->with += on ? v->values[1] : 0;
    s->rooted += rooted ? v->values[1] : 0;
    return 0;
}

static inline struct share
share_of(const struct profile *p, const char *function)
{
    struct share s = {.function = function};

    ck_assert_int_eq(profile_each(p, share_see, &s), 0);
    ck_assert_int_gt(s.all, 0);
    return s;
}

/* Within 5 points of what is known. @rooted: of a hundred stacks so many reach main() or a thread's own. */
static inline void
seventy_thirty(const struct profile *p, int rooted)
{
    struct share seven = share_of(p, "seven"), three = share_of(p, "three");
    double a = 100.0 * (double)seven.with / (double)seven.all,
           b = 100.0 * (double)three.with / (double)three.all,
           c = 100.0 * (double)seven.rooted / (double)seven.all;

    (void)fprintf(stderr, "%lld samples: seven %.1f %%, three %.1f %%, whole %.1f %%\n",
                  (long long)profile_total(p, 0), a, b, c);
    ck_assert_msg(a > 65 && a < 75, "seven() has %.1f %%", a);
    ck_assert_msg(b > 25 && b < 35, "three() has %.1f %%", b);
    ck_assert_msg(c >= rooted, "%.1f %% of the stacks are whole", c);
    ck_assert_int_ge(profile_total(p, 0), ENOUGH);
}

struct labelled {
    const struct profile *p;
    const char *key, *text;
    size_t i;
    int64_t with, all;
};

static inline int
labelled_see(void *env, const struct profile_view *v)
{
    struct labelled *l = env;
    struct profile_label label;

    if (profile_label_of(l->p, l->i++, l->key, &label) && label.text &&
        strcmp(label.text, l->text) == 0)
        l->with += v->values[1];
    l->all += v->values[1];
    return 0;
}

/* labelled - of a hundred parts of the time, those whose label @key is @text. */
static inline double
labelled(const struct profile *p, const char *key, const char *text)
{
    struct labelled l = {.p = p, .key = key, .text = text};

    ck_assert_int_eq(profile_each(p, labelled_see, &l), 0);
    return l.all > 0 ? 100.0 * (double)l.with / (double)l.all : 0;
}

static inline bool
comment_has(const struct profile *p, const char *text)
{
    for (size_t i = 0; i < profile_comments(p); i++)
        if (strstr(profile_comment_at(p, i), text))
            return true;
    return false;
}

#endif
