/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MODEL_SCENES_H
#define MODEL_SCENES_H

/* What several scenes do. */
#include "tests/model/explore.h"
#include "worker-api/state.h"

#define SCENE(scene, prepares, ends, ...)                                                \
    {                                                                                    \
        .name = #scene, .setup = (prepares), .check = (ends), .threads = { __VA_ARGS__ } \
    }

#define SCENE_HANDLER(scene, prepares, ends, handler, ...)                              \
    {                                                                                   \
        .name = #scene, .setup = (prepares), .check = (ends), .threads = {__VA_ARGS__}, \
        .handlers = {                                                                   \
            handler                                                                     \
        }                                                                               \
    }

#define SCENE_LONG(scene, prepares, ends, ...)                                          \
    {                                                                                   \
        .name = #scene, .setup = (prepares), .check = (ends), .threads = {__VA_ARGS__}, \
        .long_one = true                                                                \
    }

extern struct stint_token *a, *b, *c, *d; /* of the scene; set up before there are threads */

void quiet(void);                  /* nothing is left, nobody holds anything */
void parent_and_child(void);       /* a, and b below it */
void parent_child_and_spare(void); /* … and one more reference to a */
void cancelled_all_below(struct stint_token *token, struct stint_token *below);
void cancel_a(void);
void cancel_a_and_put(void);
void put_a_then_quiet(void);
void signal_a(void);
void signal_a_and_put(void);
void put_b(void);
void churn_beside(void); /* takes the lock, and has nothing to do with the others */

#endif
