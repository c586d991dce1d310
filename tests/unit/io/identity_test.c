/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pwd.h>

#include "supervisor/io/identity.h"
#include "tests/unit/io/spawn_fixture.h"

START_TEST(who_is_not_root_cannot_become_another_user)
{
    struct spawn_request req = shell(SHELL(":"));
    gid_t group = getegid();
    struct identity id = {.uid = geteuid() + 1, .gid = group, .groups = &group, .n_groups = 1};

    if (geteuid() == 0) {
        skipped("who_is_not_root_cannot_become_another_user", "root may");
        return;
    }
    req.identity = &id;
    expect_failure(&req, SPAWN_STEP_SETGROUPS, -EPERM, "stint itself does not run as root");
}
END_TEST

START_TEST(anybody_may_become_oneself)
{
    struct spawn_request req = shell(SHELL("id -u"));
    struct identity id = IDENTITY_KEEP;
    char user[16], expected[32];

    (void)snprintf(user, sizeof user, "%u", (unsigned)geteuid());
    if (!getpwuid(geteuid())) {
        skipped("anybody_may_become_oneself", "this user is in no user database");
        return;
    }
    ck_assert_int_eq(identity_resolve(user, NULL, &id, NULL), 0);
    req.identity = &id;
    (void)snprintf(expected, sizeof expected, "%s\n", user);
    ck_assert_str_eq(spawn_and_read(&req), expected);
    identity_finish(&id);
}
END_TEST

START_TEST(users_and_groups_that_are_not_there_are_named)
{
    struct identity id = IDENTITY_KEEP;
    struct error error;

    ck_assert_int_eq(identity_resolve("no-such-user", NULL, &id, &error), -ENOENT);
    ck_assert_str_eq(error.text, "there is no user 'no-such-user'");
    ck_assert_int_eq(identity_resolve(NULL, "no-such-group", &id, &error), -ENOENT);
    ck_assert_str_eq(error.text, "there is no group 'no-such-group'");
    ck_assert_int_eq(identity_resolve("123456", NULL, &id, &error), -ENOENT);
    ck_assert_int_eq(identity_resolve("123456", "7", &id, &error), 0);
    ck_assert(id.uid == 123456 && id.gid == 7 && id.n_groups == 1 && id.groups[0] == 7);
    identity_finish(&id);
    ck_assert_int_eq(identity_resolve("root", NULL, &id, &error), 0);
    ck_assert_str_eq(id.home, "/root");
    ck_assert_uint_ge(id.n_groups, 1);
    identity_finish(&id);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("identity");
    TCase *t = tcase_create("identity");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, folder_remove);
    tcase_add_test(t, who_is_not_root_cannot_become_another_user);
    tcase_add_test(t, anybody_may_become_oneself);
    tcase_add_test(t, users_and_groups_that_are_not_there_are_named);
    suite_add_tcase(s, t);
    return unit_main(s);
}
