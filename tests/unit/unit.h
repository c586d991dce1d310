/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_H
#define STINT_TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>

/* unit_main - the whole main() of a Check program: run @suite, say the totals, exit status for ctest. */
static inline int
unit_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
