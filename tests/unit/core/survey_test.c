/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a certificate rests upon: what was seen, what was not, and that nobody waits for it for long. */
#include "supervisor/core/image.h"
#include "tests/unit/core/rim.h"

static struct rim rim;
static struct rim *const r = &rim;

static void
setup(void)
{
    rim_init(r);
}

static void
teardown(void)
{
    rim_finish(r);
}

static const struct survey all_seen = {
    .good = {true,       true,       true,       false    },
    .how = {KNOWN_SEEN, KNOWN_SEEN, KNOWN_SEEN, KNOWN_NOT},
};

/* The worker of generation 1 ends so, after generation 2 took over; what is left is asked for. */
static void
end_of_the_first(struct event death, bool libstint)
{
    struct service_spec *s = service_new("web");

    s->libstint = libstint;
    rim_config(r, s);
    r->survey = r->exit = false;
    rim_edit(r, "web");
    rim_wait(r, US_PER_S);
    rim_forget(r);
    death.type = EVENT_EXIT;
    death.worker = 1;
    rim_step(r, death);
    ck_did(r, "survey web/1");
    ck_not_said(r, "certificate");
}

static void
answer(bool seen, const struct survey *found, const char *text)
{
    struct event ev = {.type = EVENT_SURVEYED, .service = rim_id(r, "web")};

    ev.surveyed.generation = 1;
    ev.surveyed.seen = seen;
    ev.surveyed.found = *found;
    ev.surveyed.text = text;
    rim_step(r, ev);
}

/* The certificate that the last step wrote. */
static const struct record *
certificate(void)
{
    for (size_t i = 0; i < r->fx.n; i++)
        if (r->fx.items[i].type == FX_RECORD && r->fx.items[i].record->kind == RECORD_CERTIFICATE)
            return r->fx.items[i].record;
    ck_abort_msg("no certificate in:\n%s", text_str(&r->said));
}

#define CK_FINDING(what, is_good, is_how)                                                       \
    do {                                                                                        \
        ck_assert_int_eq(certificate()->toll.survey.good[what], is_good);                       \
        ck_assert_str_eq(known_name(certificate()->toll.survey.how[what]), known_name(is_how)); \
    } while (0)

START_TEST(what_was_seen_is_certified_as_seen_and_the_snapshot_is_there_until_then)
{
    end_of_the_first((struct event){0}, false);
    answer(true, &all_seen, NULL);
    ck_did(r, "survey web/1; discard 1");
    ck_said(r, "certificate: web/1 count 0 | every process is gone: 1 started");
    ck_assert(!certificate()->warning);
    CK_FINDING(FINDING_PIDS, true, KNOWN_SEEN);
    CK_FINDING(FINDING_CGROUP, true, KNOWN_SEEN);
    CK_FINDING(FINDING_FDS, true, KNOWN_SEEN);
    CK_FINDING(FINDING_THREADS, false, KNOWN_NOT);
    answer(true, &all_seen, NULL); /* late, and once is enough */
    ck_assert_uint_eq(r->fx.n, 0);
}
END_TEST

START_TEST(who_is_left_is_in_the_certificate_which_does_not_say_that_all_are_gone)
{
    struct survey found = all_seen;

    found.left = 2;
    found.good[FINDING_PIDS] = found.good[FINDING_CGROUP] = found.good[FINDING_FDS] = false;
    end_of_the_first((struct event){0}, false);
    answer(true, &found, "2 processes of it are left: 12 `sleep`");
    ck_said(r, "certificate: web/1 count 0 | 2 processes are left: 1 started");
    ck_said(r, "; 2 processes of it are left: 12 `sleep`");
    ck_not_said(r, "every process is gone");
    ck_assert(certificate()->warning);
    CK_FINDING(FINDING_PIDS, false, KNOWN_SEEN);
    CK_FINDING(FINDING_FDS, false, KNOWN_SEEN);
}
END_TEST

START_TEST(a_death_that_nobody_saw_is_only_concluded)
{
    end_of_the_first((struct event){.death = {.unknown = true}}, false);
    answer(true, &all_seen, NULL);
    CK_FINDING(FINDING_PIDS, true, KNOWN_CONCLUDED);
    CK_FINDING(FINDING_FDS, true, KNOWN_SEEN);
}
END_TEST

START_TEST(without_an_answer_nothing_is_called_seen_that_was_not)
{
    end_of_the_first((struct event){0}, false);
    answer(false, &all_seen, NULL);
    CK_FINDING(FINDING_PIDS, true, KNOWN_SEEN); /* the core's own */
    CK_FINDING(FINDING_CGROUP, false, KNOWN_NOT);
    CK_FINDING(FINDING_FDS, true, KNOWN_CONCLUDED);
}
END_TEST

START_TEST(an_answer_that_never_comes_is_waited_for_ten_seconds)
{
    end_of_the_first((struct event){0}, false);
    rim_wait(r, 10 * US_PER_S - 1);
    ck_not_said(r, "certificate");
    rim_wait(r, 1);
    ck_said(r, "certificate: web/1");
    ck_did(r, "survey web/1; discard 1");
}
END_TEST

START_TEST(a_stop_waits_for_it_and_not_beyond_its_budget)
{
    rim_config(r, service_new("web"));
    r->survey = false;
    rim_ask(r, EVENT_STOP_ALL, NULL, false);
    ck_said(r, "worker_exit: web/1");
    ck_assert(!core_stopped(r->core));
    r->now_us += 60 * US_PER_S - 1; /* the budget of the configuration */
    rim_wait(r, 1);
    ck_assert(core_stopped(r->core));
    ck_said(r, "certificate: web/1");
}
END_TEST

START_TEST(threads_are_joined_when_each_registry_says_so)
{
    end_of_the_first((struct event){.death = {.registry = true}}, true);
    answer(true, &all_seen, NULL);
    CK_FINDING(FINDING_THREADS, true, KNOWN_SEEN);
}
END_TEST

START_TEST(threads_that_nobody_joined_are_counted_and_named)
{
    end_of_the_first(
        (struct event){
            .death = {.registry = true, .unjoined = 2, .threads = "`flush` of cache.c:88"}
    },
        true);
    answer(true, &all_seen, NULL);
    CK_FINDING(FINDING_THREADS, false, KNOWN_SEEN);
    ck_said(r, "; not joined: `flush` of cache.c:88");
    ck_assert_uint_eq(certificate()->toll.unjoined, 2);
    ck_assert(certificate()->warning);
}
END_TEST

START_TEST(a_registry_that_could_not_be_read_proves_nothing)
{
    end_of_the_first((struct event){0}, true);
    answer(true, &all_seen, NULL);
    CK_FINDING(FINDING_THREADS, true, KNOWN_CONCLUDED);
}
END_TEST

RIM_SUITE_MAIN("survey", what_was_seen_is_certified_as_seen_and_the_snapshot_is_there_until_then,
               who_is_left_is_in_the_certificate_which_does_not_say_that_all_are_gone,
               a_death_that_nobody_saw_is_only_concluded,
               without_an_answer_nothing_is_called_seen_that_was_not,
               an_answer_that_never_comes_is_waited_for_ten_seconds,
               a_stop_waits_for_it_and_not_beyond_its_budget,
               threads_are_joined_when_each_registry_says_so,
               threads_that_nobody_joined_are_counted_and_named,
               a_registry_that_could_not_be_read_proves_nothing)
