/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is left of a generation, with a real cgroup: what no look at parents and sessions would find. */
#include "supervisor/io/leftovers.h"

#include "base/text.h"
#include "supervisor/probe/proc.h"
#include "tests/unit/io/cgroup_fixture.h"

#define FAMILY 4

static struct cgroup_tree *tree;
static struct cgroup_leaf *leaf;
static pid_t runaway;
static struct held none[1];

static bool
all_are_there(void *env)
{
    pid_t pids[16];
    int n = cgroup_leaf_pids(leaf, pids, ARRAY_LEN(pids)), asleep = 0;
    struct proc_stat st;

    (void)env;
    for (int i = 0; i < n; i++)
        asleep += proc_stat_read(pids[i], &st) == 0 && strcmp(st.comm, "sleep") == 0;
    return n == FAMILY && asleep == 2; /* they have become what they shall be */
}

/*
 * A worker has ended and left somebody behind who forked twice, took a session of its own, has no
 * environment, no descriptor of ours, and two children, one of them with a child.
 */
static void
begin(void)
{
    struct spawn_request req =
        shell(SHELL("(exec env -i setsid sh -c 'echo $$; exec >/dev/null 2>&1; "
                    "sh -c \"sleep 1000 & wait\" & sleep 1001 & wait' &)"));

    ground_begin();
    delegate(ground);
    tree = working_tree();
    leaf = leaf_of(tree, "web", 7);
    req.cgroup_fd = cgroup_leaf_fd(leaf);
    runaway = (pid_t)strtol(spawn_and_read(&req), NULL, 10);
    ck_assert_int_gt(runaway, 1);
    ck_assert(loop_until(loop, all_are_there, NULL, (int64_t)PATIENCE_MS * 1000));
}

static void
end(void)
{
    n_empty = 0;
    ck_assert_int_eq(cgroup_leaf_kill(leaf, NULL), 0);
    if (cgroup_leaf_populated(leaf) == 1)
        await_empty();
    ck_assert_int_eq(cgroup_leaf_remove(leaf, NULL), 0);
    cgroup_tree_destroy(tree);
    ground_end();
}

static const struct leftover *
named(const struct leftovers *l, const char *command)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->of[i].command, command) == 0)
            return &l->of[i];
    ck_abort_msg("nobody is called %s", command);
}

static struct leftovers
find(pid_t root, const pid_t *known, size_t n_known, bool whole, size_t max)
{
    struct leftovers_request rq = {
        .root = root,
        .leaf = cgroup_leaf_path(leaf),
        .known = known,
        .n_known = n_known,
        .whole = whole,
        .look = {.held = none, .n_held = 1, .fds = LEFTOVER_FDS},
        .max = max
    };
    struct leftovers l = {0};

    ck_assert_int_eq(leftovers_find(&rq, &l), 0);
    return l;
}

START_TEST(who_left_session_parent_and_environment_behind_is_named_with_all_below)
{
    struct leftovers l = find(0, NULL, 0, false, LEFTOVERS_MAX);
    const struct leftover *grandchild, *child;
    struct text words = TEXT_INIT;

    ck_assert_uint_eq(l.n, FAMILY);
    ck_assert_uint_eq(l.total, FAMILY);
    child = named(&l, "sleep 1001");
    ck_assert_int_eq(child->ppid, runaway);
    ck_assert_int_eq(child->session, runaway);
    grandchild = named(&l, "sleep 1000");
    ck_assert_uint_ge(grandchild->n_chain, 2);
    ck_assert_int_eq(grandchild->chain[1].pid, runaway);
    leftovers_tell(&l, none, 2, &words);
    ck_assert_msg(strncmp(text_str(&words), "4 processes of it are left: ", 28) == 0 &&
                      strstr(text_str(&words), "; and 2 more") != NULL,
                  "%s", text_str(&words));
    text_finish(&words);
    leftovers_finish(&l);
}
END_TEST

START_TEST(who_descends_from_a_worker_that_lives_is_that_ones)
{
    struct leftovers l = find(0, &runaway, 1, false, LEFTOVERS_MAX);

    ck_assert_uint_eq(l.total, 0);
    leftovers_finish(&l);
    l = find(0, &runaway, 1, true,
             LEFTOVERS_MAX); /* all of it is killed: only it itself is known */
    ck_assert_uint_eq(l.n, FAMILY - 1);
    leftovers_finish(&l);
    l = find(runaway, NULL, 0, false, LEFTOVERS_MAX);
    ck_assert_uint_eq(l.n, FAMILY - 1);
    ck_assert_int_eq(named(&l, "sleep 1000")->worker, runaway);
    leftovers_finish(&l);
}
END_TEST

START_TEST(more_than_are_told_are_counted)
{
    struct leftovers l = find(0, NULL, 0, false, 1);

    ck_assert_uint_eq(l.n, 1);
    ck_assert_uint_eq(l.total, FAMILY);
    leftovers_finish(&l);
}
END_TEST

START_TEST(membership_is_read_of_one_process_too)
{
    ck_assert(cgroup_leaf_has(leaf, runaway));
    ck_assert(!cgroup_leaf_has(leaf, getpid()));
    ck_assert(!cgroup_leaf_has(NULL, runaway));
}
END_TEST

int
main(void)
{
    Suite *s;
    TCase *t;
    int r;

    if (!arena_begin())
        return 77;
    s = suite_create("leftovers_root");
    t = tcase_create("leftovers_root");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, who_left_session_parent_and_environment_behind_is_named_with_all_below);
    tcase_add_test(t, who_descends_from_a_worker_that_lives_is_that_ones);
    tcase_add_test(t, more_than_are_told_are_counted);
    tcase_add_test(t, membership_is_read_of_one_process_too);
    suite_add_tcase(s, t);
    r = unit_main(s);
    arena_end();
    return r;
}
