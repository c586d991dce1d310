/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stint-export: started by a master (supervisor/export/wire.h), not by people. */
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "supervisor/export/wire.h"
#include "supervisor/exporter/sender.h"

int
main(int argc, char **argv)
{
    const struct rlimit none = {0, 0};
    int type = 0;
    socklen_t n = sizeof(type);

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        (void)printf("stint-export %s, %s\n", STINT_VERSION, curl_version());
        return 0;
    }
    if (getsockopt(EXPORT_SOCKET_FD, SOL_SOCKET, SO_TYPE, &type, &n) == -1 ||
        type != SOCK_SEQPACKET) {
        (void)fputs("stint-export is started by 'stint run', when its configuration has an "
                    "'export'\n",
                    stderr);
        return EX_USAGE;
    }
    /* Tokens are in here: no core file, and nobody of the same user looks in. Best effort. */
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    return sender_run(EXPORT_SOCKET_FD, EXPORT_MEMORY_FD);
}
