/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/cli/cli_internal.h"

int
cli_fail(struct cli *cli, int code, const char *fmt, ...)
{
    va_list ap;

    (void)fputs("stint: ", cli->err);
    va_start(ap, fmt);
    (void)vfprintf(cli->err, fmt, ap);
    va_end(ap);
    (void)fputc('\n', cli->err);
    return code;
}

int
cli_dispatch(struct cli *cli, int argc, char **argv)
{
    int r = cli_parse(cli, argc, argv);

    if (r != 0)
        return r;
    if (!cli->verb && cli->values[OPTION_HELP]) {
        cli_help_all(cli);
        return CLI_OK;
    }
    if (!cli->verb)
        return cli_fail(cli, CLI_USAGE, "which verb? See 'stint help'");
    if (cli->values[OPTION_HELP]) {
        cli_help_verb(cli, cli->verb);
        return CLI_OK;
    }
    return cli->verb->run(cli);
}

int
cli_main(int argc, char **argv, const struct cli_hooks *hooks)
{
    const char *no_colour = getenv("NO_COLOR"); /* NOLINT(concurrency-mt-unsafe): one thread */
    struct cli cli = {.hooks = hooks, .out = stdout, .err = stderr};
    int r;

    cli.colour = isatty(STDOUT_FILENO) && !(no_colour && no_colour[0]);
    r = cli_dispatch(&cli, argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && r == CLI_OK)
        return cli_fail(&cli, CLI_INTERNAL, "the answer could not be written: a full disk?");
    return r;
}
