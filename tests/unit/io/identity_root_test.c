/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Only root may become another user. */
#include "tests/unit/unit.h"

#include "supervisor/io/identity.h"
#include "tests/unit/io/spawn_fixture.h"

START_TEST(the_user_its_groups_and_nobody_else)
{
    struct spawn_request req = shell(SHELL("id -u; id -g; id -G; id -u -r"));
    struct identity id = IDENTITY_KEEP;
    struct error error;
    char expected[64];

    ck_assert_msg(identity_resolve("nobody", "daemon", &id, &error) == 0, "%s", error.text);
    req.identity = &id;
    (void)snprintf(expected, sizeof expected, "%u\n%u\n", (unsigned)id.uid, (unsigned)id.gid);
    ck_assert_msg(strncmp(spawn_and_read(&req), expected, strlen(expected)) == 0, "%s", expected);
    ck_assert_ptr_null(strstr(spawn_and_read(&req), "\n0"));
    identity_finish(&id);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("identity_root");
    TCase *t = tcase_create("identity_root");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_user_its_groups_and_nobody_else);
    suite_add_tcase(s, t);
    return unit_main(s);
}
