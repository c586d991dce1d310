/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may meet in the token tree, a few calls each, and what has to hold whatever comes between
 * them. Every scene ends with all references given back, so that a leak or a touch of what is gone shows.
 */
#include "tests/model/scenes.h"

struct stint_token *a, *b, *c, *d;
static int wins;

void
cancelled_all_below(struct stint_token *token, struct stint_token *below)
{
    (void)stint_token_cancel(token, STINT_CAUSE_USER, NULL);
    mc_expect(token_of(below)->head.cancelled);
}

void
quiet(void)
{
    mc_expect(stn.tree.word == 0);
    mc_expect(!stn.signalled);
    mc_expect(!stn_top.child || (stn_top.child == &stn_root && !stn_root.next));
    mc_expect(!stn_root.child);
    mc_expect(mc_blocks() == 0);
    mc_expect(!stn.due && !stn.running && stn.due_count == 0);
}

void
parent_and_child(void)
{
    a = stint_token_new(NULL, "a");
    b = stint_token_new(a, "b");
}

void
parent_child_and_spare(void)
{
    parent_and_child();
    (void)stint_token_ref(a); /* one for each of two threads */
}

/* ---- A cancel and the end of what is below -------------------------------------------------- */

void
cancel_a_and_put(void)
{
    (void)stint_token_cancel(a, STINT_CAUSE_USER, "why");
    mc_expect(stint_token_cancelled(a));
    stint_token_unref(a);
}

void
put_b(void)
{
    stint_token_unref(b);
}

static void
grow_below_a(void)
{
    struct stint_token *child = stint_token_new(a, "new");
    struct stint_token *below = stint_token_new(child, "below");

    stint_token_unref(child);
    stint_token_unref(below);
    stint_token_unref(a);
}

static void
born_below_a(void)
{
    struct stint_token *child = stint_token_new(a, "new");

    c = child;
    stint_token_unref(a);
}

static void
born_child_was_cancelled(void)
{
    mc_expect(stint_token_cancelled(c));
    stint_token_unref(c);
    quiet();
}

void
cancel_a(void)
{
    (void)stint_token_cancel(a, STINT_CAUSE_USER, NULL);
}

void
put_a_then_quiet(void)
{
    stint_token_unref(a);
    quiet();
}

/* ---- From a signal handler ------------------------------------------------------------------ */

void
signal_a(void)
{
    stint_token_cancel_signal(a);
}

void
signal_a_and_put(void)
{
    stint_token_cancel_signal(
        a); /* the walk may be left to another thread, which owns nothing of it */
    stint_token_unref(a);
}

static void
wait_b_and_put(void)
{
    mc_expect(stint_token_wait(b, STINT_NEVER) == -ECANCELED);
    stint_token_unref(b);
}

static void
wait_b(void)
{
    mc_expect(stint_token_wait(b, STINT_NEVER) == -ECANCELED);
}

void
churn_beside(void)
{
    stint_token_unref(stint_token_new(NULL, "beside"));
}

static void
all_cancelled(void)
{
    mc_expect(stint_token_cancelled(a) && stint_token_cancelled(b));
    stint_token_unref(b);
    stint_token_unref(a);
    quiet();
}

static void
hold_a(void)
{
    stint_token_unref(stint_token_new(a, "under"));
}

/* ---- Who wins ------------------------------------------------------------------------------- */

static void
win_a(void)
{
    wins += stint_token_cancel(a, STINT_CAUSE_USER, "me");
    mc_expect(stint_token_cancelled(b));
}

static void
one_won(void)
{
    struct stint_cancel_info info = {.size = sizeof(info)};
    enum stint_cause cause = stint_token_cause(b, &info);

    mc_expect(wins == (cause == STINT_CAUSE_USER));
    mc_expect(strcmp(info.origin, "a") == 0);
    mc_expect(strcmp(info.text, cause == STINT_CAUSE_USER ? "me" : "signal") == 0);
    all_cancelled();
}

static void
timed(void)
{
    a = stint_token_with_deadline(NULL, "a", 5);
    b = stint_token_new(a, "b");
    mc_clock_set(10);
}

static void
err_b(void)
{
    int err = stint_token_err(b);

    mc_expect(err == -ETIMEDOUT || err == -ECANCELED);
    mc_expect(err == stint_token_err(b));
}

static void
err_agrees(void)
{
    int err = stint_token_err(b);

    mc_expect((err == -ETIMEDOUT) == (stint_token_cause(b, NULL) == STINT_CAUSE_DEADLINE));
    stint_token_unref(b);
    stint_token_unref(a);
    quiet();
}

const struct scene mc_scenes[] = {
    SCENE(cancel_vs_release, parent_and_child, quiet, cancel_a_and_put, put_b),
    SCENE(cancel_vs_growth, parent_child_and_spare, quiet, cancel_a_and_put, grow_below_a, put_b),
    SCENE(cancel_vs_birth, parent_child_and_spare, born_child_was_cancelled, cancel_a_and_put,
          born_below_a, put_b),
    SCENE(signal_vs_release, parent_and_child, quiet, signal_a_and_put, put_b, churn_beside),
    SCENE(signal_vs_holder, parent_and_child, all_cancelled, hold_a, signal_a),
    SCENE_HANDLER(handler_in_holder, parent_and_child, all_cancelled, signal_a, hold_a, signal_a),
    SCENE_HANDLER(handler_in_waiter, parent_and_child, all_cancelled, signal_a, wait_b, cancel_a),
    SCENE(two_signals, parent_and_child, all_cancelled, signal_a, signal_a, churn_beside),
    SCENE(one_wins, parent_and_child, one_won, win_a, win_a, signal_a),
    SCENE(deadline_vs_cancel, timed, err_agrees, err_b, cancel_a),
    SCENE(waiters_wake, parent_and_child, all_cancelled, wait_b, wait_b, cancel_a),
    SCENE(waiter_vs_signal, parent_and_child, all_cancelled, wait_b, signal_a, churn_beside),
    SCENE(waiter_puts, parent_and_child, quiet, wait_b_and_put, cancel_a_and_put),
    {.name = NULL},
};
