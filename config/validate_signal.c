/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handoff: signal, and the keys that have a meaning only there. */
#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "config/load.h"

/* What is written here for a program that reloads itself, while nobody will ask it to. */
static void
check_keys_apply(struct load *l, const struct entry *e)
{
    static const char *const keys[] = {"reload_signal", "reload_timeout", "reload_assume_after",
                                       "signal_fallback"};

    for (size_t i = 0; i < ARRAY_LEN(keys) && !l->one_service; i++) {
        const struct node *at = node_get(e->value, keys[i]);

        if (at)
            (void)finding(&l->reader, at, NULL,
                          "'%s' needs 'handoff: signal': otherwise no worker is asked to reload, "
                          "its successor is started",
                          keys[i]);
    }
}

void
validate_signal(struct load *l, const struct entry *e)
{
    const struct service_spec *s = e->spec;
    const struct node *at = entry_node(l, e, "reload_signal");
    const char *name = sigabbrev_np(s->reload_signal);
    char one[32], other[32];

    if (s->handoff != HANDOFF_SIGNAL) {
        check_keys_apply(l, e);
        return;
    }
    if (s->soak_us > 0 && s->signal_fallback == HANDOFF_REPLACE)
        (void)finding(&l->reader, entry_node(l, e, "soak"), NULL,
                      "'soak' needs two generations side by side: with 'handoff: signal' the same "
                      "workers go on, and 'signal_fallback' is not 'overlap'");
    if (s->reload_signal == SIGSTOP || s->reload_signal == SIGCONT)
        (void)finding(&l->reader, at, NULL,
                      "'reload_signal' wants a signal that the program handles, not %s", name);
    else if (s->reload_signal == s->drain_signal || s->reload_signal == s->stop_signal)
        (void)finding(&l->reader, at, NULL,
                      "'reload_signal' is the '%s', too: a worker could not tell whether it shall "
                      "reload or leave",
                      s->reload_signal == s->drain_signal ? "drain_signal" : "stop_signal");
    if (s->reload_assume_us > s->reload_timeout_us)
        (void)finding(&l->reader, entry_node(l, e, "reload_assume_after"), NULL,
                      "'reload_assume_after' (%s) is longer than 'reload_timeout' (%s)",
                      duration_format(s->reload_assume_us, one, sizeof(one)),
                      duration_format(s->reload_timeout_us, other, sizeof(other)));
}
