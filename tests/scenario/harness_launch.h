/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_HARNESS_LAUNCH_H
#define STINT_TESTS_SCENARIO_HARNESS_LAUNCH_H

#include "harness.h"

/* launch_world - make the process that calls it live in @world, as far as it concerns namespaces. */
bool launch_world(const struct scn_world *world);

/*
 * launch_child - in the child: make @world and become the master @stint. @log: its standard error.
 * A byte goes to @told when the world could be made. Does not return.
 */
void launch_child(const struct scn_world *world, const char *stint, int log, int told)
    __attribute__((noreturn));

#endif
