/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What servers lose that take no trouble over leaving: the figures of examples/node/README.md. stint does its part in
 * any case: the socket is never closed, and nobody is told to go before his successor answers.
 */
#include <stdio.h>

#include "adapter.h"

#define HANDOFFS 10
#define GONE_MS  15000

static const char *const needs[] = {"node", NULL};
static const char *const ports[] = {"8080", NULL};

static void
tell(const char *variant, const char *load, const struct adp_accounts *c)
{
    (void)printf("node, %s: %d handoffs, %-19s %6ld requests, failed %ld%s%s%s\n", variant,
                 HANDOFFS, load, c->requests, c->failed, c->failed ? " (" : "", c->kinds,
                 c->failed ? ")" : "");
    (void)fflush(stdout);
}

static void
measure(const char *config, const char *variant, struct adp_accounts *keep,
        struct adp_accounts *single)
{
    char words[64];
    int kept, singles;

    adp_stage("node", config, ports);
    scn_start();
    adp_serving("web", 1);
    kept = adp_load_begin(true, 600, adp_port(0), "release");
    singles = adp_load_begin(false, 250, adp_port(0), "release");
    for (unsigned gen = 2; gen < 2 + HANDOFFS; gen++) {
        adp_release("naive.js", gen - 1, gen);
        adp_serving("web", gen);
        /* Gone, whether by itself or not: a kept connection that is busy at that moment holds server.close() up. */
        (void)snprintf(words, sizeof(words), "event=certificate service=web gen=%u", gen - 1);
        (void)scn_await_any(words, GONE_MS);
        (void)snprintf(words, sizeof(words), "release %u", gen);
        adp_await_words(adp_port(0), words);
    }
    adp_load_end(kept, keep);
    adp_load_end(singles, single);
    tell(variant, "keep-alive,", keep);
    tell(variant, "a connection each,", single);
    ck_assert_int_eq(scn_stop(), 0);
}

/* On SIGTERM it is gone in the middle of whatever it does; what nobody has accepted yet is the successor's. */
START_TEST(who_ends_at_once_cuts_what_it_has_accepted)
{
    struct adp_accounts keep, single;

    measure("naive.yaml", "no handler", &keep, &single);
    ck_assert_int_lt(keep.failed + single.failed, HANDOFFS * 2L * 16); /* of its connections */
}
END_TEST

/* Since node 19 server.close() ends idle connections at once, whatever is on its way on them. */
START_TEST(who_closes_idle_connections_loses_requests_on_kept_ones_only)
{
    struct adp_accounts keep, single;

    measure("polite.yaml", "server.close()", &keep, &single);
    ck_assert_int_eq(single.failed, 0);
    ck_assert_int_eq(keep.failed, keep.lost_on_reused);
}
END_TEST

static int run_tests(void);
int
main(void)
{
    return adp_need(needs) ? run_tests() : EXIT_FAILURE;
}
scn_tests(static int run_tests, "node, naive", who_ends_at_once_cuts_what_it_has_accepted,
          who_closes_idle_connections_loses_requests_on_kept_ones_only)
