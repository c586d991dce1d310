/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include "supervisor/cli/cli.h"
#include "supervisor/io/master.h"
#include "supervisor/io/surroundings.h"

/* A verb that needs the io room; the others talk to it over the control socket. */
static int
run(const char *config_path, struct error *reterr)
{
    struct master_options options = {.config_path = config_path};

    return master_run(&options, reterr);
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
    if (standard_three() == -1)
        return EX_OSERR;
    return cli_main(argc, argv, &(struct cli_hooks){.run = run, .warn = surroundings_check});
}
