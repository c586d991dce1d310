/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/exporter/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "tests/unit/unit.h"

static char path[] = "/tmp/stint-headers-XXXXXX";
static struct strv headers;
static struct error why;

static void
up(void)
{
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    (void)close(fd);
}

static void
down(void)
{
    (void)unlink(path);
    strv_finish(&headers);
}

static int
read_headers(const char *bytes, size_t n)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
    return headers_read(path, &headers, &why);
}

START_TEST(a_file_of_headers_has_one_in_each_line)
{
    static const char text[] =
        "# a comment\n\nAuthorization: Bearer x:y\r\nX-Empty:\nx_y.z: \t1 \n";

    ck_assert_int_eq(read_headers(text, strlen(text)), 0);
    ck_assert_uint_eq(headers.n, 3);
    ck_assert_str_eq(headers.items[0], "Authorization: Bearer x:y");
    ck_assert_str_eq(headers.items[1], "X-Empty:");
    ck_assert_str_eq(headers.items[2], "x_y.z: \t1");
}
END_TEST

START_TEST(what_is_no_header_is_told_by_its_line_and_not_by_its_bytes)
{
    static const char *const wrong[] = {"a: b\nsecret\n", "a: b\n: secret\n", "a: b\nse cret: x\n",
                                        "a: b\nx: sec\x01ret\n", "a: b\nx: sec\rret\n"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        ck_assert_int_eq(read_headers(wrong[i], strlen(wrong[i])), -EINVAL);
        ck_assert_msg(strstr(why.text, "line 2 is no 'NAME: VALUE'") && !strstr(why.text, "sec"),
                      "%s", why.text);
    }
    ck_assert_int_eq(read_headers("a: b\0c", 6), -EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "is no text"));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(headers_read(path, &headers, &why), -ENOENT);
    ck_assert_ptr_nonnull(strstr(why.text, "headers_file"));
}
END_TEST

START_TEST(a_file_that_is_too_large_is_refused)
{
    auto_free char *bytes = calloc(1, HEADERS_FILE_MAX + 1);

    ck_assert_ptr_nonnull(bytes);
    memset(bytes, '#', HEADERS_FILE_MAX + 1);
    ck_assert_int_eq(read_headers(bytes, HEADERS_FILE_MAX + 1), -EFBIG);
}
END_TEST

START_TEST(settings_are_what_the_master_wrote)
{
    static const char text[] =
        "{\"endpoint\":\"http://h\",\"headers\":{\"a\":\"b\",\"c\":1},\"ca_file\":\"/"
        "x\",\"timeout_ms\":"
        "5000,\"gzip\":true,\"host\":\"box\",\"version\":\"9\",\"of_the_future\":[]}";
    struct settings s;

    ck_assert_int_eq(settings_read(text, strlen(text), &s), 0);
    ck_assert_str_eq(s.endpoint, "http://h");
    ck_assert_uint_eq(s.headers.n, 1);
    ck_assert_str_eq(s.headers.items[0], "a: b");
    ck_assert_str_eq(s.ca_file, "/x");
    ck_assert_ptr_null(s.headers_file);
    ck_assert_int_eq(s.timeout_ms, 5000);
    ck_assert(s.gzip);
    settings_finish(&s);
    ck_assert_int_eq(settings_read("{}", 2, &s), -EINVAL);
    ck_assert_int_eq(settings_read("{\"endpoint\":\"x\"}", 16, &s), -EINVAL);
    ck_assert_int_eq(settings_read("\xff", 1, &s), -EINVAL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("settings");
    TCase *t = tcase_create("settings");

    tcase_add_checked_fixture(t, up, down);
    tcase_add_test(t, a_file_of_headers_has_one_in_each_line);
    tcase_add_test(t, what_is_no_header_is_told_by_its_line_and_not_by_its_bytes);
    tcase_add_test(t, a_file_that_is_too_large_is_refused);
    tcase_add_test(t, settings_are_what_the_master_wrote);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
