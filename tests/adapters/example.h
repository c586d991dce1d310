/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_ADAPTERS_EXAMPLE_H
#define STINT_TESTS_ADAPTERS_EXAMPLE_H

#include <stdbool.h>

/* An example as people copy it, on the stage of tests/scenario/harness.h. */

/*
 * example_copy - examples/@program to the stage, where stint.yaml is the configuration that scn_start() takes.
 * Pairs of (what, by what) follow, up to NULL: replaced in every file. Each must occur somewhere, so that a
 * test does not go on with what an example no longer says.
 */
void example_copy(const char *program, ...) __attribute__((sentinel));

/* example_edit - replace the one occurrence of @what in a file of the stage, by rename. */
void example_edit(const char *name, const char *what, const char *by);

/* example_possible - can @program be run here? A bare name is looked up in PATH. */
bool example_possible(const char *program);

#define adapter_main(program, name, ...)                         \
    static int run_tests(void);                                  \
    int main(void)                                               \
    {                                                            \
        if (example_possible(program))                           \
            return run_tests();                                  \
        (void)printf("SKIPPED: there is no %s here\n", program); \
        return 77;                                               \
    }                                                            \
    scn_tests(static int run_tests, name, __VA_ARGS__)

#endif
