/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/io/notify.h"

START_TEST(a_message_is_understood_key_by_key)
{
    static const char text[] = "READY=1\nSTATUS=all \001well\nSTOPPING=1\nRELOADING=1\n"
                               "EXTEND_TIMEOUT_USEC=1500000\nWATCHDOG=1\nMAINPID=42\nERRNO=2\n"
                               "MONOTONIC_USEC=77\nX_PRIVATE=1\n\nBARRIER=1\nFDSTORE=1";
    struct notify_message m;

    ck_assert_int_eq(notify_parse(text, sizeof text - 1, &m), 0);
    ck_assert(m.ready && m.stopping && m.reloading && m.watchdog && m.barrier && m.fdstore);
    ck_assert(m.has_status && m.has_extend && m.has_error && m.has_monotonic);
    ck_assert_str_eq(m.status, "all ?well");
    ck_assert_uint_eq(m.extend_us, 1500000);
    ck_assert_uint_eq(m.monotonic_us, 77);
    ck_assert_int_eq(m.main_pid, 42);
    ck_assert_int_eq(m.error, 2);
    ck_assert(m.unknown == 1 && m.malformed == 0);
}
END_TEST

START_TEST(a_malformed_value_is_counted_and_changes_nothing)
{
    static const char *const bad[] = {
        "READY=0",
        "READY=",
        "READY=11",
        "EXTEND_TIMEOUT_USEC=-1",
        "MAINPID=1",
        "MAINPID=1x",
        "ERRNO=",
        "EXTEND_TIMEOUT_USEC=18446744073709551616",
        "MAINPID=2147483648",
        "BARRIER=yes",
        "=1",
        "READY",
    };
    struct notify_message m;
    char text[80];
    int n = snprintf(text, sizeof text, "X=1\n%s", bad[_i]);

    ck_assert_int_eq(notify_parse(text, (size_t)n, &m), 0);
    ck_assert_uint_eq(m.malformed, 1);
    ck_assert(!m.ready && !m.has_extend && m.main_pid == 0 && !m.has_error && !m.barrier);
}
END_TEST

START_TEST(bytes_that_are_no_message_are_told_apart)
{
    static char longer[NOTIFY_STATUS_MAX * 2] = "STATUS=";
    struct notify_message m;

    ck_assert_int_eq(notify_parse("", 0, &m), -EBADMSG);
    ck_assert_int_eq(notify_parse("\n\n", 2, &m), -EBADMSG);
    ck_assert_int_eq(notify_parse("hello", 5, &m), -EBADMSG);
    ck_assert_int_eq(notify_parse("READY=1\0", 8, &m), -EBADMSG);
    ck_assert(!m.ready);
    memset(longer + 7, 'z', sizeof longer - 7);
    ck_assert_int_eq(notify_parse(longer, sizeof longer, &m), 0);
    ck_assert_uint_eq(strlen(m.status), NOTIFY_STATUS_MAX - 1);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("notify parser");
    TCase *t = tcase_create("notify parser");

    tcase_add_test(t, a_message_is_understood_key_by_key);
    tcase_add_loop_test(t, a_malformed_value_is_counted_and_changes_nothing, 0, 12);
    tcase_add_test(t, bytes_that_are_no_message_are_told_apart);
    suite_add_tcase(s, t);
    return unit_main(s);
}
