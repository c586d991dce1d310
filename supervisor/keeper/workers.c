/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last resort: told to stop, and no master is able to. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/clock.h"
#include "base/units.h"
#include "supervisor/keeper/log.h"
#include "supervisor/keeper/state.h"

#define TERM_US (5 * US_PER_S)
#define KILL_US (2 * US_PER_S) /* what is not dead by then hangs in the kernel */

static struct pollfd alive[KEPT_MAX];

/* still_alive - those of the first @n that have not exited move to the front. Return: how many. */
static nfds_t
still_alive(nfds_t n, int wait_ms)
{
    nfds_t left = 0;

    if (poll(alive, n, wait_ms) == -1)
        return n; /* EINTR, ENOMEM: nothing is known */
    for (nfds_t i = 0; i < n; i++)
        if (!(alive[i].revents & (POLLIN | POLLNVAL)))
            alive[left++] = alive[i];
    return left;
}

static nfds_t
signal_all(struct keeper *k, nfds_t n, int sig, int64_t patience_us)
{
    int64_t until_us = mono_now_us() + patience_us;

    if (n > 0)
        keeper_log("warning", "workers_ended", 0, "signal=SIG%s workers=%u", sigabbrev_np(sig),
                   (unsigned)n);
    for (nfds_t i = 0; i < n; i++)
        (void)pidfd_send_signal(alive[i].fd, sig, NULL, 0); /* -ESRCH: gone */
    while (n > 0) {
        int64_t now_us = mono_now_us();
        int64_t wait_us =
            until_us < systemd_turn(&k->systemd, &k->kept, now_us) ? until_us - now_us : 0;

        if (now_us >= until_us)
            break;
        n = still_alive(n, (int)(wait_us / US_PER_MS) + 1);
    }
    return n;
}

void
workers_end(struct keeper *k)
{
    nfds_t n = 0;

    systemd_tell(&k->systemd, "STOPPING=1\nSTATUS=No master can be started; ending the workers");
    for (uint32_t i = 0; i < k->kept.n; i++)
        if (kept_begins(k->kept.entries[i].name, KEEPER_WORKER_PREFIX))
            alive[n++] = (struct pollfd){.fd = k->kept.entries[i].fd, .events = POLLIN};
    n = signal_all(k, n, SIGTERM, TERM_US);
    n = signal_all(k, n, SIGKILL, KILL_US);
    if (n > 0)
        keeper_log("error", "workers_left", 0, "workers=%u msg=\"SIGKILL did not end them\"",
                   (unsigned)n);
}
