/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/cli/cli.h"
#include "supervisor/io/master.h"

/* The one verb that needs the io room; the others talk to it over the control socket. */
static int
run(const char *config_path, struct error *reterr)
{
    struct master_options options = {.config_path = config_path};

    return master_run(&options, reterr);
}

int
main(int argc, char **argv)
{
    return cli_main(argc, argv, &(struct cli_hooks){.run = run});
}
