/* SPDX-License-Identifier: GPL-2.0-or-later */
/* examples/static, three services under load at once, each in its own way of handing over. */
#include <stdio.h>
#include <stdlib.h>

#include "adapter.h"

#define HANDOFFS 10
#define RATE     200

static const char *const ports[] = {"8081", "8082", "8083", NULL};
static const char *const names[] = {"alone", "reuseport", "inherits"};
#define SERVICES (sizeof(names) / sizeof(names[0]))

/* A deploy: another build of both programs, by rename. */
static void
deploy(unsigned release)
{
    scn_copy("inherits", getenv(release % 2 ? "INHERITS_1" : "INHERITS_2"), "");
    scn_copy("alone", getenv(release % 2 ? "ALONE_1" : "ALONE_2"), "");
}

static void
hand_over(unsigned gen)
{
    deploy(gen);
    for (unsigned i = 0; i < SERVICES; i++) {
        adp_serving(names[i], gen);
        adp_certified(names[i], gen - 1);
        adp_await_words(adp_port(i), gen % 2 ? "release 1" : "release 2");
    }
}

static void
never_twice(const char *service)
{
    char left[64], came[64];

    for (unsigned gen = 2; gen < 2 + HANDOFFS; gen++) {
        (void)snprintf(left, sizeof(left), "event=worker_exit service=%s gen=%u", service, gen - 1);
        (void)snprintf(came, sizeof(came), "event=worker_spawn service=%s gen=%u", service, gen);
        ck_assert(scn_before(left, came));
    }
}

START_TEST(two_lines_make_the_difference_between_refused_and_nothing)
{
    struct adp_accounts of[SERVICES];
    int loads[SERVICES];

    adp_stage("static", NULL, ports);
    deploy(1);
    scn_start();
    for (unsigned i = 0; i < SERVICES; i++)
        adp_serving(names[i], 1);
    for (unsigned i = 0; i < SERVICES; i++)
        loads[i] = adp_load_begin(false, RATE, adp_port(i), "release");
    for (unsigned gen = 2; gen < 2 + HANDOFFS; gen++)
        hand_over(gen);
    for (unsigned i = 0; i < SERVICES; i++) {
        adp_load_end(loads[i], &of[i]);
        (void)printf(
            "static: %-10s %d handoffs, %ld requests, failed %ld%s%s%s, longest gap %.1f ms\n",
            names[i], HANDOFFS, of[i].requests, of[i].failed, of[i].failed ? " (" : "", of[i].kinds,
            of[i].failed ? ")" : "", (double)of[i].longest_gap_us / 1000);
    }
    ck_assert_int_eq(of[2].failed, 0);
    never_twice("alone");
    ck_assert_uint_eq(scn_count("event=worker_ready ~weak+evidence"),
                      scn_count("event=worker_ready"));
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

scn_main("static", two_lines_make_the_difference_between_refused_and_nothing)
