/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <unistd.h>

void *plugin_run(void *arg);

void *
plugin_run(void *arg)
{
    (void)!write(*(int *)arg, "x", 1);
    for (;;)
        (void)pause();
    return NULL;
}
