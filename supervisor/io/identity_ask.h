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

struct identity_request {
    const char *user, *group; /* borrowed for the call; as identity_resolve() has them */
    int64_t deadline_us;      /* CLOCK_MONOTONIC; TIME_NEVER = none */
    /* Once, from the loop; the ask is gone then. @id: to be taken over, or it is finished; NULL: @why. */
    void (*on_done)(void *env, struct identity *id, const struct error *why);
    void *env; /* borrowed; must outlive the ask */
};

/**
 * identity_ask - who are they? on_done is never called before this has returned.
 * @ret: valid until on_done is called or identity_ask_cancel()
 *
 * Who asks the same while a helper is at it gets that one's answer, at its deadline if need be: a
 * thousand services of one user are one question.
 * Return: 0, or negative errno with the sentence (then on_done is not called).
 */
int identity_ask(struct ev_loop *loop, const struct identity_request *rq, struct identity_ask **ret,
                 struct error *reterr);
void identity_ask_cancel(struct identity_ask *ask); /* NULL is fine */

#endif
