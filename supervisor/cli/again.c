/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/cli/again.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/units.h"

#define PAUSE_FIRST_US (20 * US_PER_MS)
#define PAUSE_MAX_US   (500 * US_PER_MS)
#define LOOK_MAX_US    (5 * US_PER_S) /* for those who only want to see something */
#define REFUSED_MAX_US (10 * US_PER_S)
#define ABSENT_MAX_US \
    (2 * US_PER_S)  /* the file is removed when stint ends, not when it is replaced */
#define CUTS_MAX 16 /* what breaks so often may be broken by the question */

static bool
patience_left(struct again *a, const struct ask *ask, int r, int64_t now_us)
{
    int64_t alone_us = r == -ENOENT ? ABSENT_MAX_US : REFUSED_MAX_US;

    if (now_us >= a->deadline_us || a->cuts > CUTS_MAX)
        return false;
    if (a->refused_us > 0 && now_us - a->refused_us > alone_us)
        return false;
    return ask->patience != ASK_LOOK || now_us - a->broken_us <= LOOK_MAX_US;
}

static void
pause_before(struct again *a, int64_t now_us)
{
    int64_t us = a->pause_us < a->deadline_us - now_us ? a->pause_us : a->deadline_us - now_us;

    (void)poll(NULL, 0, (int)(us / US_PER_MS) + 1); /* woken earlier: asked earlier */
    a->pause_us = a->pause_us * 2 < PAUSE_MAX_US ? a->pause_us * 2 : PAUSE_MAX_US;
}

bool
again_may(struct again *a, struct cli *cli, const struct ask *ask, int r)
{
    int64_t now_us = mono_now_us();
    bool refused = r == -ENOENT || r == -ECONNREFUSED;

    if (ask->patience == ASK_ONCE || !(r == -ECONNRESET || (refused && a->connected)))
        return false;
    if (cli->seen != a->seen || a->pause_us == 0) { /* it went well for a while */
        a->broken_us = now_us;
        a->pause_us = PAUSE_FIRST_US;
        a->cuts = 0;
        a->seen = cli->seen;
    }
    if (!refused)
        a->refused_us = 0;
    else if (a->refused_us == 0)
        a->refused_us = now_us;
    a->cuts += !refused;
    if (!patience_left(a, ask, r, now_us))
        return false;
    if (!a->said && ask->patience != ASK_LOOK)
        (void)cli_fail(cli, 0, "the supervisor is being replaced, asking again");
    a->said = true;
    pause_before(a, now_us);
    return true;
}
