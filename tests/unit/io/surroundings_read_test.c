/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This machine, and one with files mounted as containers do it. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/spec.h"
#include "supervisor/io/surroundings.h"
#include "tests/unit/io/own_dir.h"
#include "tests/unit/unit.h"

static struct spec *
configured(const char *text)
{
    struct diagnostics diags = {0};
    struct spec *spec = NULL;

    ck_assert_int_eq(config_parse("test", text, strlen(text), &spec, &diags), 0);
    diagnostics_finish(&diags);
    return spec;
}

START_TEST(the_place_we_are_in_is_read)
{
    char *envp[] = {(char[]){"NOTIFY_SOCKET=/x"}, (char[]){"container=lxc"},
                    (char[]){"STINT_TIMEOUT_STOP_SEC=7"}, (char[]){"STINT_FDSTORE_MAX=3"}, NULL};
    struct spec *spec = configured("version: 1\nservices: {a: {command: [/bin/true]}}\n");
    struct surroundings_facts facts;
    struct surroundings found;
    struct rlimit limit;

    surroundings_read(spec, envp, &facts);
    ck_assert_int_eq(facts.pid, getpid());
    ck_assert_uint_eq(facts.uid, geteuid());
    ck_assert(facts.systemd);
    ck_assert_str_eq(facts.container, "lxc");
    ck_assert_str_eq(facts.timeout_stop_sec, "7");
    ck_assert_str_eq(facts.fdstore_max, "3");
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert(limit.rlim_cur == RLIM_INFINITY || (int64_t)limit.rlim_cur == facts.nofile);
    ck_assert_int_eq(facts.inotify, 0);
    ck_assert_int_ge(facts.max_watches, 1);
    ck_assert_uint_eq(facts.mounted.n, 0);
    ck_assert_int_eq(surroundings_judge(&facts, spec, &found), 0);
    ck_assert_str_eq(found.items[0].word, "user");
    surroundings_finish(&found);
    surroundings_facts_finish(&facts);
    spec_destroy(spec);
}
END_TEST

/* A program, a file it watches, its env_file: each mounted over itself, as containers do. */
static int
check_in_a_mount_namespace(const struct spec *spec)
{
    static const char *const names[] = {"web", "web.conf", "web.env"};
    struct strv said = {NULL, 0};
    struct rlimit low = {60, 60};

    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1 && unshare(CLONE_NEWNS) == -1)
        return 77;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
        return 77;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (mount(full(names[i]), full(names[i]), NULL, MS_BIND, NULL) == -1)
            return 77;
    if (setrlimit(RLIMIT_NOFILE, &low) == -1 || surroundings_check(spec, &said) != 0)
        return 1;
    for (size_t i = 0; i < said.n; i++)
        printf("%s\n", said.items[i]);
    if (said.n != 4 || !strstr(said.items[0], "the limit is 60"))
        return 2;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strstr(said.items[1], full(names[i])) && !strstr(said.items[2], full(names[i])) &&
            !strstr(said.items[3], full(names[i])))
            return 3;
    strv_finish(&said);
    return 0;
}

START_TEST(a_directory_that_is_not_there_yet_can_be_made_or_not)
{
    char *envp[] = {NULL};
    char text[512];
    struct surroundings_facts facts;
    struct spec *spec;

    own_dir_enter();
    (void)snprintf(text, sizeof(text),
                   "version: 1\nruntime_dir: %s/not/there\nstate_dir: /dev/null/there\n"
                   "services: {a: {command: [/bin/true]}}\n",
                   own_dir);
    spec = configured(text);
    surroundings_read(spec, envp, &facts);
    ck_assert_int_eq(facts.runtime_dir, 0);
    ck_assert_int_lt(facts.state_dir, 0);
    surroundings_facts_finish(&facts);
    spec_destroy(spec);
    own_dir_leave();
}
END_TEST

START_TEST(check_warns_of_single_files_and_of_a_low_limit)
{
    auto_text struct text text = TEXT_INIT;
    struct strv said = {NULL, 0};
    struct spec *spec;
    int status = 0;
    pid_t pid;

    own_dir_enter();
    put("web", "#!/bin/sh\n");
    put("web.conf", "x");
    put("web.env", "A=b\n");
    text_addf(&text,
              "version: 1\nservices: {web: {directory: %s, command: [./web], env_file: web.env,"
              " watch: {paths: [web.conf]}}}\n",
              own_dir);
    spec = configured(text_str(&text));
    ck_assert_int_eq(surroundings_check(spec, &said), 0);
    ck_assert_uint_eq(said.n, 0);
    pid = fork();
    if (pid == 0)
        _exit(check_in_a_mount_namespace(spec));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WEXITSTATUS(status) == 77)
        printf("SKIP check_warns_of_single_files_and_of_a_low_limit: no mount namespace here\n");
    else
        ck_assert_int_eq(status, 0);
    own_dir_leave();
    spec_destroy(spec);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("surroundings_read");
    TCase *t = tcase_create("surroundings_read");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_place_we_are_in_is_read);
    tcase_add_test(t, a_directory_that_is_not_there_yet_can_be_made_or_not);
    tcase_add_test(t, check_warns_of_single_files_and_of_a_low_limit);
    suite_add_tcase(s, t);
    return unit_main(s);
}
