/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The rows of the corpus, as facts: each shape of wait once with tokens and once without. What is
 * seen of real programs is in tests/corpus/; here is what has to follow from it.
 *
 * Threads: NAME[xN]=WAIT[:WHOM], in the order of their birth; the process was asked to leave, all
 * tokens are cancelled and the grace is over. Expected: NAME=VERDICT, with ! when it is the cause;
 * whoever is not named may be anything but a culprit that leaked.
 */
#include "tests/unit/probe/judge_world.h"

struct row {
    const char *id, *threads, *with, *without;
};

static const struct row rows[] = {
    {"A01 recv_forever",               "main=join:w w=cond",                            "w=leaked:blocked! main=draining",       NULL                     },
    {"A04 events_of_nothing",          "main=join:w w=epoll",                           "w=leaked:blocked!",                     NULL                     },
    {"A06 sleep_and_work",             "main=join:w w=sleep",                           "w=leaked:sleeping!",                    NULL                     },
    {"A09 never_initialised",          "main=signal w=sem",                             "w=leaked:blocked!",                     NULL                     },
    {"A10 barrier",                    "main=join:w wx3=barrier",                       "w=leaked:blocked!",                     NULL                     },
    {"A12 own_signal",                 "main=join:w w=signal",                          "w=leaked:blocked!",                     NULL                     },
    {"A14 spinning",                   "main=join:w w=spin",                            "w=leaked:spinning!",                    NULL                     },
    {"A15 thousand_mutex",             "main=join:w wx1000=mutex:self",                 "w=deadlock!",                           NULL                     },
    {"B01 no_close_range",             "main=join:w wx7=cond",                          "w=leaked:blocked!",                     NULL                     },
    {"B02 double_send",                "main=epoll w=cond",                             "w=leaked:blocked! main=draining",       NULL                     },
    {"C03 stream_never_closed",        "main=join:w w=pipe",                            "w=leaked:blocked!",                     NULL                     },
    {"C06 each_for_the_other",         "main=join:a a=cond b=cond",                     "a=leaked:blocked! b=leaked:blocked!",
     "a=leaked:blocked! b=leaked:blocked"                                                                                                                 },
    {"C10 pipe_full",                  "main=join:w w=full",                            "w=leaked:blocked!",                     NULL                     },
    {"C14 never_answered",             "main=join:w w=poll",                            "w=leaked:blocked!",                     NULL                     },
    {"C15 poller_no_close",            "main=join:w w=sleep",                           "w=leaked:sleeping!",                    NULL                     },
    {"C21 inotify_remove_wait",        "main=join:remover reader=cond remover=cond",
     "reader=leaked:blocked! remover=leaked:blocked!",                                                                           "remover=leaked:blocked!"},
    {"D01 missing_unlock",             "main=join:w w=orphan",                          "w=orphan-lock!",                        NULL                     },
    {"D02 holder_will_not_leave",      "main=join:w w=mutex:h h=epoll",
     "w=leaked:blocked h=leaked:blocked!",                                                                                       NULL                     },
    {"D03 lock_in_loop",               "main=signal w=mutex:self",                      "w=deadlock!",                           NULL                     },
    {"D04 ab_ba",                      "main=join:a a=mutex:b b=mutex:a",               "a=deadlock! b=deadlock! main=draining", NULL                     },
    {"D04 and one behind",             "main=join:c a=mutex:b b=mutex:a c=mutex:a",
     "a=deadlock! b=deadlock! c=deadlock",                                                                                       NULL                     },
    {"D05 rwr",                        "main=join:r r=rdlock w=wrlock",                 "r=deadlock! w=deadlock!",               NULL                     },
    {"D06 three_philosophers",         "main=join:a a=mutex:b b=mutex:c c=mutex:a",
     "a=deadlock! b=deadlock! c=deadlock!",                                                                                      NULL                     },
    {"E01 stop_holds_lock",            "main=join:stop stop=join:task task=mutex:stop",
     "stop=deadlock! task=deadlock!",                                                                                            NULL                     },
    {"E01 by a condition",             "main=join:stop stop=cond taskx4=mutex:stop",
     "stop=deadlock! task=deadlock",                                                                                             NULL                     },
    {"E02 send_under_lock",            "main=join:s s=cond r=mutex:s",                  "s=deadlock! r=deadlock",                NULL                     },
    {"E04 count_too_high",             "main=join:w w=cond",                            "w=leaked:blocked!",                     NULL                     },
    {"E05 close_under_lock",           "main=join:stop loop=mutex:stop stop=join:loop",
     "stop=deadlock! loop=deadlock!",                                                                                            NULL                     },
    {"E05 by the first thread",        "main=join:loop loop=mutex:main",                "main=deadlock! loop=deadlock!",
     NULL                                                                                                                                                 },
    {"F03 second_stop_blocks",         "main=cond",                                     "main=leaked:blocked!",                  NULL                     },
    {"F07 join_no_timeout",            "main=join:w w=client",                          "w=process-retained! main=draining",     NULL                     },
    {"F07 after it stopped listening", "main=join:w w=client:late",                     "w=process-retained!",                   NULL                     },
    {"F07 by a local socket",          "main=join:w w=client:unix",                     "w=process-retained!",                   NULL                     },
    {"F07 and the other way round",    "main=join:w w=database",                        "w=leaked:blocked!",                     NULL                     },
    {"G05 eintr_swallow",              "main=join:w w=pipe",                            "w=leaked:blocked!",                     NULL                     },
    {"G07 stopped",                    "main=stopped w=stopped",                        "main=stopped w=stopped",                NULL                     },
    {"G09 aio_helper",                 "main=cond w=aio",                               "w=runtime main=leaked:blocked!",        NULL                     },
    {"G17 respawner",                  "main=join:r r=join:c c=newborn",                "r=leaked:sleeping!",                    NULL                     },
    {"G23 plain_owner_died",           "main=join:w wx3=orphan",                        "w=orphan-lock!",                        NULL                     },
    {"a wait in the kernel",           "main=join:w w=disk",                            "w=stuck:kernel main=draining",          NULL                     },
    {"a chain of joins",               "main=join:a a=join:b b=join:c c=spin",
     "c=leaked:spinning! a=leaked:blocked b=leaked:blocked",                                                                     NULL                     },
    {"a child that is waited for",     "main=child",                                    "main=process-retained!",                NULL                     },
    {"a file lock",                    "main=join:w w=flock",                           "w=leaked:blocked!",                     NULL                     },
    {"a sleeping holder",              "main=join:w w=mutex:h h=sleep",                 "w=leaked:blocked h=leaked:sleeping!",
     NULL                                                                                                                                                 },
    {"half a circle",                  "main=join:a a=mutex:b b=timed:a",               "b=leaked:sleeping!",                    NULL                     },
};

/* ---- threads from words ---------------------------------------------------------------------- */

static struct thread_facts *
named(const char *name)
{
    for (size_t i = 0; i < w.n; i++)
        if (strcmp(w_threads[i].comm, name) == 0)
            return &w_threads[i];
    ck_abort_msg("no thread '%s'", name);
    return NULL;
}

static const struct {
    const char *word;
    enum wait_class wait;
} plain[] = {
    {"cond",    WAIT_COND   },
    {"sem",     WAIT_SEM    },
    {"barrier", WAIT_BARRIER},
    {"epoll",   WAIT_EPOLL  },
    {"poll",    WAIT_POLL   },
    {"signal",  WAIT_SIGNAL },
    {"child",   WAIT_CHILD  },
    {"flock",   WAIT_FLOCK  },
    {"disk",    WAIT_KERNEL },
    {"stopped", WAIT_STOPPED}
};

static void
wait_on_fd(struct thread_facts *t, const char *what, const char *whom)
{
    if (strcmp(what, "pipe") == 0) {
        waits_fd(t, WAIT_READ, 7, "pipe:[4]");
        (void)snprintf(t->fd_peer, sizeof(t->fd_peer), "this process");
    } else if (strcmp(what, "full") == 0) {
        waits_fd(t, WAIT_WRITE, 8, "pipe:[5]");
    } else if (strcmp(what, "database") == 0) {
        waits_fd(t, WAIT_READ, 9, "tcp 10.0.0.1:40112 → 10.0.0.9:5432");
        w.connections = 1;
    } else if (strcmp(whom, "unix") == 0) {
        waits_fd(t, WAIT_READ, 9, "unix /run/app.sock");
        w.connections = 1;
    } else if (strcmp(whom, "late") == 0) {
        waits_fd(t, WAIT_POLL, 9, "tcp 127.0.0.1:40112 → 127.0.0.1:50001");
        w.connections = 1;
    } else {
        waits_fd(t, WAIT_READ, 9, "tcp 10.0.0.1:80 ← 10.0.0.7:4711");
        w.connections = 1;
    }
}

static void
wait_odd(struct thread_facts *t, const char *what)
{
    if (strcmp(what, "sleep") == 0) {
        sleeps_each(t, 50 * US_PER_MS);
    } else if (strcmp(what, "spin") == 0) {
        spins(t);
    } else if (strcmp(what, "orphan") == 0) {
        waits(t, WAIT_MUTEX)->owner = 99999;
        t->owner_gone = true;
    } else if (strcmp(what, "newborn") == 0) {
        t->fresh = true;
        t->still = false;
        t->started_us = NOW_US - 20 * US_PER_MS;
        sleeps_each(t, 20 * US_PER_MS);
    } else if (strcmp(what, "aio") == 0) {
        t->claimed = false;
        t->business = -1;
        t->start.business = t->frames[0].business = false;
        (void)snprintf(t->start.module, sizeof(t->start.module), "libc.so.6");
        (void)snprintf(t->start.function, sizeof(t->start.function), "handle_fildes_io");
    } else if (strstr(what, "lock")) {
        waits(t, WAIT_RWLOCK)->object = 0x7000;
        t->value = 1;
        (void)snprintf(t->object_note, sizeof(t->object_note), "wants to %s",
                       what[0] == 'r' ? "read" : "write");
    } else {
        ck_abort_msg("what is '%s'?", what);
    }
}

static void
wait_as(struct thread_facts *t, const char *what, const char *whom)
{
    static const char *const fds[] = {"pipe", "full", "client", "database"};

    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (strcmp(plain[i].word, what) == 0) {
            waits(t, plain[i].wait);
            t->state = 'S';
            if (t->wait == WAIT_KERNEL)
                t->state = 'D';
            if (t->wait == WAIT_STOPPED)
                t->state = 'T';
            return;
        }
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (strcmp(fds[i], what) == 0) {
            wait_on_fd(t, what, whom);
            return;
        }
    if (strcmp(what, "join") == 0) {
        joins(t, named(whom));
        t->still = !named(whom)->fresh;
    } else if (strcmp(what, "mutex") == 0) {
        waits_lock(t, strcmp(whom, "self") == 0 ? t : named(whom));
    } else if (strcmp(what, "timed") == 0) {
        waits_lock(t, named(whom))->timeout_us = US_PER_S;
    } else {
        wait_odd(t, what);
    }
}

static void
each_word(const char *list, void (*fn)(char *word, bool tokens), bool tokens)
{
    char copy[200], *save = NULL;

    (void)snprintf(copy, sizeof(copy), "%s", list);
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        fn(word, tokens);
}

static void
make(char *word, bool tokens)
{
    char *times = strchr(word, 'x');
    unsigned n = 1;

    *strchr(word, '=') = '\0';
    if (times && times > word && times[1] >= '0' && times[1] <= '9') {
        n = (unsigned)strtoul(times + 1, NULL, 10);
        *times = '\0';
    }
    if (strcmp(word, "main") == 0) {
        w_main(WAIT_COND, tokens);
        return;
    }
    for (; n > 0; n--)
        if (tokens)
            (void)cancelled(w_thread(word), LONG_AGO);
        else
            (void)w_thread(word);
}

/* Newborn ones first: who joins them has to know. */
static void
set(char *word, bool newborn)
{
    char *what = strchr(word, '='), *whom, *times;

    *what++ = '\0';
    whom = strchr(what, ':');
    if (whom)
        *whom++ = '\0';
    times = strchr(word, 'x');
    if (times && times > word && times[1] >= '0' && times[1] <= '9')
        *times = '\0';
    if ((strcmp(what, "newborn") == 0) != newborn)
        return;
    for (size_t i = 0; i < w.n; i++)
        if (strcmp(w_threads[i].comm, word) == 0)
            wait_as(&w_threads[i], what, whom ? whom : "");
}

/* ---- what has to follow --------------------------------------------------------------------------- */

static bool expected[W_MAX];
static const char *row_id;

static void
expect(char *word, bool tokens)
{
    char *verdict = strchr(word, '=');
    bool cause;

    *verdict++ = '\0';
    cause = verdict[strlen(verdict) - 1] == '!';
    if (cause)
        verdict[strlen(verdict) - 1] = '\0';
    for (size_t i = 0; i < w.n; i++) {
        if (strcmp(w_threads[i].comm, word) != 0)
            continue;
        expected[i] = true;
        ck_assert_msg(strcmp(verdict_name(js.of[i].verdict), verdict) == 0 &&
                          (js.of[i].culprit == cause),
                      "%s, %s tokens: %s is %s%s: %s", row_id, tokens ? "with" : "without", word,
                      verdict_name(js.of[i].verdict), js.of[i].culprit ? "!" : "", text_str(&told));
    }
}

static void
play(const struct row *row, bool tokens)
{
    row_id = row->id;
    w_begin();
    w_asked(LONG_AGO);
    each_word(row->threads, make, tokens);
    each_word(row->threads, set, true);
    each_word(row->threads, set, false);
    w_judge();
    memset(expected, 0, sizeof(expected));
    each_word(tokens || !row->without ? row->with : row->without, expect, tokens);
    for (size_t i = 0; i < w.n; i++)
        ck_assert_msg(expected[i] || !js.of[i].culprit || !verdict_is_leak(js.of[i].verdict),
                      "%s: %s is accused: %s", row->id, w_threads[i].comm, text_str(&told));
}

START_TEST(each_row_is_judged_right_by_its_tokens)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        play(&rows[i], true);
}
END_TEST

START_TEST(each_row_is_judged_right_without_any)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        play(&rows[i], false);
}
END_TEST

/* The twins: asked, and gone or within the grace; nobody may be accused. */
START_TEST(within_the_grace_only_circles_and_orphans_are_told)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool certain = strstr(rows[i].with, "deadlock") || strstr(rows[i].with, "orphan");

        w_begin();
        w_asked(GRACE / 2);
        each_word(rows[i].threads, make, false);
        each_word(rows[i].threads, set, true);
        each_word(rows[i].threads, set, false);
        w_judge();
        ck_assert_msg(certain || js.n_leaked == 0, "%s: %s", rows[i].id, text_str(&told));
    }
}
END_TEST

int
main(void)
{
    const TTest *tests[] = {each_row_is_judged_right_by_its_tokens,
                            each_row_is_judged_right_without_any,
                            within_the_grace_only_circles_and_orphans_are_told};

    return unit_main(w_suite("probe: the rows of the corpus", tests, ARRAY_LEN(tests)));
}
