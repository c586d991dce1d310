// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/stint_control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

#define ANSWER_MAX     ((size_t)16 << 20)
#define ANSWER_SECONDS 60

static int
control_connect(const struct bout *b, struct error *reterr)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const struct timeval limit = {.tv_sec = ANSWER_SECONDS};
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (snprintf(to.sun_path, sizeof(to.sun_path), "%s/run/control.sock", b->dir) >=
        (int)sizeof(to.sun_path))
        return error_set(reterr, -ENAMETOOLONG, "the control socket below '%s'", b->dir);
    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == -1 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1)
        return error_set(reterr, -errno, "connect to '%s'", to.sun_path);
    return steal_fd(fd);
}

/* All there is until the end of the connection. */
static int
receive_all(int fd, struct text *answer, struct error *reterr)
{
    char part[8192];
    ssize_t n;

    while ((n = recv(fd, part, sizeof(part), 0)) > 0 && answer->bytes < ANSWER_MAX)
        text_addn(answer, part, (size_t)n);
    if (n == -1)
        return error_set(reterr, -errno, "wait for the answer");
    return answer->failed ? error_set(reterr, -ENOMEM, "wait for the answer") : 0;
}

static int
take_answer(const char *answer, json_t **ret_body, struct error *reterr)
{
    const char *body = strstr(answer, "\r\n\r\n");
    json_error_t at;

    if (strncmp(answer, "HTTP/1.1 200", 12) != 0 || !body)
        return error_say(reterr, -EIO, "the answer is not good: %.400s", body ? body + 4 : answer);
    if (!ret_body)
        return 0;
    *ret_body = json_loads(body + 4, 0, &at);
    return *ret_body ? 0 : error_say(reterr, -EBADMSG, "the answer is no JSON: %s", at.text);
}

int
stint_control(const struct bout *b, const char *method_path, const char *body, json_t **ret_body,
              struct error *reterr)
{
    auto_text struct text request = TEXT_INIT;
    auto_text struct text answer = TEXT_INIT;
    auto_fd int fd = control_connect(b, reterr);
    int r;

    if (fd < 0)
        return fd;
    text_addf(&request, "%s HTTP/1.1\r\nHost: stint\r\nConnection: close\r\n", method_path);
    if (body)
        text_addf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                  strlen(body));
    text_addf(&request, "\r\n%s", body ? body : "");
    if (request.failed ||
        send(fd, request.data, request.bytes, MSG_NOSIGNAL) != (ssize_t)request.bytes)
        return error_set(reterr, request.failed ? -ENOMEM : -errno, "ask %s", method_path);
    r = receive_all(fd, &answer, reterr);
    return r < 0 ? r : take_answer(text_str(&answer), ret_body, reterr);
}
