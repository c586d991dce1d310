/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/mem.h"
#include "supervisor/cli/cli_internal.h"

static const struct {
    int code;
    const char *means;
} exits[] = {
    {CLI_OK,            "done, and the answer is good"                                             },
    {CLI_NO,            "done, but the answer is no: rejected, failed, cancelled"                  },
    {CLI_LEAKED,        "with --fail-on-leak: there is a leak"                                     },
    {CLI_USAGE,         "the command line is wrong"                                                },
    {CLI_DATA,          "the supervisor's answer was not understood"                               },
    {CLI_NOT_FOUND,     "there is no such service"                                                 },
    {CLI_UNREACHABLE,   "no supervisor at the control socket"                                      },
    {CLI_INTERNAL,      "out of memory, or a fault of stint itself"                                },
    {CLI_CANNOT_RUN,    "run cannot start: one runs there already, or the system refused something"},
    {CLI_TIMED_OUT,     "no answer in time; what was asked for may still happen"                   },
    {CLI_NOT_PERMITTED, "this user may not do that"                                                },
    {CLI_CONFIG,        "the configuration has findings"                                           },
    {CLI_INTERRUPTED,   "preflight: interrupted, and nothing is left of it"                        },
};

static void
help_exits(struct cli *cli)
{
    paint(cli, PAINT_BOLD, "Exit status\n");
    for (size_t i = 0; i < ARRAY_LEN(exits); i++)
        (void)fprintf(cli->out, "  %2d  %s\n", exits[i].code, exits[i].means);
}

static void
help_option(struct cli *cli, const struct option_row *o)
{
    char name[48];
    char letter[8] = "    ";

    if (o->letter)
        (void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
    (void)snprintf(name, sizeof(name), "%s--%s%s%s", letter, o->name, o->value ? " " : "",
                   o->value ? o->value : "");
    (void)fprintf(cli->out, "  %-20s  %s\n", name, o->help);
}

void
cli_help_all(struct cli *cli)
{
    (void)fprintf(cli->out,
                  "stint runs services and hands them over without losing a request.\n\n");
    paint(cli, PAINT_BOLD, "Usage");
    (void)fprintf(cli->out, "  stint VERB [OPTIONS]\n\n");
    for (size_t i = 0; i < cli_n_verbs; i++) {
        char usage[48];

        (void)snprintf(usage, sizeof(usage), "%s %s", cli_verbs[i].name, cli_verbs[i].args);
        (void)fprintf(cli->out, "  %-20s  %s\n", usage, cli_verbs[i].help);
    }
    (void)fprintf(cli->out, "\n");
    paint(cli, PAINT_BOLD, "Options of most verbs\n");
    for (int i = OPTION_CONFIG; i <= OPTION_HELP; i++)
        help_option(cli, &cli_options[i]);
    (void)fprintf(cli->out, "\n");
    help_exits(cli);
}

void
cli_help_verb(struct cli *cli, const struct verb *verb)
{
    (void)fprintf(cli->out, "stint %s: %s\n\n", verb->name, verb->help);
    paint(cli, PAINT_BOLD, "Usage");
    (void)fprintf(cli->out, "  stint %s%s%s%s\n\n", verb->name, verb->args[0] ? " " : "",
                  verb->args, verb->accepts ? " [OPTIONS]" : "");
    (void)fprintf(cli->out, "%s\n", verb->more);
    if (verb->accepts)
        paint(cli, PAINT_BOLD, "Options\n");
    for (unsigned i = 0; i < OPTION_COUNT; i++)
        if (verb->accepts & ACCEPTS(i))
            help_option(cli, &cli_options[i]);
}

int
verb_help(struct cli *cli)
{
    if (cli->n_args == 0) {
        cli_help_all(cli);
        return CLI_OK;
    }
    if (strcmp(cli->args[0], "exit-codes") == 0) {
        help_exits(cli);
        return CLI_OK;
    }
    for (size_t i = 0; i < cli_n_verbs; i++) {
        if (strcmp(cli->args[0], cli_verbs[i].name) == 0) {
            cli_help_verb(cli, &cli_verbs[i]);
            return CLI_OK;
        }
    }
    return cli_unknown_verb(cli, cli->args[0]);
}
