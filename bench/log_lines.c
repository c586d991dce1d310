/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a program prints that logs with its trace: LINES lines by stint_log(), one write each, to standard output.
 *
 *   stint-log-lines LINES
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stint.h>

int
main(int argc, char **argv)
{
    long lines = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    struct stint_token *request;

    if (lines <= 0 || stint_init(NULL) < 0)
        return 2;
    stint_log_to(STDOUT_FILENO, STINT_LOG_LOGFMT);
    request = stint_token_new(stint_root(), "request");
    if (stint_trace_extract(request, NULL, 0) < 0 || stint_task_begin(request, "GET /") < 0)
        return 1;
    for (long i = 1; i <= lines; i++)
        if (stint_log(STINT_LOG_INFO, "%09ld GET /a/path 200 12.3 ms", i) < 0)
            return 1;
    stint_task_end();
    stint_token_unref(request);
    return 0;
}
