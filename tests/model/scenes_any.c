/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tokens with several sources, and fork(). */
#include "tests/model/scenes.h"

/* a and b, c that follows both, d below it. */
static void
linked(void)
{
    struct stint_token *both[2];

    both[0] = a = stint_token_new(NULL, "a");
    both[1] = b = stint_token_new(NULL, "b");
    c = stint_token_any(both, 2, "c");
    d = stint_token_new(c, "d");
}

static void
cancel_a_reaches_d(void)
{
    cancelled_all_below(a, d);
    stint_token_unref(a);
}

static void
cancel_b_reaches_d(void)
{
    cancelled_all_below(b, d);
    stint_token_unref(b);
}

static void
put_d_checked(void)
{
    struct stint_cancel_info info = {.size = sizeof(info)};

    (void)stint_token_cause(d, &info);
    mc_expect(info.origin[0] == '\0' || info.origin[1] == '\0');
    mc_expect((info.origin[0] == 'a' || info.origin[0] == 'b') == (info.cause == STINT_CAUSE_USER));
}

static void
put_c_and_d_then_quiet(void)
{
    put_d_checked();
    mc_expect(stint_token_cancelled(d));
    stint_token_unref(d);
    stint_token_unref(c);
    quiet();
}

static void
put_c_and_d(void)
{
    stint_token_unref(c);
    stint_token_unref(d);
}

static void
cancel_and_put_a(void)
{
    (void)stint_token_cancel(a, STINT_CAUSE_USER, "over");
    stint_token_unref(a);
}

static void
cancel_and_put_b(void)
{
    (void)stint_token_cancel(b, STINT_CAUSE_USER, "over");
    stint_token_unref(b);
}

static void
two(void)
{
    a = stint_token_new(NULL, "a");
    b = stint_token_new(NULL, "b");
    (void)stint_token_ref(a);
    (void)stint_token_ref(b);
}

static void
link_both(void)
{
    struct stint_token *both[2];

    both[0] = a;
    both[1] = b;
    c = stint_token_any(both, 2, "c");
    stint_token_unref(a);
    stint_token_unref(b);
}

static void
link_was_cancelled(void)
{
    mc_expect(stint_token_cancelled(c));
    stint_token_unref(c);
    quiet();
}

static void
wait_d(void)
{
    mc_expect(stint_token_wait(d, STINT_NEVER) == -ECANCELED);
}

static void
wait_d_and_put(void)
{
    wait_d();
    put_c_and_d();
}

static void
put_b_then_quiet(void)
{
    stint_token_unref(b);
    quiet();
}

static struct stint_registration *r;

/* ---- fork() ------------------------------------------------------------------------------------ */

static void
callback(void *arg)
{
    MC_POINT(arg);
}

/* As init.c does it, for the tree alone. In the child all works, whatever the others were at. */
static void
fork_anywhere(void)
{
    stn_tree_take();
    if (mc_choose(2) == 0) {
        stn_tree_give();
        return;
    }
    mc_others_vanish();
    stn_tokens_after_fork();
    stn_callbacks_after_fork();
    stn_tree_give();
    stn_tokens_unsignal();
    stint_token_cancel_signal(d);
    stint_token_cancel_signal(a); /* perhaps one of the others was just about to */
    mc_expect(token_of(d)->head.cancelled && token_of(a)->head.cancelled);
    cancelled_all_below(stint_token_new(d, "in the child"), d);
    (void)stint_dispatch();
    if (r)
        (void)stint_registration_remove(r); /* waits for nobody who is not here */
    mc_expect(stn.tree.word == 0 && !stn.signalled && !stn.due && !stn.running);
}

static void
forked(void)
{
    parent_and_child();
    d = stint_token_new(b, "d");
    r = stint_token_on_cancel(d, callback, &d);
}

static void
anything(void)
{
}

const struct scene mc_scenes_any[] = {
    SCENE(any_two_cancels, linked, put_c_and_d_then_quiet, cancel_a_reaches_d, cancel_b_reaches_d),
    SCENE(any_release_vs_cancels, linked, quiet, cancel_and_put_a, put_c_and_d, cancel_and_put_b),
    SCENE(any_birth_vs_cancel, two, link_was_cancelled, cancel_and_put_a, link_both, put_b),
    SCENE(any_waiter, linked, put_b_then_quiet, wait_d_and_put, signal_a_and_put, churn_beside),
    SCENE(fork_vs_cancel, forked, anything, fork_anywhere, cancel_a),
    SCENE(fork_vs_signal, forked, anything, fork_anywhere, signal_a, churn_beside),
    {.name = NULL},
};
