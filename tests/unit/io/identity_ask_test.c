/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/identity_ask.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/helper.h"
#include "supervisor/io/identity.h"
#include "supervisor/probe/proc.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/unit.h"

#define PATIENCE_US (20 * US_PER_S)

static struct ev_loop *loop;

struct asker {
    struct identity_ask *ask, *other; /* `other` is cancelled when the answer comes */
    unsigned answers;
    struct identity id;
    struct error why;
};

static void
on_answer(void *env, struct identity *id, const struct error *why)
{
    struct asker *a = env;

    a->answers++;
    a->ask = NULL;
    a->why = *why;
    identity_ask_cancel(steal(a->other));
    if (!id)
        return;
    a->id = *id;
    *id = (struct identity)IDENTITY_KEEP;
}

static void
ask(struct asker *a, const char *user, const char *group, int64_t deadline_us)
{
    struct identity_request rq = {user, group, deadline_us, on_answer, a};
    struct error err = {0};

    *a = (struct asker){.id = IDENTITY_KEEP};
    ck_assert_msg(identity_ask(loop, &rq, &a->ask, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(a->answers, 0);
}

static bool
answered(void *env)
{
    const struct asker *a = env;

    return a->answers > 0;
}

static void
await(struct asker *a)
{
    ck_assert(loop_until(loop, answered, a, PATIENCE_US));
    ev_run(loop, EVRUN_NOWAIT);
    ck_assert_uint_eq(a->answers, 1);
}

static bool
count(void *env, const struct proc_stat *child)
{
    unsigned *n = env;

    *n += helper_knows(child->pid);
    return true;
}

static unsigned
helpers(void)
{
    unsigned n = 0;

    ck_assert_int_eq(proc_children(getpid(), NULL, count, &n), 0);
    return n;
}

static bool
no_helpers(void *env)
{
    (void)env;
    return helpers() == 0;
}

START_TEST(a_helper_says_what_the_master_would_have_found)
{
    static const char *const questions[][2] = {
        {"root",   NULL    },
        {"daemon", "root"  },
        {NULL,     "daemon"},
        {"123456", "7"     }
    };
    struct asker a;

    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        struct identity same = IDENTITY_KEEP;

        ask(&a, questions[i][0], questions[i][1], TIME_NEVER);
        await(&a);
        ck_assert_int_eq(identity_resolve(questions[i][0], questions[i][1], &same, NULL), 0);
        ck_assert_int_eq(a.why.code, 0);
        ck_assert_uint_eq(a.id.uid, same.uid);
        ck_assert_uint_eq(a.id.gid, same.gid);
        ck_assert_uint_eq(a.id.n_groups, same.n_groups);
        if (same.n_groups > 0)
            ck_assert_mem_eq(a.id.groups, same.groups, same.n_groups * sizeof(gid_t));
        ck_assert(identity_same_name(a.id.name, same.name));
        ck_assert(identity_same_name(a.id.home, same.home));
        ck_assert(identity_same_name(a.id.shell, same.shell));
        identity_finish(&a.id);
        identity_finish(&same);
    }
}
END_TEST

START_TEST(who_is_not_there_is_said_by_name)
{
    struct asker a;

    ask(&a, "no-such-user", NULL, TIME_NEVER);
    await(&a);
    ck_assert_int_eq(a.why.code, -ENOENT);
    ck_assert_str_eq(a.why.text, "there is no user 'no-such-user'");
}
END_TEST

START_TEST(many_who_ask_the_same_are_one_question)
{
    struct asker a, b, c, d;

    ask(&a, "root", NULL, TIME_NEVER);
    ask(&b, "root", NULL, TIME_NEVER);
    ask(&c, "root", NULL, TIME_NEVER);
    ck_assert_uint_eq(helpers(), 1);
    ask(&d, "root", "root", TIME_NEVER);
    ck_assert_uint_eq(helpers(), 2);
    identity_ask_cancel(b.ask);
    a.other = c.ask; /* it goes while the answers are handed out */
    await(&a);
    await(&d);
    ck_assert_uint_eq(a.id.uid, 0);
    ck_assert_uint_eq(d.id.uid, 0);
    ck_assert_uint_eq(b.answers + c.answers, 0);
    identity_finish(&a.id);
    identity_finish(&d.id);
}
END_TEST

START_TEST(nobody_who_waits_is_nobody_who_asks)
{
    struct asker a, b;

    ask(&a, "root", NULL, TIME_NEVER);
    ask(&b, "root", NULL, TIME_NEVER);
    identity_ask_cancel(a.ask);
    identity_ask_cancel(b.ask);
    ck_assert(loop_until(loop, no_helpers, NULL, PATIENCE_US));
    ck_assert_uint_eq(a.answers + b.answers, 0);
}
END_TEST

START_TEST(an_answer_that_does_not_come_in_time_is_one)
{
    struct asker a;

    ask(&a, "root", "daemon", mono_now_us() - US_PER_S);
    await(&a);
    ck_assert_int_eq(a.why.code, -ETIMEDOUT);
    ck_assert_str_eq(a.why.text, "look up user 'root' and group 'daemon': the name service did not "
                                 "answer in time");
    ck_assert(loop_until(loop, no_helpers, NULL, PATIENCE_US));
}
END_TEST

static void
setup(void)
{
    loop = ev_loop_new(EVFLAG_AUTO);
}

static void
teardown(void)
{
    ev_loop_destroy(loop);
}

int
main(void)
{
    Suite *s = suite_create("identity_ask");
    TCase *t = tcase_create("identity_ask");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_helper_says_what_the_master_would_have_found);
    tcase_add_test(t, who_is_not_there_is_said_by_name);
    tcase_add_test(t, many_who_ask_the_same_are_one_question);
    tcase_add_test(t, nobody_who_waits_is_nobody_who_asks);
    tcase_add_test(t, an_answer_that_does_not_come_in_time_is_one);
    suite_add_tcase(s, t);
    return unit_main(s);
}
