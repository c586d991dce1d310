/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long whoever stops us waits, and what they keep. Not even systemd tells, so the unit has to. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "config/spec.h"
#include "supervisor/io/surroundings_internal.h"

#define STOP_MARGIN_US     (5 * US_PER_S)  /* from our last SIGKILL to our own exit */
#define SYSTEMD_STOP_US    (90 * US_PER_S) /* DefaultTimeoutStopSec */
#define DOCKER_STOP_US     (10 * US_PER_S)
#define KUBERNETES_STOP_US (30 * US_PER_S)

/* seconds - "90", "90s", "5min", "infinity" of a unit file; combined forms are not read. */
static int
seconds(const char *text, int64_t *ret_us)
{
    char plain[32];
    size_t digits = strspn(text, "0123456789");

    if (strcmp(text, "infinity") == 0 || strcmp(text, "0") == 0) { /* systemd: 0 is no limit */
        *ret_us = TIME_NEVER;
        return 0;
    }
    if (digits == 0 || digits > 12)
        return -EINVAL;
    if (text[digits] == '\0' || strcmp(text + digits, "sec") == 0)
        (void)snprintf(plain, sizeof plain, "%.*ss", (int)digits, text);
    else if (strcmp(text + digits, "min") == 0)
        (void)snprintf(plain, sizeof plain, "%.*sm", (int)digits, text);
    else
        (void)snprintf(plain, sizeof plain, "%s", text);
    return duration_parse(plain, ret_us);
}

static void
judge_systemd_stop(struct judge *j)
{
    const char *told = j->facts->timeout_stop_sec;
    int64_t limit_us = SYSTEMD_STOP_US, needed_us = j->spec->stop_budget_us + STOP_MARGIN_US;
    char needed[32], limit[32];

    if (told && seconds(told, &limit_us) < 0) {
        judge_find(j, "stop", false,
                   "STINT_TIMEOUT_STOP_SEC is '%s', which is no time: write it as 90, 90s or 5min",
                   told);
        return;
    }
    (void)duration_format(needed_us, needed, sizeof needed);
    (void)duration_format(limit_us, limit, sizeof limit);
    if (needed_us <= limit_us)
        return;
    if (told)
        judge_find(j, "stop", false,
                   "stopping may take %s (stop_budget and 5s), but TimeoutStopSec is %s: systemd "
                   "would kill "
                   "everything before",
                   needed, limit);
    else
        judge_find(j, "stop", false,
                   "stopping may take %s (stop_budget and 5s), and systemd kills everything after "
                   "%s unless "
                   "TimeoutStopSec says otherwise; if it does, set STINT_TIMEOUT_STOP_SEC in the "
                   "unit, too",
                   needed, limit);
}

void
judge_stop(struct judge *j)
{
    const struct surroundings_facts *f = j->facts;
    int64_t limit_us = f->kubernetes ? KUBERNETES_STOP_US : DOCKER_STOP_US;
    char budget[32];

    if (f->systemd) {
        judge_systemd_stop(j);
        return;
    }
    if (f->pid != 1 || j->spec->stop_budget_us <= limit_us)
        return;
    (void)duration_format(j->spec->stop_budget_us, budget, sizeof budget);
    if (f->kubernetes)
        judge_find(j, "stop", false,
                   "stop_budget is %s, but a pod is killed after 30s unless "
                   "terminationGracePeriodSeconds says otherwise",
                   budget);
    else
        judge_find(j, "stop", false,
                   "stop_budget is %s, but `docker stop` waits 10 s unless told otherwise "
                   "(--stop-timeout, "
                   "stop_grace_period)",
                   budget);
}

void
judge_fdstore(struct judge *j)
{
    const char *told = j->facts->fdstore_max;
    size_t wanted = 0;
    unsigned long room;

    if (!told || told[0] < '0' || told[0] > '9')
        return;
    room = strtoul(told, NULL, 10);
    for (size_t i = 0; i < j->spec->n_services; i++)
        wanted += j->spec->services[i]->n_listen;
    if (wanted > room)
        judge_find(j, "fdstore", false,
                   "there are %zu listeners, but FileDescriptorStoreMax is %lu: the others are "
                   "closed while "
                   "systemd restarts stint",
                   wanted, room);
}
