// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "bench/load_client.h"

static int
unix_address(const char *path, struct load_options *o, struct error *reterr)
{
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&o->address;
    size_t n = strlen(path);

    if (n == 0 || n >= sizeof(un->sun_path))
        return error_say(reterr, -EINVAL, "socket path '%s' must be 1 to %zu bytes long", path,
                         sizeof(un->sun_path) - 1);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n + 1);
    o->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return 0;
}

int
load_address_parse(const char *text, struct load_options *o, struct error *reterr)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    auto_free char *host = NULL;
    char *colon;
    char *start;

    memset(&o->address, 0, sizeof(o->address));
    if (strncmp(text, "unix:", 5) == 0)
        return unix_address(text + 5, o, reterr);
    start = host = strdup(text);
    if (!host)
        return -ENOMEM;
    colon = strrchr(host, ':');
    if (!colon)
        return error_say(reterr, -EINVAL, "address '%s' has no port", text);
    *colon = '\0';
    if (host[0] == '[' && colon > host && colon[-1] == ']') {
        colon[-1] = '\0';
        start = host + 1;
    }
    if (getaddrinfo(start, colon + 1, &hints, &found) != 0)
        return error_say(reterr, -EINVAL, "address '%s' is not NUMBERS:PORT or unix:/path", text);
    memcpy(&o->address, found->ai_addr, found->ai_addrlen);
    o->address_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}
