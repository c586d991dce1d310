/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/outdated.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/io/process.h"

#define PROGRAM "/srv/web/web"

/* What is named in a line: NULL: nothing that counts. */
static const struct {
    const char *line, *named;
} lines[] = {
    {"7f1-7f2 r-xp 00001000 08:01 1234   /usr/lib/libssl.so.3 (deleted)\n",
     "/usr/lib/libssl.so.3\n"                                                                    },
    {"7f1-7f2 r-xp 00001000 08:01 1234   /usr/lib/lib x.so (deleted)\n",    "/usr/lib/lib x.so\n"},
    {"7f1-7f2 rwxp 00001000 08:01 1234   /a (deleted)\n",                   "/a\n"               },
    {"7f1-7f2 r-xp 00001000 08:01 1234   /mnt/.nfs0000000000a1b2c3\n",
     "/mnt/.nfs0000000000a1b2c3\n"                                                               },
    {"7f1-7f2 r-xp 00001000 08:01 1234   /usr/lib/libssl.so.3\n",           NULL                 },
    {"7f1-7f2 r--p 00001000 08:01 1234   /usr/share/data (deleted)\n",      NULL                 },
    {"7f1-7f2 rw-p 00001000 08:01 1234   /usr/lib/libssl.so.3 (deleted)\n", NULL                 },
    {"7f1-7f2 r-xs 00001000 08:01 1234   /tmp/ffiXa3k2p (deleted)\n",       NULL                 }, /* a compiler's */
    {"7f1-7f2 r-xp 00000000 00:01 1234   /memfd:jit (deleted)\n",           NULL                 },
    {"7f1-7f2 r-xp 00000000 00:01 1234   /dev/zero (deleted)\n",            NULL                 },
    {"7f1-7f2 r-xp 00000000 00:01 1234   /dev/shm/code (deleted)\n",        NULL                 },
    {"7f1-7f2 r-xp 00000000 00:01 1234   /SYSV00000000 (deleted)\n",        NULL                 },
    {"7f1-7f2 r-xp 00000000 00:01 1234   /[aio] (deleted)\n",               NULL                 },
    {"7f1-7f2 r-xp 00000000 00:00 0      [vdso]\n",                         NULL                 },
    {"7f1-7f2 rwxp 00000000 00:00 0 \n",                                    NULL                 }, /* a compiler's, too */
    {"7f1-7f2 r-xp 00001000 08:01 1234   " PROGRAM " (deleted)\n",          NULL                 },
    {"7f1-7f2 r-xp 00001000 08:01 1234   " PROGRAM "2 (deleted)\n",         PROGRAM "2\n"        },
    {"7f1-7f2 r-xp 00001000 08:01 1234    (deleted)\n",                     NULL                 },
    {"",                                                                    NULL                 },
    {"nonsense\n",                                                          NULL                 },
    {"7f1-7f2 r-xp",                                                        NULL                 },
};

START_TEST(only_code_of_a_deleted_file_counts)
{
    struct outdated_answer a = {0};

    ck_assert(outdated_line(lines[_i].line, PROGRAM, &a) == (lines[_i].named != NULL));
    ck_assert_str_eq(a.files, lines[_i].named ? lines[_i].named : "");
    ck_assert_uint_eq(a.n, lines[_i].named != NULL);
}
END_TEST

START_TEST(a_file_is_named_once_and_too_many_are_only_counted)
{
    struct outdated_answer a = {0};
    char line[128];

    for (int i = 0; i < 60; i++) {
        (void)snprintf(line, sizeof(line), "1-2 r-xp 0 08:01 %d /usr/lib/lib%d.so (deleted)\n",
                       i + 1, i / 3);
        ck_assert(outdated_line(line, NULL, &a));
    }
    ck_assert_ptr_nonnull(strstr(a.files, "/usr/lib/lib7.so\n"));
    ck_assert_ptr_null(strstr(a.files, "lib8.so"));
    ck_assert_uint_ge(a.n, 20);
}
END_TEST

static const char *
map_file(const char *name)
{
    const char *path = write_file(name, "as if it were code", 0755);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    ck_assert_ptr_ne(mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0), MAP_FAILED);
    (void)close(fd);
    return path;
}

START_TEST(a_process_is_looked_at_as_the_kernel_tells_of_it)
{
    struct outdated_ask ask = {.id = 7, .pid = getpid()};
    struct outdated_answer a;

    (void)map_file("libgone.so");
    (void)map_file("libhere.so");
    (void)map_file("libodd.so (deleted)"); /* that is its name */
    ck_assert_int_eq(unlink(in_folder("libgone.so")), 0);
    outdated_read(&ask, &a);
    ck_assert_int_eq(a.error, 0);
    ck_assert_uint_eq(a.id, 7);
    ck_assert_uint_eq(a.n, 1);
    ck_assert_ptr_nonnull(strstr(a.files, "/libgone.so\n"));
    ask.program = in_folder("libgone.so");
    outdated_read(&ask, &a);
    ck_assert_uint_eq(a.n, 0);
}
END_TEST

START_TEST(what_cannot_be_told_is_an_error_and_never_a_no)
{
    struct outdated_ask ask = {.pid = fork()};
    struct outdated_answer a;

    if (ask.pid == 0)
        _exit(0);
    ck_assert_int_eq(waitid(P_PID, (id_t)ask.pid, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    outdated_read(&ask, &a);
    ck_assert_int_lt(a.error, 0); /* a zombie has nothing mapped */
    ck_assert_int_eq(waitpid(ask.pid, NULL, 0), ask.pid);
    outdated_read(&ask, &a);
    ck_assert_int_eq(a.error, -ENOENT);
    if (getuid() == 0)
        return;
    ask.pid = 1;
    outdated_read(&ask, &a);
    ck_assert_int_eq(a.error, -EACCES);
}
END_TEST

static struct text heard;
static bool ended;

static void
on_answer(void *env, const struct outdated_answer *a)
{
    (void)env;
    text_addf(&heard, "%d:%d:%u ", (int)a->id, a->error, a->n);
}

static void
on_end(void *env)
{
    (void)env;
    ended = true;
}

START_TEST(many_are_looked_at_in_a_child_and_answered_in_order)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    const struct outdated_ask asks[] = {
        {1, getpid(),  NULL},
        {2, INT32_MAX, NULL},
        {3, getpid(),  NULL}
    };
    const struct outdated_request req = {asks,      3,      mono_now_us() + 20 * US_PER_S,
                                         on_answer, on_end, NULL};
    struct outdated_look *look = NULL;

    (void)map_file("libgone.so");
    ck_assert_int_eq(unlink(in_folder("libgone.so")), 0);
    ck_assert_int_eq(outdated_start(loop, &req, &look), 0);
    while (!ended)
        ev_run(loop, EVRUN_ONCE);
    ck_assert_str_eq(text_str(&heard), "1:0:1 2:-2:0 3:0:1 ");
    text_finish(&heard);
    ev_loop_destroy(loop);
}
END_TEST

START_TEST(a_look_that_is_cancelled_says_nothing_and_leaves_nobody)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    const struct outdated_ask ask = {1, getpid(), NULL};
    const struct outdated_request req = {&ask, 1, TIME_NEVER, on_answer, on_end, NULL};
    struct outdated_look *look = NULL;

    ck_assert_int_eq(outdated_start(loop, &req, &look), 0);
    outdated_cancel(look);
    while (has_children())
        ev_run(loop, EVRUN_ONCE);
    ck_assert(!ended);
    ck_assert_uint_eq(heard.bytes, 0);
    ev_loop_destroy(loop);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("outdated");
    TCase *t = tcase_create("outdated");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, folder_remove);
    tcase_add_loop_test(t, only_code_of_a_deleted_file_counts, 0, (int)ARRAY_LEN(lines));
    tcase_add_test(t, a_file_is_named_once_and_too_many_are_only_counted);
    tcase_add_test(t, a_process_is_looked_at_as_the_kernel_tells_of_it);
    tcase_add_test(t, what_cannot_be_told_is_an_error_and_never_a_no);
    tcase_add_test(t, many_are_looked_at_in_a_child_and_answered_in_order);
    tcase_add_test(t, a_look_that_is_cancelled_says_nothing_and_leaves_nobody);
    suite_add_tcase(s, t);
    return unit_main(s);
}
