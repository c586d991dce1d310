/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The door, `handoff: {require_preflight: true}`: what passed is what goes through, and nothing that changed since. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/scenario/preflight.h"

#define DOOR                                                  \
    "  web:\n"                                                \
    "    command: [%s/hello]\n"                               \
    "    libstint: true\n"                                    \
    "    drain_timeout: 2s\n"                                 \
    "    handoff: {mode: overlap, require_preflight: true}\n" \
    "    preflight: {reloads: %d%s}\n"                        \
    "%s%s"

/* One service behind its door. @block: more of its `preflight`; @lines: of the service. */
static const char *
door_of(int reloads, const char *block, const char *lines)
{
    static char config[512];

    scn_config(DOOR, scn_dir(), reloads, block,
               strstr(lines, "watch:") ? "" : "    watch: {binary: false}\n", lines);
    (void)snprintf(config, sizeof(config), "%s", scn_path("stint.yaml"));
    return config;
}

static const char *
door(const char *block, const char *lines)
{
    return door_of(1, block, lines);
}

/* … that serves. */
static const char *
served(const char *block, const char *lines)
{
    const char *config;

    scn_copy("hello", getenv("HELLO_BINARY"), "");
    config = door(block, lines);
    scn_start();
    (void)scn_await("event=generation_serving gen=1", 10000);
    return config;
}

static void
passes(const char *config, const char *argument, const char *words)
{
    auto_free char *out = NULL;

    ck_assert_int_eq(preflight("web", config, argument, &out), 0);
    ck_assert_msg(strstr(out, words) != NULL, "%s", out);
}

static void
goes_through(unsigned generation)
{
    char serves[64];

    ck_assert_int_eq(scn_cli(NULL, "reload", "web", NULL), 0);
    (void)snprintf(serves, sizeof(serves), "event=generation_serving gen=%u", generation);
    (void)scn_await(serves, 10000);
}

/* It is told why, and nobody is signalled. */
static void
is_kept_out(const char *words)
{
    auto_free char *out = NULL;
    unsigned before = scn_count("event=worker_signalled");

    ck_assert_int_eq(scn_cli(&out, "reload", "web", NULL), 1);
    ck_assert_msg(strstr(out, words) != NULL, "%s", out);
    ck_assert_uint_eq(scn_count("event=worker_signalled"), before);
}

#define NOBODY "no preflight has passed candidate"

START_TEST(what_was_built_anew_after_it_passed_has_to_pass_again)
{
    const char *config = served("", "");

    scn_copy("hello", getenv("HELLO_BINARY"), "2");
    passes(config, NULL, "the door is open");
    scn_copy("hello", getenv("HELLO_BINARY"), "3");
    is_kept_out(NOBODY);
    scn_copy("hello", getenv("HELLO_BINARY"), "2"); /* the bytes that passed, in another file */
    goes_through(2);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(environment_and_its_file_are_part_of_what_passes)
{
    const char *config;

    scn_file("web.env", "%s", "MODE=a\n");
    config = served("", "    env_file: web.env\n");
    scn_file("web.env", "%s", "MODE=b\n");
    passes(config, NULL, "the door is open");
    scn_file("web.env", "%s", "MODE=c\n");
    is_kept_out(NOBODY);
    scn_file("web.env", "%s", "MODE=b\n");
    goes_through(2);
    /* A reload that the watch asks for is told the same. */
    config = door("", "    env_file: web.env\n    environment: {MORE: '1'}\n");
    (void)scn_await("event=verdict service=web outcome=rejected ~no+preflight+has+passed", 10000);
    passes(config, NULL, "the door is open");
    goes_through(3);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(what_changes_while_it_is_rehearsed_does_not_pass)
{
    char block[512];
    const char *config;
    json_t *report;

    scn_file("build.sh", "cd %s && cp hello-next x && echo >> x && mv x hello-next\n", scn_dir());
    (void)snprintf(block, sizeof(block), ", load: [/bin/sh, %s/build.sh]", scn_dir());
    config = served(block, "");
    scn_copy("hello-next", getenv("HELLO_BINARY"), "next");
    {
        auto_text struct text flag = TEXT_INIT;
        auto_free char *out = NULL;

        text_addf(&flag, "--binary=%s", scn_path("hello-next"));
        ck_assert_int_eq(preflight("web", config, text_str(&flag), &out), 1);
        ck_assert_msg(strstr(out, "was changed while it was rehearsed") != NULL, "%s", out);
        ck_assert_msg(strstr(out, "the door is open") == NULL, "%s", out);
    }
    /* The configuration's own, likewise. */
    scn_file("web.env", "%s", "MODE=a\n");
    (void)snprintf(block, sizeof(block), ", load: [/bin/sh, -c, 'echo B=1 >> %s/web.env']",
                   scn_dir());
    report = preflight_expect("web", door(block, "    env_file: web.env\n"), "program");
    ck_assert(json_is_false(json_object_get(report, "recorded")));
    json_decref(report);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

/*
 * It is another for a while, and at the end the one that passed: @away, a shell command, in the first
 * round of load, which is before any reload; @back in the last, beside one, and so by rename, or, where
 * it is NULL, in the first, too. @words: what is said. The door stays shut.
 */
static void
put_back(const char *away, const char *back, const char *lines, const char *words)
{
    char block[512];
    const char *config;
    json_t *report;

    scn_file(
        "swap.sh",
        "cd %s && if test ! -e away; then touch away && %s; elif test ! -e $STINT_CAGE/2; then "
        "touch $STINT_CAGE/2; else %s; fi\n",
        scn_dir(), away, back ? back : ":");
    (void)snprintf(block, sizeof(block), ", load: [/bin/sh, %s/swap.sh]", scn_dir());
    config = door_of(2, block, lines);
    report = preflight_expect("web", config, "program");
    ck_assert_msg(strstr(preflight_evidence(report, "program"), words), "%s",
                  preflight_evidence(report, "program"));
    ck_assert(json_is_false(json_object_get(report, "recorded")));
    json_decref(report);
    (void)unlink(scn_path("away"));
    preflight_nothing_left();
}

START_TEST(what_is_put_back_at_the_end_was_not_what_was_rehearsed)
{
    scn_copy("hello", getenv("HELLO_BINARY"), "");
    scn_copy("other", getenv("HELLO_BINARY"), "other");
    put_back("mv hello was && cp other hello", "mv was hello", "",
             "hello' was replaced or written to while it was rehearsed, and is now as it was");
    put_back("mv hello was && cp other hello", "mv was hello", "",
             "of 3 looks at its workers only ");
    /* Written to in its place, which the kernel lets be with what an interpreter reads. */
    scn_file("hello", "%s", "#!/bin/sh\nexec ./other # a\n");
    ck_assert_int_eq(chmod(scn_path("hello"), 0755), 0);
    put_back("printf b | dd of=hello bs=1 seek=25 conv=notrunc && "
             "printf a | dd of=hello bs=1 seek=25 conv=notrunc",
             NULL, "",
             "hello' was replaced or written to while it was rehearsed, and is now as it was");
    /* Nothing that happened before, or beside it, counts. */
    json_decref(preflight_expect("web", door(", load: [touch, beside]", ""), ""));
}
END_TEST

START_TEST(an_input_that_is_put_back_is_noticed_wherever_the_name_leads)
{
    auto_text struct text links = TEXT_INIT;

    scn_copy("hello", getenv("HELLO_BINARY"), "");
    scn_file("web.env", "%s", "MODE=a\n");
    put_back("cp -p web.env was && echo MODE=b > next && mv next web.env", "mv was web.env",
             "    env_file: web.env\n", "web.env' was replaced or written to");
    /* A link that leads elsewhere for a while, as a deployment's. */
    text_addf(&links,
              "cd %s && mkdir 1 2 && echo a > 1/web.conf && echo b > 2/web.conf && ln -s 1 now",
              scn_dir());
    ck_assert_int_eq(system(text_str(&links)), 0);
    put_back("ln -s 2 next && mv -T next now", "ln -s 1 next && mv -T next now",
             "    watch: {binary: false, paths: [now/web.conf]}\n", "was replaced or written to");
    /* A directory on the way: no file in it is touched. */
    put_back("mv 1 0 && mv 2 1", "mv 1 2 && mv 0 1",
             "    watch: {binary: false, paths: [1/web.conf]}\n", "was replaced or written to");
    /* What was not there, and is gone again. */
    put_back("echo x > more.conf", "rm more.conf",
             "    watch: {binary: false, paths: [more.conf]}\n", "was replaced or written to");
}
END_TEST

START_TEST(another_program_that_was_rehearsed_opens_nothing)
{
    char block[256];
    const char *config;
    auto_free char *out = NULL;

    scn_copy("other", getenv("HELLO_BINARY"), "other");
    (void)snprintf(block, sizeof(block), ", command: [%s/other]", scn_dir());
    config = served(block, "");
    scn_copy("hello", getenv("HELLO_BINARY"), "2");
    ck_assert_int_eq(preflight("web", config, NULL, &out), 77);
    is_kept_out(NOBODY);
    /* One that starts it is fine, as is one that says where it stands. */
    (void)snprintf(block, sizeof(block), ", command: [/bin/sh, -c, 'exec %s/hello']", scn_dir());
    passes(door(block, ""), NULL, "the door is open");
    goes_through(2);
    scn_copy("hello-next", getenv("HELLO_BINARY"), "3");
    {
        auto_text struct text flag = TEXT_INIT;
        auto_free char *said = NULL;

        text_addf(&flag, "--binary=%s", scn_path("hello-next"));
        ck_assert_int_eq(preflight("web", config, text_str(&flag), &said), 71);
        passes(door(", command: [/bin/sh, -c, 'exec {program}']", ""), text_str(&flag),
               "the door is open");
    }
    scn_copy("hello", getenv("HELLO_BINARY"), "3");
    goes_through(3);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

/* The check is the last that runs before the start: here it writes into what has passed. */
START_TEST(what_is_written_to_behind_the_door_is_not_started)
{
    char lines[256];
    const char *config;
    auto_free char *out = NULL;

    (void)snprintf(lines, sizeof(lines),
                   "    check: [/bin/sh, -c, 'test -n \"$STINT_REHEARSAL\" || "
                   "! test -e %s/strike || echo x >> %s/hello']\n",
                   scn_dir(), scn_dir());
    config = served("", lines);
    scn_copy("hello", getenv("HELLO_BINARY"), "2");
    passes(config, NULL, "the door is open");
    scn_file("strike", "%s", "");
    ck_assert_int_eq(scn_cli(&out, "reload", "web", NULL), 1);
    ck_assert_msg(strstr(out, "was written to after it was looked at") != NULL, "%s", out);
    ck_assert_uint_eq(scn_count("event=generation_draining gen=1"), 0);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(what_has_passed_has_passed_for_the_next_master_and_after_an_upgrade)
{
    const char *config = served("", "");

    scn_copy("newer", getenv("STINT_BINARY"), "newer");
    scn_copy("hello", getenv("HELLO_BINARY"), "2");
    passes(config, NULL, "the door is open");
    (void)scn_kill_master();
    goes_through(2);
    scn_copy("hello", getenv("HELLO_BINARY"), "3");
    ck_assert_int_eq(scn_cli(NULL, "upgrade", scn_path("newer"), NULL), 0);
    is_kept_out(NOBODY);
    passes(config, NULL, "the door is open");
    goes_through(3);
    scn_copy("hello", getenv("HELLO_BINARY"), "2"); /* it passed before the upgrade */
    goes_through(4);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(who_goes_past_the_door_opens_it_for_that_reload_alone)
{
    (void)served("", "");
    scn_copy("hello", getenv("HELLO_BINARY"), "2");
    is_kept_out(NOBODY);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await_any("event=audit verb=reload force=true", 10000);
    (void)scn_await("event=generation_serving gen=2", 10000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", NULL), 0); /* more of the same is nothing new */
    scn_copy("hello", getenv("HELLO_BINARY"), "3");
    is_kept_out(NOBODY);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

scn_main("door", what_was_built_anew_after_it_passed_has_to_pass_again,
         environment_and_its_file_are_part_of_what_passes,
         what_changes_while_it_is_rehearsed_does_not_pass,
         what_is_put_back_at_the_end_was_not_what_was_rehearsed,
         an_input_that_is_put_back_is_noticed_wherever_the_name_leads,
         another_program_that_was_rehearsed_opens_nothing,
         what_is_written_to_behind_the_door_is_not_started,
         what_has_passed_has_passed_for_the_next_master_and_after_an_upgrade,
         who_goes_past_the_door_opens_it_for_that_reload_alone)
