/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only root may do with a listener. */
#include "tests/unit/io/sockets_fixture.h"

START_TEST(a_unix_socket_belongs_to_its_owner)
{
    char *address = unix_address("s");
    struct listener_spec spec = spec_of(address);
    struct listener_owner owner = {1, 65534};
    struct listener *l;
    struct stat st;

    ck_assert_msg(listeners_acquire(&set, &spec, owner, &l, &error) == 0, "%s", error.text);
    ck_assert_int_eq(lstat(address + 5, &st), 0);
    ck_assert_uint_eq(st.st_uid, 1);
    ck_assert_uint_eq(st.st_gid, 65534);
    listener_unref(l);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("sockets_root");
    TCase *t = tcase_create("sockets_root");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, a_unix_socket_belongs_to_its_owner);
    suite_add_tcase(s, t);
    return unit_main(s);
}
