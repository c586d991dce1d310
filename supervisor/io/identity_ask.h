/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_IDENTITY_ASK_H
#define STINT_IO_IDENTITY_ASK_H

/* identity_resolve() for the loop: a name service may be far away, so a helper child asks it. */
#include <stdbool.h>
#include <stdint.h>

struct error;
struct ev_loop;
struct identity;
struct identity_ask;

/**
 * identity_ask - who are @user and @group? As identity_resolve() has it.
 * @deadline_us: CLOCK_MONOTONIC; TIME_NEVER = none
 * @on_done:     called once, from the loop, never before this has returned; the ask is gone then.
 *               @id: to be taken over, or it is finished; NULL: @why says what is wrong
 * @env:         borrowed; must outlive the ask
 *
 * Who asks the same while a helper is at it gets that one's answer, at its deadline if need be: a
 * thousand services of one user are one question.
 * Return: 0, or negative errno with the sentence (then on_done is not called).
 */
int identity_ask(struct ev_loop *loop, const char *user, const char *group, int64_t deadline_us,
                 void (*on_done)(void *env, struct identity *id, const struct error *why),
                 void *env, struct identity_ask **ret, struct error *reterr);
void identity_ask_cancel(struct identity_ask *ask); /* NULL is fine */

#endif
