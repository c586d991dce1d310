/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leaves, with real cgroups and real processes that run away. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/unit/io/cgroup_fixture.h"

/* What a master does with a generation that will not go. */
START_TEST(whoever_ran_away_is_found_in_the_leaf_and_killed_with_it)
{
    struct cgroup_tree *tree;
    struct cgroup_leaf *leaf;
    struct error error = {0};
    pid_t pids[8], runaway;

    delegate(ground);
    tree = working_tree();
    leaf = leaf_of(tree, "web", 7);
    ck_assert(there(below(ground, "web.7")));
    ck_assert_int_eq(cgroup_leaf_populated(leaf), 0);
    runaway = escapee_in(leaf);
    ck_assert_int_eq(cgroup_leaf_populated(leaf), 1);
    ck_assert_int_eq(cgroup_leaf_pids(leaf, pids, ARRAY_LEN(pids)), 1);
    ck_assert_int_eq(pids[0], runaway);
    ck_assert_int_eq(cgroup_leaf_remove(leaf, &error), -EBUSY);
    ck_assert_msg(strstr(error.text, "web.7") != NULL, "%s", error.text);
    ck_assert_uint_eq(n_empty, 0);
    ck_assert_int_eq(cgroup_leaf_kill(leaf, NULL), 0);
    await_empty();
    ck_assert_int_eq(cgroup_leaf_populated(leaf), 0);
    ck_assert_int_eq(cgroup_leaf_pids(leaf, pids, ARRAY_LEN(pids)), 0);
    ck_assert_int_eq(cgroup_leaf_remove(leaf, NULL), 0);
    ck_assert(!there(below(ground, "web.7")));
    cgroup_tree_destroy(tree);
}
END_TEST

START_TEST(stint_itself_stands_aside_and_goes_back_at_the_end)
{
    struct cgroup_tree *tree;
    auto_fd int fd = directory_of(ground);
    pid_t me = getpid(), pids[4];
    auto_fd int own = -1;

    delegate(ground);
    tree = working_tree();
    ck_assert_ptr_nonnull(strstr(cgroup_words(tree), ground));
    own = directory_of(below(ground, CGROUP_OWN_NAME));
    ck_assert_int_eq(cgroup_pids(own, pids, ARRAY_LEN(pids)), 1);
    ck_assert_int_eq(pids[0], me);
    cgroup_tree_leave(tree, &me, 1);
    ck_assert(!there(below(ground, CGROUP_OWN_NAME)));
    ck_assert_int_eq(cgroup_pids(fd, pids, ARRAY_LEN(pids)), 1);
    cgroup_tree_destroy(tree);
}
END_TEST

START_TEST(what_is_not_ours_is_left_alone_unless_we_are_told)
{
    struct cgroup_tree *tree = tree_of(CGROUP_AUTO);

    ck_assert(!cgroup_tree_works(tree));
    ck_assert_ptr_nonnull(strstr(cgroup_words(tree), ground));
    ck_assert_ptr_nonnull(strstr(cgroup_words(tree), "not delegated to stint"));
    ck_assert(!there(below(ground, CGROUP_OWN_NAME)));
    cgroup_tree_destroy(tree);
    tree = tree_of(CGROUP_ON);
    ck_assert(cgroup_tree_works(tree));
    ck_assert(there(below(ground, CGROUP_OWN_NAME)));
    cgroup_tree_destroy(tree);
    tree = tree_of(CGROUP_ON); /* the next master: it does not go one deeper */
    ck_assert(!there(below(below(ground, CGROUP_OWN_NAME), CGROUP_OWN_NAME)));
    cgroup_tree_destroy(tree);
}
END_TEST

START_TEST(where_nothing_may_be_made_it_is_said_and_on_is_an_error)
{
    pid_t me = getpid();
    struct cgroup_request req = {.mode = CGROUP_ON, .own = &me, .n_own = 1};
    struct cgroup_tree *tree;
    struct error error = {0};
    auto_fd int fd = directory_of(ground);

    delegate(ground);
    ck_assert_int_eq(cgroup_file_write(fd, "cgroup.max.descendants", "0"), 0);
    tree = tree_of(CGROUP_AUTO);
    ck_assert(!cgroup_tree_works(tree));
    ck_assert_ptr_nonnull(strstr(cgroup_words(tree), "none: make "));
    cgroup_tree_destroy(tree);
    ck_assert_int_lt(cgroup_tree_create(loop, &req, &tree, &error), 0);
    ck_assert_ptr_nonnull(strstr(error.text, "cgroup: on"));
    ck_assert_ptr_nonnull(strstr(error.text, "make "));
}
END_TEST

static unsigned n_left;

static void
on_left(void *env, const char *service, uint64_t generation)
{
    ck_assert_ptr_eq(env, &n_left);
    ck_assert_str_eq(service, "lost");
    ck_assert_uint_eq(generation, 3);
    n_left++;
}

START_TEST(the_next_master_finds_the_leaves_of_the_one_before)
{
    struct cgroup_tree *tree;
    struct cgroup_leaf *leaf;
    pid_t pids[8], runaway;

    delegate(ground);
    tree = working_tree();
    runaway = escapee_in(leaf = leaf_of(tree, "web", 1));
    cgroup_leaf_close(leaf);
    (void)escapee_in(leaf = leaf_of(tree, "lost", 3));
    cgroup_leaf_close(leaf);
    cgroup_leaf_close(leaf_of(tree, "empty", 2));
    ck_assert_int_eq(mkdir(below(ground, "empty.2/made-by-a-worker"), 0755), 0);
    ck_assert_int_eq(mkdir(below(ground, "somebody-else"), 0755), 0);
    cgroup_tree_destroy(tree);

    tree = working_tree();
    leaf = leaf_of(tree, "web", 1);
    ck_assert_int_eq(cgroup_leaf_populated(leaf), 1);
    ck_assert_int_eq(cgroup_leaf_pids(leaf, pids, ARRAY_LEN(pids)), 1);
    ck_assert_int_eq(pids[0], runaway);
    ck_assert_int_eq(cgroup_tree_sweep(tree, on_left, &n_left), 1);
    ck_assert_uint_eq(n_left, 1);
    ck_assert(!there(below(ground, "empty.2")));
    ck_assert(there(below(ground, "lost.3")));
    ck_assert(there(below(ground, "somebody-else")));
    ck_assert_int_eq(cgroup_leaf_kill(leaf, NULL), 0);
    await_empty();
    ck_assert_int_eq(cgroup_leaf_remove(leaf, NULL), 0);
    cgroup_tree_destroy(tree);
}
END_TEST

START_TEST(two_may_not_have_one_leaf)
{
    struct cgroup_tree *tree;
    struct cgroup_leaf *leaf, *second = NULL;

    delegate(ground);
    tree = working_tree();
    leaf = leaf_of(tree, "web", 1);
    ck_assert_int_eq(cgroup_leaf_open(tree, "web", 1, &second, NULL), -EALREADY);
    ck_assert_ptr_null(second);
    cgroup_leaf_close(leaf);
    cgroup_tree_destroy(tree);
}
END_TEST

START_TEST(a_leaf_is_killed_and_removed_with_what_is_below_it)
{
    struct cgroup_tree *tree;
    struct cgroup_leaf *leaf;
    pid_t pids[8], deep;
    auto_fd int fd = -1;

    delegate(ground);
    tree = working_tree();
    leaf = leaf_of(tree, "web", 1);
    ck_assert_int_eq(mkdir(below(ground, "web.1/a"), 0755), 0);
    ck_assert_int_eq(mkdir(below(ground, "web.1/a/b"), 0755), 0);
    (void)escapee_in(leaf);
    deep = escapee_in(leaf);
    fd = directory_of(below(ground, "web.1/a/b"));
    ck_assert_int_eq(cgroup_move(fd, deep), 0);
    ck_assert_int_eq(cgroup_leaf_pids(leaf, pids, ARRAY_LEN(pids)), 2);
    ck_assert_int_eq(cgroup_leaf_pids(leaf, pids, 1), 1);
    ck_assert_int_eq(cgroup_leaf_remove(leaf, NULL), -EBUSY);
    ck_assert(there(below(ground, "web.1/a/b")));
    ck_assert_int_eq(cgroup_leaf_kill(leaf, NULL), 0);
    await_empty();
    ck_assert_int_eq(cgroup_leaf_remove(leaf, NULL), 0);
    ck_assert(!there(below(ground, "web.1")));
    cgroup_tree_destroy(tree);
}
END_TEST

START_TEST(a_kernel_without_cgroup_kill_kills_one_by_one)
{
    struct cgroup_tree *tree;
    struct cgroup_leaf *leaf;
    auto_fd int fd = -1;
    int r;

    delegate(ground);
    tree = working_tree();
    leaf = leaf_of(tree, "web", 1);
    ck_assert_int_eq(mkdir(below(ground, "web.1/a"), 0755), 0);
    fd = directory_of(below(ground, "web.1/a"));
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(cgroup_move(i % 2 ? fd : cgroup_leaf_fd(leaf), escapee_in(leaf)), 0);
    r = cgroup_kill_each(cgroup_leaf_fd(leaf));
    ck_assert_msg(r == 0 || r == -EAGAIN, "%d", r); /* -EAGAIN: they are still dying */
    await_empty();
    ck_assert_int_eq(cgroup_leaf_remove(leaf, NULL), 0);
    cgroup_tree_destroy(tree);
}
END_TEST

static bool
is_empty(void *env)
{
    return cgroup_leaf_populated(env) == 0;
}

START_TEST(a_leaf_that_somebody_removed_is_told_empty_once)
{
    struct ev_loop *aside = ev_loop_new(EVFLAG_AUTO);
    struct cgroup_tree *tree;
    struct cgroup_leaf *leaf;

    delegate(ground);
    tree = working_tree();
    leaf = leaf_of(tree, "web", 1);
    (void)escapee_in(leaf);
    ck_assert_int_eq(cgroup_leaf_kill(leaf, NULL), 0);
    ck_assert(loop_until(aside, is_empty, leaf, (int64_t)PATIENCE_MS * 1000));
    ck_assert_int_eq(rmdir(below(ground, "web.1")), 0); /* before we heard of it */
    await_empty();
    for (unsigned i = 0; i < 100; i++)
        (void)ev_run(loop, EVRUN_NOWAIT);
    ck_assert_uint_eq(n_empty, 1);
    ev_loop_destroy(aside);
    ck_assert_int_eq(cgroup_leaf_remove(leaf, NULL), 0);
    cgroup_tree_destroy(tree);
}
END_TEST

/* A filter as older container runtimes have it: clone3 is a call that does not exist. */
static void
forbid_clone3(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {ARRAY_LEN(code), code};

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(a_child_that_cannot_be_born_in_its_cgroup_joins_it_before_the_exec)
{
    struct cgroup_tree *tree;
    struct cgroup_leaf *leaf;
    pid_t pids[8], runaway;

    delegate(ground);
    tree = working_tree();
    leaf = leaf_of(tree, "web", 1);
    forbid_clone3();
    runaway = escapee_in(leaf);
    ck_assert_int_eq(cgroup_leaf_pids(leaf, pids, ARRAY_LEN(pids)), 1);
    ck_assert_int_eq(pids[0], runaway);
    ck_assert_int_eq(cgroup_leaf_kill(leaf, NULL), 0);
    await_empty();
    cgroup_leaf_close(leaf);
    cgroup_tree_destroy(tree);
}
END_TEST

/* own_mounts - a mount namespace in which @point is the only cgroup v2. */
static void
own_mounts(const char *point)
{
    struct mount_entry m;
    auto_free char *text = NULL;

    ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
    ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    ck_assert_int_eq(file_read(MOUNTINFO_PATH, MOUNTINFO_MAX, &text, NULL, NULL), 0);
    ck_assert_int_eq(mount("cgroup2", point, "cgroup2", 0, NULL), 0);
    for (const char *at = text; (at = mountinfo_next(at, &m));)
        if (strcmp(m.type, "cgroup2") == 0)
            ck_assert_int_eq(umount2(m.point, MNT_DETACH), 0);
}

START_TEST(the_root_of_a_containers_cgroup_namespace_is_ours)
{
    const char *point = in_folder("cgroup");
    struct cgroup_tree *tree;
    char own[PATH_MAX];

    (void)snprintf(own, sizeof own, "%s/%s", point, CGROUP_OWN_NAME);
    ck_assert_int_eq(mkdir(point, 0755), 0);
    ck_assert_int_eq(unshare(CLONE_NEWCGROUP), 0); /* its root is `ground` */
    own_mounts(point);
    tree = working_tree();
    ck_assert_ptr_nonnull(strstr(cgroup_words(tree), point));
    ck_assert(there(own));
    cgroup_tree_destroy(tree);
    tree = working_tree(); /* and from within */
    ck_assert(!there(below(own, CGROUP_OWN_NAME)));
    cgroup_tree_leave(tree, (pid_t[]){getpid()}, 1);
    cgroup_tree_destroy(tree);
    ck_assert_int_eq(umount2(point, MNT_DETACH), 0);
    folder_remove();
    _exit(0); /* there is no way back from here */
}
END_TEST

START_TEST(a_read_only_cgroup_is_not_touched)
{
    const char *point = in_folder("readonly");
    struct cgroup_tree *tree;

    ck_assert_int_eq(mkdir(point, 0755), 0);
    own_mounts(point);
    ck_assert_int_eq(mount(NULL, point, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    tree = tree_of(CGROUP_AUTO);
    ck_assert(!cgroup_tree_works(tree));
    ck_assert_ptr_nonnull(strstr(cgroup_words(tree), "none: cgroup v2 is mounted read-only at "));
    cgroup_tree_destroy(tree);
    ck_assert_int_eq(umount2(point, MNT_DETACH), 0);
    folder_remove();
    _exit(0); /* as above */
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
    s = suite_create("cgroup_root");
    t = tcase_create("cgroup_root");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, ground_begin, ground_end);
    tcase_add_test(t, whoever_ran_away_is_found_in_the_leaf_and_killed_with_it);
    tcase_add_test(t, stint_itself_stands_aside_and_goes_back_at_the_end);
    tcase_add_test(t, what_is_not_ours_is_left_alone_unless_we_are_told);
    tcase_add_test(t, where_nothing_may_be_made_it_is_said_and_on_is_an_error);
    tcase_add_test(t, the_next_master_finds_the_leaves_of_the_one_before);
    tcase_add_test(t, two_may_not_have_one_leaf);
    tcase_add_test(t, a_leaf_is_killed_and_removed_with_what_is_below_it);
    tcase_add_test(t, a_kernel_without_cgroup_kill_kills_one_by_one);
    tcase_add_test(t, a_leaf_that_somebody_removed_is_told_empty_once);
    tcase_add_test(t, a_child_that_cannot_be_born_in_its_cgroup_joins_it_before_the_exec);
    tcase_add_test(t, the_root_of_a_containers_cgroup_namespace_is_ours);
    tcase_add_test(t, a_read_only_cgroup_is_not_touched);
    suite_add_tcase(s, t);
    r = unit_main(s);
    arena_end();
    return r;
}
