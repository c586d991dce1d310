/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Callbacks that are registered, due, running or taken back. */
#include "tests/model/scenes.h"

static struct stint_registration *r;
static int ran, running_now;

static void
callback(void *arg)
{
    running_now++;
    mc_expect(running_now == 1);
    MC_POINT(&running_now); /* somebody may remove it now */
    mc_expect(running_now == 1);
    ran++;
    running_now--;
    mc_expect(arg == &ran);
}

static void
callback_that_removes_itself(void *arg)
{
    mc_expect(stint_registration_remove(r) == 0); /* does not wait for itself */
    callback(arg);
}

static void
registered(void)
{
    parent_child_and_spare();
    ran = running_now = 0;
    r = stint_token_on_cancel(b, callback, &ran);
}

static void
registered_to_itself(void)
{
    parent_and_child();
    ran = running_now = 0;
    r = stint_token_on_cancel(b, callback_that_removes_itself, &ran);
}

static void
remove_it(void)
{
    int before, unrun = stint_registration_remove(r);

    mc_expect(running_now == 0);
    mc_expect(ran == !unrun);
    before = ran;
    MC_POINT(&ran);
    mc_expect(ran == before); /* never after */
    stint_token_unref(b);
}

static void
register_late(void)
{
    struct stint_registration *mine;

    ran = 0;
    mine = stint_token_on_cancel(b, callback, &ran);
    mc_expect(stint_registration_remove(mine) == 1 ? ran == 0 : ran == 1);
    stint_token_unref(b);
}

static void
dispatch(void)
{
    (void)stint_dispatch();
}

static void
callback_ran(void)
{
    (void)stint_dispatch(); /* a handler leaves it to the next one that enters */
    mc_expect(ran == 1);
    stint_token_unref(b);
    stint_token_unref(a);
    quiet();
}

static void
put_all_then_quiet(void)
{
    (void)stint_dispatch();
    quiet();
}

const struct scene mc_scenes_callbacks[] = {
    SCENE(remove_vs_cancel, registered, put_a_then_quiet, cancel_a_and_put, remove_it),
    SCENE(remove_vs_signal, registered, put_a_then_quiet, signal_a_and_put, remove_it, dispatch),
    SCENE_LONG(remove_vs_two_cancels, registered, quiet, cancel_a_and_put, cancel_a_and_put,
               remove_it),
    SCENE(callback_removes_itself, registered_to_itself, callback_ran, cancel_a, cancel_a),
    SCENE(register_vs_cancel, parent_and_child, put_all_then_quiet, cancel_a_and_put,
          register_late),
    {.name = NULL},
};
