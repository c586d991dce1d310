/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Only root may become others: what they may see of each other, and that a refusal is no good news. */
#include "tests/unit/probe/capture_fixture.h"

#include <grp.h>
#include <sys/stat.h>

static pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER;

static void *
locks(void *arg)
{
    (void)pthread_mutex_lock(&taken);
    return arg;
}

static void
life(void)
{
    (void)pthread_mutex_lock(&taken);
    (void)start(1, locks);
}

static void
become(uid_t uid)
{
    if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
        _exit(94);
}

static void
another_user(void)
{
    become(65534);
    (void)prctl(PR_SET_DUMPABLE, 1); /* as a program is after exec */
    life();
}

static void
secretive(void)
{
    become(65534);
    (void)prctl(PR_SET_DUMPABLE, 0);
    life();
}

/* What a user sees: in a child, since there is no way back. */
static void
look_as(uid_t uid, const char *word)
{
    pid_t child;
    int status = -1;

    (void)await(1, WAIT_MUTEX); /* root sees it */
    child = fork();
    ck_assert_int_ne(child, -1);
    if (child == 0) {
        become(uid);
        process_facts_finish(&facts);
        if (look(0) != 0 || facts.n != 2 || facts.n_threads != 2)
            _exit(1);
        if (facts.grade != EVIDENCE_STAT || !strstr(facts.note, word))
            _exit(2);
        for (size_t i = 0; i < facts.n; i++)
            if (facts.threads[i].wait != WAIT_UNKNOWN || facts.threads[i].still)
                _exit(3);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

START_TEST(of_another_users_process_only_the_list_is_seen_and_said)
{
    actor_start(another_user);
    look_as(1, "it runs as uid 65534, the supervisor as uid 1; run stint as root");
}
END_TEST

START_TEST(an_undumpable_process_of_our_own_shows_no_more)
{
    actor_start(secretive);
    look_as(65534, "PR_SET_DUMPABLE 0");
}
END_TEST

START_TEST(a_process_of_our_own_shows_it_all)
{
    pid_t child;
    int status = -1;

    actor_start(another_user);
    (void)await(1, WAIT_MUTEX);
    child = fork();
    ck_assert_int_ne(child, -1);
    if (child == 0) {
        become(65534);
        _exit(look(0) == 0 && facts.grade == EVIDENCE_PROC && player(1) &&
                      player(1)->wait == WAIT_MUTEX && player(1)->owner == actor
                  ? 0
                  : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("capture_root");
    TCase *t = tcase_create("capture_root");

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, of_another_users_process_only_the_list_is_seen_and_said);
    tcase_add_test(t, an_undumpable_process_of_our_own_shows_no_more);
    tcase_add_test(t, a_process_of_our_own_shows_it_all);
    suite_add_tcase(s, t);
    return unit_main(s);
}
