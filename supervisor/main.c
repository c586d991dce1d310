/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "supervisor/cli/cli.h"
#include "supervisor/io/candidate.h"
#include "supervisor/io/master.h"
#include "supervisor/io/surroundings.h"
#include "supervisor/keeper/keeper.h"

static struct {
    int argc;
    char **argv; /* borrowed from main() */
} command;

/* A verb that needs the io room; the others talk to it over the control socket. */
static int
run(const struct cli_run *told, struct error *reterr)
{
    struct master_options options = {.config_path = told->config_path,
                                     .exit_when_failed = told->exit_when_failed};

    return master_run(&options, reterr);
}

static int
keep(const struct cli_run *told, struct error *reterr)
{
    struct keeper_options options = {.patience_us = told->watchdog_us < 0 ? KEEPER_PATIENCE_US
                                                                          : told->watchdog_us};

    (void)reterr; /* the keeper and its masters have said what there was to say */
    return keeper_run(command.argc, command.argv, &options);
}

/*
 * Whoever starts us without the standard three gets /dev/null in their places: else the next thing
 * we open would be our standard error, and the log would be written into it.
 */
static int
standard_three(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR); /* not CLOEXEC: as if they had been there */
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd > STDERR_FILENO ? close(fd) : -1;
}

int
main(int argc, char **argv)
{
    int trial;

    if (standard_three() == -1)
        return EX_OSERR;
    if (argc == 3 && strcmp(argv[1], "prove-state") == 0) /* asked by a master that makes way */
        return master_prove(argv[2]);
    trial = keeper_answer_trial(argc, argv);
    if (trial >= 0)
        return trial;
    command.argc = argc;
    command.argv = argv;
    return cli_main(argc, argv,
                    &(struct cli_hooks){.run = keeper_started_us(argc, argv) ? run : keep,
                                        .warn = surroundings_check,
                                        .candidate_hold = candidate_hold,
                                        .candidate_again = candidate_again,
                                        .candidate_release = candidate_release});
}
