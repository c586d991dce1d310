/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A master of root, whose services belong to somebody else. Needs root. */
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

/* Who a process is, in one line of its output; then it is the actor. */
#define WHO                                                                    \
    "echo \\\"uid $(id -u) gid $(id -g) groups $(id -G) umask $(umask) files " \
    "$(ulimit -Sn) of $(ulimit -Hn) mode $MODE from $FROM home $HOME\\\"; "    \
    "exec ./actor ready"

static const struct passwd *
user(const char *name)
{
    const struct passwd *p = getpwnam(name);

    ck_assert_ptr_nonnull(p);
    return p;
}

static unsigned
group_of(const char *name)
{
    const struct group *g = getgrnam(name);

    ck_assert_ptr_nonnull(g);
    return (unsigned)g->gr_gid;
}

/* The stage is root's, and others may look at it. */
static void
open_stage(void)
{
    ck_assert_int_eq(chmod(scn_dir(), 0755), 0);
}

START_TEST(a_service_has_its_user_its_limits_and_its_environment_and_no_more)
{
    char words[256];
    unsigned fds;

    open_stage();
    scn_file("env", "FROM=file\nMODE=overridden\n");
    scn_config("  web:\n    command: [sh, -c, \"" WHO "\"]\n    directory: %s\n"
               "    user: nobody\n    group: daemon\n    umask: 0027\n"
               "    limits: {nofile: {soft: 100, hard: 200}}\n    clean_environment: true\n"
               "    environment: {MODE: production, PATH: \"/usr/bin:/bin\"}\n    env_file: env\n"
               "    drain_timeout: 2s\n",
               scn_dir());
    scn_start();
    (void)snprintf(words, sizeof(words),
                   "event=output service=web gen=1 ~uid+%u+gid+%u+groups+%u+umask+0027+files+100+"
                   "of+200+mode+production+from+file+home+%s",
                   (unsigned)user("nobody")->pw_uid, group_of("daemon"), group_of("daemon"),
                   user("nobody")->pw_dir);
    (void)scn_await(words, 10000);
    (void)scn_await_any("event=verdict service=web outcome=serving gen=1", 10000);
    fds = scn_baseline();
    scn_file("env", "FROM=another\n");
    (void)scn_await("event=output service=web gen=2 ~from+another", 10000);
    (void)scn_await_any("event=certificate service=web gen=1", 10000);
    scn_after(fds);
}
END_TEST

START_TEST(check_and_probe_run_as_the_user_of_the_service)
{
    char is_it[64];
    unsigned fds;

    (void)snprintf(is_it, sizeof(is_it), "test $(id -u) = %u", (unsigned)user("nobody")->pw_uid);
    open_stage();
    scn_config("  web:\n    command: [./actor]\n    directory: %s\n    user: nobody\n"
               "    check: [sh, -c, \"%s\"]\n    ready: {exec: [sh, -c, \"%s\"]}\n"
               "    drain_timeout: 2s\n",
               scn_dir(), is_it, is_it);
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    fds = scn_baseline();
    scn_after(fds);
}
END_TEST

START_TEST(a_socket_belongs_to_its_owner_and_serves_those_its_mode_lets_in)
{
    struct scn_answer a;
    struct stat st;
    unsigned fds;

    open_stage();
    scn_config("  web:\n    command: [./actor, ready]\n    directory: %s\n    user: nobody\n"
               "    listen: {main: {address: \"unix:%s/web.sock\", mode: 0620, owner: nobody, "
               "group: daemon}}\n    drain_timeout: 2s\n",
               scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    fds = scn_baseline();
    ck_assert_int_eq(stat(scn_path("web.sock"), &st), 0);
    ck_assert_uint_eq(st.st_uid, (unsigned)user("nobody")->pw_uid);
    ck_assert_uint_eq(st.st_gid, group_of("daemon"));
    ck_assert_uint_eq(st.st_mode & 0777, 0620);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(a.generation, 2);
    scn_after(fds);
}
END_TEST

START_TEST(a_libstint_worker_of_another_user_is_relieved_and_its_leak_is_named)
{
    unsigned fds;

    open_stage();
    scn_copy("web", getenv("WEB_BINARY"), "");
    scn_file("web.conf", "threads = 1\nleak = yes\n");
    scn_config("  web:\n    command: [./web, --config, web.conf]\n    directory: %s\n"
               "    user: nobody\n    libstint: true\n    watch: {paths: [web.conf]}\n"
               "    listen: {http: \"tcp://127.0.0.1:%d\"}\n"
               "    drain_timeout: 1s\n    leak_grace: 200ms\n",
               scn_dir(), scn_port());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    fds = scn_baseline();
    scn_file("web.conf", "threads = 1\nleak = no\n");
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 10000);
    (void)scn_await_any("event=worker_leak service=web gen=1 ~`flush-2` ~blocked+in+read", 10000);
    (void)scn_await_any("event=certificate service=web gen=1 leaks=1", 10000);
    scn_after(fds);
}
END_TEST

scn_main("users", a_service_has_its_user_its_limits_and_its_environment_and_no_more,
         check_and_probe_run_as_the_user_of_the_service,
         a_socket_belongs_to_its_owner_and_serves_those_its_mode_lets_in,
         a_libstint_worker_of_another_user_is_relieved_and_its_leak_is_named)
