/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "adapter.h"

#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SERVE_MS 10000
#define LEAVE_MS 15000
#define HANDOFFS 10
#define TEST_S   240
/*
 * Two counts of rare events with the same cause differ by chance: the difference of their square roots has a
 * standard deviation of sqrt(1/2), whatever the counts are (Anscombe). Here what is lost at one handoff may be lost
 * together, up to all the kept connections when the client had no processor in that instant, which makes it
 * sqrt(connections/2). Three and a half of them is once in some thousand runs if all were lost so.
 */
#define DEVIATIONS 3.5

static struct {
    const struct adapter *adapter;
    unsigned rate, single, handoffs;
    bool own;          /* also where that takes long */
    const char *plant; /* "WHAT=BY WHAT" for stint.yaml; NULL: none */
} the = {.rate = 600, .single = 250};

/* ---- one handoff ------------------------------------------------------------------------------------------- */

void
adp_serving(const char *service, unsigned gen)
{
    char words[128];

    (void)snprintf(words, sizeof(words), "event=verdict service=%s gen=%u", service, gen);
    ck_assert_msg(strstr(scn_await_any(words, SERVE_MS), "outcome=serving") != NULL,
                  "generation %u does not serve", gen);
}

void
adp_certified(const char *service, unsigned gen)
{
    char words[128];

    (void)snprintf(words, sizeof(words), "event=certificate service=%s gen=%u leaks=0", service,
                   gen);
    ck_assert_msg(strstr(scn_await_any(words, LEAVE_MS), " 0 killed, 0 escaped") != NULL,
                  "somebody of generation %u was killed or escaped", gen);
}

static void
plant(void)
{
    auto_free char *what = the.plant ? strdup(the.plant) : NULL;
    char *by = what ? strchr(what, '=') : NULL;

    if (!by)
        return;
    *by++ = '\0';
    adp_edit("stint.yaml", what, by);
}

static void
start(const struct adapter *a)
{
    adp_stage(a->example, a->config, a->ports);
    plant();
    scn_start();
    adp_serving(a->service, 1);
    adp_await_words(adp_port(0), "release 1");
}

static void
force(const struct adapter *a)
{
    auto_free char *out = NULL;

    ck_assert_msg(scn_cli(&out, "reload", "--force", a->service, NULL) == 0, "%s", out);
}

/* The documented ways in turn: an edit by rename, and the order. */
static void
hand_over(const struct adapter *a, unsigned gen, unsigned *release)
{
    char words[32];

    adp_load_mark();
    if (gen % 2 == 0) {
        adp_release(a->edited, *release, *release + 1);
        ++*release;
    } else {
        force(a);
    }
    adp_serving(a->service, gen);
    (void)snprintf(words, sizeof(words), "release %u", *release);
    adp_await_words(adp_port(0), words);
    if (gen > 2)
        adp_certified(a->service, gen - 2); /* one may still drain, and a third has to wait */
}

/* ---- under load ------------------------------------------------------------------------------------------------ */

static void
tell(const char *whose, const char *load, const struct adp_accounts *c)
{
    (void)printf("%s: %-16s %u reloads, %-22s %6ld requests, failed %ld%s%s%s, p99 in reloads %.1f "
                 "ms, longest gap %.1f ms\n",
                 the.adapter->name, whose, the.handoffs, load, c->requests, c->failed,
                 c->failed ? " (" : "", c->kinds, c->failed ? ")" : "", (double)c->p99_us / 1000,
                 (double)c->longest_gap_us / 1000);
    (void)fflush(stdout);
}

struct pair {
    struct adp_accounts keep, single;
};

static void
begin(int *loads)
{
    loads[0] = adp_load_begin(true, the.rate, adp_port(0), "release");
    loads[1] = adp_load_begin(false, the.single, adp_port(0), "release");
}

static void
end(const int *loads, const char *whose, struct pair *ret)
{
    adp_load_end(loads[0], &ret->keep);
    adp_load_end(loads[1], &ret->single);
    tell(whose, "keep-alive,", &ret->keep);
    tell(whose, "a connection each,", &ret->single);
}

static void
under_stint(const struct adapter *a, struct pair *ret)
{
    unsigned release = 1;
    int loads[2];

    start(a);
    begin(loads);
    for (unsigned gen = 2; gen < 2 + the.handoffs; gen++)
        hand_over(a, gen, &release);
    adp_certified(a->service, the.handoffs);
    end(loads, "stint", ret);
    ck_assert_uint_eq(scn_count("event=verdict ~outcome=rejected"), 0);
    ck_assert_uint_eq(scn_count("event=bug"), 0);
    ck_assert_int_eq(scn_stop(), 0);
    if (release > 1)
        adp_release(a->edited, release, 1);
}

static void
its_own_way(const struct adapter *a, struct pair *ret)
{
    char words[32];
    int loads[2];

    adp_own_begin(a);
    adp_await_words(adp_port(0), "release 1");
    begin(loads);
    for (unsigned i = 1; i <= the.handoffs; i++) {
        adp_release(a->edited, i, i + 1);
        (void)snprintf(words, sizeof(words), "release %u", i + 1);
        adp_load_mark();
        adp_own_reload(a, words);
    }
    end(loads, a->own_words, ret);
    adp_own_end(a);
}

START_TEST(handoffs_lose_no_request_and_no_more_kept_connections_than_the_program_by_itself)
{
    const struct adapter *a = the.adapter;
    struct pair ours, own;
    double most;

    under_stint(a, &ours);
    ck_assert_int_eq(ours.single.failed, 0);
    ck_assert_int_eq(ours.keep.failed, ours.keep.lost_on_reused);
    if (a->loses_none)
        ck_assert_int_eq(ours.keep.failed, 0);
    if (a->own_signal == 0 || (a->own_takes_long && !the.own))
        return;
    its_own_way(a, &own);
    most = sqrt((double)own.keep.failed + 0.375) + DEVIATIONS * sqrt(ADP_KEPT / 2.0);
    ck_assert_msg((double)ours.keep.lost_on_reused + 0.375 <= most * most,
                  "stint lost %ld requests on kept connections, %s %ld", ours.keep.lost_on_reused,
                  a->own_words, own.keep.failed);
}
END_TEST

/* ---- a broken edit ----------------------------------------------------------------------------------------------- */

START_TEST(a_broken_edit_is_rejected_in_the_programs_own_words_and_nobody_notices)
{
    const struct adapter *a = the.adapter;
    struct pair accounts;
    const char *line;
    int loads[2];

    start(a);
    begin(loads);
    adp_edit(a->edited, a->good, a->bad);
    line = scn_await_any("event=verdict outcome=rejected", SERVE_MS);
    ck_assert_msg(strstr(line, a->complaint) != NULL, "not '%s' but %s", a->complaint, line);
    (void)printf("%s: a broken edit:%.1000s\n", a->name, strstr(line, " msg="));
    adp_edit(a->edited, a->bad, a->good);
    (void)scn_await_any("event=verdict outcome=unchanged gen=1", SERVE_MS);
    if (scn_count("event=generation_draining") + scn_count("event=worker_exit") > 0)
        (void)fputs(scn_log(), stderr);
    ck_assert_uint_eq(scn_count("event=generation_draining") + scn_count("event=worker_exit"), 0);
    end(loads, "broken edit", &accounts);
    ck_assert_int_eq(accounts.keep.failed, 0);
    ck_assert_int_eq(accounts.single.failed, 0);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

/* ---- single connections ------------------------------------------------------------------------------------------ */

START_TEST(a_request_in_flight_is_answered_and_a_new_connection_is_served)
{
    start(the.adapter);
    adp_fates(the.adapter, force);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

/* ---- a death that nobody expects --------------------------------------------------------------------------------- */

START_TEST(a_master_that_is_killed_leaves_no_worker_behind_and_is_respawned)
{
    const struct adapter *a = the.adapter;
    pid_t master, left[ADP_CHILDREN];
    char words[128];
    unsigned n;

    start(a);
    (void)snprintf(words, sizeof(words), "event=worker_ready service=%s gen=1", a->service);
    master = (pid_t)scn_field(scn_await_any(words, SERVE_MS), "pid");
    n = adp_children(master, left);
    ck_assert_int_eq(kill(master, SIGKILL), 0);
    (void)scn_await("event=worker_exit signal=SIGKILL", SERVE_MS);
    (void)scn_await(words, SERVE_MS);
    for (unsigned i = 0; i < n; i++)
        ck_assert_msg(scn_await_gone(left[i], LEAVE_MS), "its child %d lives on", (int)left[i]);
    adp_await_words(adp_port(0), "release 1");
    (void)printf("%s: killed with SIGKILL: respawned, and %u of its children are gone\n", a->name,
                 n);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

static bool
take_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"rate",     required_argument, NULL, 'r'},
        {"single",   required_argument, NULL, 's'},
        {"handoffs", required_argument, NULL, 'h'},
        {"own",      no_argument,       NULL, 'o'},
        {"plant",    required_argument, NULL, 'p'},
        {NULL,       0,                 NULL, 0  },
    };
    int id;

    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        unsigned n = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;

        if (id == 'o')
            the.own = true;
        else if (id == 'p')
            the.plant = optarg;
        else if (id == '?' || n == 0)
            return false;
        else
            *(id == 'r' ? &the.rate : id == 's' ? &the.single : &the.handoffs) = n;
    }
    return optind == argc;
}

int
adp_main(const struct adapter *a, int argc, char **argv)
{
    Suite *suite = suite_create(a->name);
    TCase *tc = tcase_create(a->name);

    the.adapter = a;
    the.handoffs = a->handoffs ? a->handoffs : HANDOFFS;
    if (!take_options(argc, argv)) {
        (void)fprintf(stderr,
                      "usage: %s [--rate N] [--single N] [--handoffs N] [--own] [--plant A=B]\n",
                      argv[0]);
        return 64;
    }
    if (!adp_need(a->needs))
        return EXIT_FAILURE;
    tcase_set_timeout(tc, TEST_S);
    tcase_add_checked_fixture(tc, scn_begin, scn_end);
    tcase_add_test(
        tc, handoffs_lose_no_request_and_no_more_kept_connections_than_the_program_by_itself);
    tcase_add_test(tc, a_broken_edit_is_rejected_in_the_programs_own_words_and_nobody_notices);
    tcase_add_test(tc, a_request_in_flight_is_answered_and_a_new_connection_is_served);
    tcase_add_test(tc, a_master_that_is_killed_leaves_no_worker_behind_and_is_respawned);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
