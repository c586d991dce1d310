/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/spool_internal.h"

/* The end: what waits is written, within the time that there is. */

/* Until its writer ends, which is when all is written, or its time is over. */
static void
flush_through(struct spools *sp, int64_t end_us)
{
    const struct logfile_message finish = {.type = LOGFILE_FINISH};
    bool said = false;
    int64_t left_us;

    while ((left_us = end_us - mono_now_us()) > 0) {
        struct pollfd p = {.fd = sp->writer->fd, .events = POLLIN};
        struct logfile_message msg = {0};
        ssize_t n;

        spools_send(sp);
        if (!said && list_empty(&sp->owing))
            said = send(p.fd, &finish, LOGFILE_MESSAGE_SHORT, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
        if (poll(&p, 1, (int)(said ? left_us / US_PER_MS + 1 : 1)) <= 0)
            continue;
        n = recv(p.fd, &msg, sizeof(msg), MSG_DONTWAIT);
        if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
            spools_end_writer(sp);
            return;
        }
        msg.text[sizeof(msg.text) - 1] = '\0';
        if (n >= (ssize_t)LOGFILE_MESSAGE_SHORT && msg.type == LOGFILE_SAYS)
            spools_take_reply(sp, &msg);
    }
}

static bool
anything_waits(const struct spools *sp)
{
    list_for_each (pos, &sp->all)
        if (logfile_memory_waiting(&container_of(pos, struct spool, node)->memory) > 0)
            return true;
    return false;
}

/* A writer that died young would be followed by another one in a second: there is none to wait for now. */
void
spools_flush(struct spools *sp, int64_t budget_us)
{
    int64_t end_us = mono_now_us() + budget_us;

    for (int i = 0; i < SPOOL_WRITERS_MAX; i++) {
        if (!sp->writer && (!anything_waits(sp) || sp->n_writers >= SPOOL_WRITERS_MAX ||
                            spools_start_writer(sp) < 0))
            return;
        flush_through(sp, end_us);
        if (sp->writer)
            return; /* it is at it still, and there is no time */
    }
}
