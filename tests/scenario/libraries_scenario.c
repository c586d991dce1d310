/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Workers that run a library of before its upgrade. */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

#define LIBRARY "libgreeting.so.1"
#define WEB                                                                                   \
    "  web:\n    workers: 2\n    command: [./actor, map=" LIBRARY ", ready]\n    directory: " \
    "%s\n    watch: {binary: true}\n"
#define OTHER "  other:\n    command: [./actor, ready]\n    directory: %s\n"

static void
upgrade(void)
{
    scn_copy(LIBRARY, "/bin/true", "another version");
}

static void
begin(void)
{
    upgrade();
    scn_config(WEB OTHER, scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    (void)scn_await_any("event=verdict service=other outcome=serving gen=1", 10000);
}

/* needs_reload of one service: "true", "false", "null", or "" when nothing is said. */
static const char *
needs(const char *service)
{
    auto_free char *out = NULL;
    const char *said = "";
    json_t *status, *s;

    ck_assert_int_eq(scn_cli(&out, "status", service, "--json", NULL), 0);
    status = json_loads(out, 0, NULL);
    s = json_array_get(json_object_get(status, "services"), 0);
    s = json_object_get(s, "needs_reload");
    if (s)
        said = json_is_true(s) ? "true" : json_is_false(s) ? "false" : "null";
    json_decref(status);
    return said;
}

/* What was seen a moment ago is told again, so ask until it was looked at anew. */
static void
await_need(const char *service)
{
    for (int i = 0; i < 2000 && strcmp(needs(service), "true") != 0; i++)
        continue;
    ck_assert_str_eq(needs(service), "true");
}

START_TEST(a_worker_that_runs_a_replaced_library_is_named_until_it_is_relieved)
{
    auto_free char *text = NULL;
    unsigned fds;

    begin();
    fds = scn_baseline();
    ck_assert_str_eq(needs("web"), "false");
    upgrade();
    await_need("web");
    (void)scn_await("event=needs_reload service=web gen=1 files=1 ~" LIBRARY, 10000);
    ck_assert_str_eq(needs("other"), "false");
    ck_assert_int_eq(scn_cli(&text, "status", NULL), 0);
    ck_assert_msg(strstr(text, "NEEDS A RELOAD: runs what was replaced on disk: " LIBRARY "\n"),
                  "%s", text);
    (void)scn_kill_master(); /* the next one sees it too, and tells nobody twice */
    ck_assert_str_eq(needs("web"), "true");
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    ck_assert_str_eq(needs("web"), "false");
    ck_assert_uint_eq(scn_count("event=needs_reload"), 1);
    (void)scn_await_any("event=certificate service=web gen=1", 10000);
    scn_after(fds);
}
END_TEST

/* Its own program was replaced: a reload is about that by itself, and says what came of it. */
START_TEST(a_program_that_is_rejected_is_not_called_outdated)
{
    begin();
    ck_assert_str_eq(needs("other"), "false");
    scn_copy("actor", "/bin/false", "");
    (void)scn_await("event=verdict service=other outcome=rejected", 20000);
    ck_assert_str_eq(needs("other"), "false");
    ck_assert_uint_eq(scn_count("event=needs_reload"), 0);
}
END_TEST

/* Nobody asks: the linker's cache is written at the end of an upgrade, and that is enough. */
START_TEST(the_end_of_an_upgrade_is_noticed_without_being_asked)
{
    struct stat st;

    if (stat("/etc/ld.so.cache", &st) == -1 || access("/etc/ld.so.cache", W_OK) == -1)
        return; /* only root can do as if */
    begin();
    upgrade();
    ck_assert_int_eq(
        utimensat(AT_FDCWD, "/etc/ld.so.cache", (struct timespec[2]){st.st_atim, st.st_mtim}, 0),
        0);
    (void)scn_await("event=needs_reload service=web gen=1", 10000);
}
END_TEST

scn_main("libraries", a_worker_that_runs_a_replaced_library_is_named_until_it_is_relieved,
         a_program_that_is_rejected_is_not_called_outdated,
         the_end_of_an_upgrade_is_noticed_without_being_asked)
