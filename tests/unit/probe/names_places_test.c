/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which symbol an address is in, and from which file that is known. */
#include <sys/stat.h>

#include "base/fd.h"
#include "supervisor/probe/names_internal.h"
#include "tests/unit/probe/names_fixture.h"

static char dir[64];

/* copied - the program as @name in a directory of its own. */
static const char *
copied(const char *variant, const char *name)
{
    static char path[128];
    char program[512];
    auto_free char *bytes = NULL;
    size_t n;

    (void)snprintf(dir, sizeof(dir), "/tmp/names-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(program, sizeof(program), NAMES_SUBJECTS "/names-subject-%s", variant);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    ck_assert_int_eq(file_read(program, 64 << 20, &bytes, &n, NULL), 0);
    ck_assert_int_eq(file_swap(path, bytes, n, 0755, NULL), 0);
    return path;
}

static void
expect_named(const char *file)
{
    struct seen *s = thread();

    ck_assert_msg(s->business >= 0 && !strcmp(s->places[s->business].function, "business_cond"),
                  "%s; %s", describe(s), names_note(names));
    ck_assert_msg(!file || has_frame(s, "business_cond", file), "%s", describe(s));
}

START_TEST(a_variable_is_told_with_the_offset_in_it)
{
    static const struct {
        const char *variant, *shape, *symbol;
        uint64_t offset;
    } of[] = {
        {"O0",       "sem",  "tickets", 0},
        {"O2",       "sem",  "tickets", 0},
        {"nopie",    "sem",  "tickets", 0},
        {"static",   "sem",  "tickets", 0},
        {"exported", "cond", "jobs",    0},
        {"O2",       "cond", "jobs",    0}
    };
    struct seen *s;

    begin(of[_i].variant, of[_i].shape);
    look(2);
    s = thread();

    ck_assert_str_eq(s->object.function, of[_i].symbol);
    if (!strcmp(of[_i].shape, "cond")) /* some word of the condition, which is behind the mutex */
        ck_assert(s->object.offset >= 8 + sizeof(pthread_mutex_t) &&
                  s->object.offset < 8 + sizeof(pthread_mutex_t) + sizeof(pthread_cond_t));
    else
        ck_assert_uint_eq(s->object.offset, of[_i].offset);
    ck_assert_int_eq(strncmp(s->object.module, "names-subject-", 14), 0);
    end();
}
END_TEST

START_TEST(without_symbols_a_variable_is_module_and_offset)
{
    struct seen *s;

    begin("stripped", "sem");
    look(2);
    s = thread();

    ck_assert_str_eq(s->object.function, "");
    ck_assert_str_eq(s->object.module, "names-subject-stripped");
    ck_assert_uint_gt(s->object.offset, 0);
    ck_assert_uint_lt(s->object.offset, 1 << 20);
    end();
}
END_TEST

START_TEST(what_lies_on_a_stack_or_nowhere_is_in_no_module)
{
    struct proc_syscall call;
    struct place place;

    begin("O0", "read");
    look(2);
    ck_assert_int_eq(proc_syscall_read(subject, thread()->tid, &call), 0);

    ck_assert(!names_object(names, call.sp, &place));
    ck_assert_str_eq(place.module, "");
    ck_assert_str_eq(place.function, "");
    ck_assert(!names_object(names, 8, &place));
    ck_assert(!names_object(names, UINT64_MAX, &place));
    end();
}
END_TEST

START_TEST(functions_of_libc_tell_what_they_wait_for)
{
    static const struct {
        const char *shape;
        enum wait_class class;
    } of[] = {
        {"cond", WAIT_COND},
        {"read", WAIT_READ},
        {"poll", WAIT_POLL}
    };
    enum wait_class class = WAIT_UNKNOWN;
    struct seen *s;

    begin("O2", of[_i].shape);
    look(2);
    s = thread();
    for (int k = 0; k < s->business && class == WAIT_UNKNOWN; k++)
        class = names_wait_class(s->places[k].function);

    ck_assert_int_eq(class, of[_i].class);
    ck_assert_int_eq(names_wait_class("__GI___pthread_mutex_lock"), WAIT_MUTEX);
    ck_assert_int_eq(names_wait_class("__new_sem_wait_slow64.constprop.0"), WAIT_SEM);
    ck_assert_int_eq(names_wait_class("pthread_cond_waiter"), WAIT_UNKNOWN);
    ck_assert_int_eq(names_wait_class(""), WAIT_UNKNOWN);
    end();
}
END_TEST

static void
stack_is(struct place *places, const char *const *functions, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        places[i] = (struct place){.business = true};
        (void)snprintf(places[i].function, sizeof(places[i].function), "%s", functions[i]);
        places[i].business = strncmp(functions[i], "stint_", 6) != 0;
    }
}

/* libstint.a is in the program: what its waits call has names that anybody's functions may have. */
START_TEST(what_a_wait_of_libstint_calls_is_nobodys_business)
{
    static const char *const waits[] = {"futex", "poll_until", "stint_token_wait", "flush_run"};
    static const char *const called[] = {"on_cancel", "stint_token_cancel", "stop_all"};
    static const char *const signalled[] = {"on_signal", "__restore_rt", "futex",
                                            "stint_token_sleep", "run"};
    struct place places[5];

    stack_is(places, waits, 4);
    ck_assert_int_eq(names_business(places, 4), 3);
    ck_assert(!places[0].business && !places[1].business);
    stack_is(places, called, 3);
    ck_assert_int_eq(names_business(places, 3), 0); /* a callback is somebody's own */
    stack_is(places, signalled, 5);
    ck_assert_int_eq(names_business(places, 5), 0);
}
END_TEST

START_TEST(what_the_system_brings_counts_where_nothing_else_is)
{
    static const char *const stack[] = {"poll", "g_main_loop_run", "loop_run", "proxy"};
    struct place places[4];

    stack_is(places, stack, 4);
    places[0].business = false;
    places[1].library = places[3].library = true;
    ck_assert_int_eq(names_business(places, 4), 2);
    places[2].library = true;
    ck_assert_int_eq(names_business(places, 4), 1);

    ck_assert(kind_library("/usr/lib/x86_64-linux-gnu/libglib-2.0.so.0.7400.6"));
    ck_assert(kind_library("/lib/aarch64-linux-gnu/libev.so.4"));
    ck_assert(kind_library("/usr/lib64/libuv.so.1.0.0"));
    ck_assert(kind_library("/usr/lib/libevent-2.1.so.7"));
    ck_assert(!kind_library("/usr/lib/nginx/libmodule.so"));
    ck_assert(!kind_library("/usr/lib/x86_64-linux-gnu/app/libapp.so"));
    ck_assert(!kind_library("/opt/app/lib/libapp.so"));
    ck_assert(!kind_library("/usr/libexec/libapp.so"));
    ck_assert(!kind_library("/usr/bin/app"));
    ck_assert(!kind_library("[vdso]"));
    ck_assert(!kind_library(""));
}
END_TEST

START_TEST(a_program_that_was_deleted_is_still_read)
{
    const char *path = copied("O0", "gone");

    begin_program(path, "cond", NULL);
    ck_assert_int_eq(unlink(path), 0);
    look(2);

    expect_named("subject.c");
    ck_assert_str_eq(thread()->places[thread()->business].module, "gone");
    (void)rmdir(dir);
    end();
}
END_TEST

START_TEST(a_program_that_was_replaced_is_not_taken_for_the_new_one)
{
    static const char another[] = "\177ELF, but another";
    const char *path = copied("O0", "replaced");
    char other[96];

    begin_program(path, "cond", NULL);
    (void)snprintf(other, sizeof(other), "%s/new", dir);
    ck_assert_int_eq(file_swap(other, another, sizeof(another), 0755, NULL), 0);
    ck_assert_int_eq(rename(other, path), 0);
    look(2);

    expect_named("subject.c");
    (void)unlink(path);
    (void)rmdir(dir);
    end();
}
END_TEST

START_TEST(a_separate_debug_file_is_found)
{
    begin("split", "cond");
    look(2);

    expect_named("subject.c");
    end();
}
END_TEST

/* As in a container: its paths lead nowhere here. */
START_TEST(a_program_in_a_root_of_its_own_is_read_there)
{
    char path[128];

    if (geteuid() != 0) {
        (void)printf("SKIP: chroot() needs root\n");
        return;
    }
    (void)snprintf(path, sizeof(path), "%s", copied("static", "inside"));
    root_dir = dir;
    begin_program("/inside", "cond", NULL);
    root_dir = NULL;
    look(2);

    expect_named("subject.c");
    (void)unlink(path);
    (void)rmdir(dir);
    end();
}
END_TEST

START_TEST(a_process_that_dies_meanwhile_costs_what_was_not_seen)
{
    struct names_frame frames[8];
    struct names_stack stack;
    struct names *none = NULL;
    struct error error = {0};

    begin("O0", "cond");
    unwind_all(2);
    stack = (struct names_stack){.sp = thread()->object_address, .pc = thread()->frames[0].pc};
    ck_assert_int_eq(kill(subject, SIGKILL), 0);
    ck_assert_int_eq(waitpid(subject, NULL, 0), subject);

    ck_assert_uint_le(names_stack(names, &stack, frames, 8), 8);
    ck_assert_int_eq(names_resolve(names, mono_now_us() + 5000000), 0);
    ck_assert_int_eq(names_open(subject, &none, &error), -ESRCH);
    ck_assert_str_ne(error.text, "");
    subject = 0;
    end();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("probe.names_places");
    TCase *tc = tcase_create("places");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_variable_is_told_with_the_offset_in_it, 0, 6);
    tcase_add_test(tc, without_symbols_a_variable_is_module_and_offset);
    tcase_add_test(tc, what_lies_on_a_stack_or_nowhere_is_in_no_module);
    tcase_add_loop_test(tc, functions_of_libc_tell_what_they_wait_for, 0, 3);
    tcase_add_test(tc, what_a_wait_of_libstint_calls_is_nobodys_business);
    tcase_add_test(tc, what_the_system_brings_counts_where_nothing_else_is);
    tcase_add_test(tc, a_program_that_was_deleted_is_still_read);
    tcase_add_test(tc, a_program_that_was_replaced_is_not_taken_for_the_new_one);
    tcase_add_test(tc, a_separate_debug_file_is_found);
    tcase_add_test(tc, a_program_in_a_root_of_its_own_is_read_there);
    tcase_add_test(tc, a_process_that_dies_meanwhile_costs_what_was_not_seen);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
