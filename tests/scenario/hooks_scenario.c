/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hooks: real commands around a real handoff. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

/* Every hook appends a line to "told" that says what it was given. */
#define TELLS                                                                              \
    "[sh, -c, 'echo $STINT_HOOK $STINT_SERVICE g$STINT_GENERATION o$STINT_OLD_GENERATION " \
    "n$STINT_NEW_GENERATION r$STINT_HOOK_REPEATED ${TRACEPARENT:+traced} $(pwd -P) >> told']"

static void
configure(const char *word, const char *hooks)
{
    scn_config("  web:\n    command: [./actor, \"word=%s\", ready]\n    directory: %s\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n    hooks: %s\n",
               word, scn_dir(), scn_dir(), hooks);
}

/* Those lines, in order. */
static void
ck_told(const char *const *lines, size_t n)
{
    FILE *f = fopen(scn_path("told"), "re");
    char line[4600], wanted[4600];

    ck_assert_ptr_nonnull(f);
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(fgets(line, sizeof(line), f) != NULL, "'%s' was not told", lines[i]);
        (void)snprintf(wanted, sizeof(wanted), "%s r traced %s\n", lines[i], scn_dir());
        ck_assert_str_eq(line, wanted);
    }
    ck_assert_msg(fgets(line, sizeof(line), f) == NULL, "more was told: %s", line);
    (void)fclose(f);
}

static void
ck_cli(int status, const char *words, const char *verb, const char *option)
{
    char *out;
    int r = scn_cli(&out, verb, "web", option, NULL);

    ck_assert_msg(r == status && strstr(out, words) != NULL, "stint %s: %d, %s", verb, r, out);
    free(out);
}

START_TEST(each_is_run_once_for_each_generation_and_knows_what_it_is_about)
{
    static const char *const told[] = {
        "before_start web g1 o n1", "before_start web g2 o1 n2", "announce web g1 o1 n2",
        "retired web g1 o1 n2",     "announce web g2 o2 n",      "retired web g2 o2 n",
    };

    configure("a", "{before_start: " TELLS ", announce: " TELLS ", retired: " TELLS "}");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    ck_cli(0, "hook before_start of generation 2: done", "reload", "--force");
    (void)scn_await_any("event=hook service=web gen=1 hook=retired outcome=done", 5000);
    ck_assert(scn_before("event=hook service=web gen=2 hook=before_start",
                         "event=worker_spawn service=web gen=2"));
    ck_assert(scn_before("event=hook service=web gen=1 hook=announce",
                         "event=worker_exit service=web gen=1"));
    ck_assert(scn_before("event=certificate service=web gen=1",
                         "event=hook service=web gen=1 hook=retired"));
    ck_cli(0, "\"hook\": \"retired\"", "status", "--json");
    ck_cli(0, "hook announce of generation 1: done", "status", NULL);
    ck_assert_int_eq(scn_stop(), 0);
    ck_told(told, sizeof(told) / sizeof(told[0]));
}
END_TEST

START_TEST(one_that_says_no_rejects_the_candidate_with_its_words)
{
    struct scn_answer a;

    configure("a", "{before_start: [test, '!', -e, broken]}");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    configure("a",
              "{before_start: [sh, -c, 'test ! -e broken || { echo no route to db; exit 3; }']}");
    ck_assert_int_eq(scn_cli(NULL, "reload", NULL), 0);
    scn_file("broken", "%s", "");
    ck_cli(1, "hook before_start: exit status 3: no route to db", "reload", "--force");
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(a.generation, 1);
    ck_assert_uint_eq(scn_count("event=worker_spawn service=web"), 1);
    (void)scn_await_any("event=certificate service=web gen=2 leaks=0", 5000);
    ck_assert_int_eq(unlink(scn_path("broken")), 0);
    ck_cli(0, "generation 3 serves", "reload", "--force");
}
END_TEST

START_TEST(one_that_takes_too_long_is_killed_with_what_it_started)
{
    pid_t pid = 0;
    FILE *f;

    configure("a", "{before_start: {command: [sh, -c, 'sleep 600 & echo $! > pid; wait'], "
                   "timeout: 300ms}}");
    scn_start();
    (void)scn_await("event=hook service=web gen=1 hook=before_start outcome=timeout", 5000);
    (void)scn_await("event=verdict service=web outcome=rejected ~took+too+long", 5000);
    f = fopen(scn_path("pid"), "re");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%d", &pid), 1);
    (void)fclose(f);
    ck_assert(scn_await_gone(pid, 5000));
}
END_TEST

START_TEST(an_announcement_that_fails_is_told_and_the_handoff_goes_on)
{
    scn_copy("tool", getenv("ACTOR_BINARY"), "");
    configure("a", "{announce: {command: [sh, -c, 'echo no such pool >&2; sleep 600'], "
                   "timeout: 200ms}, retired: [./tool]}");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    ck_assert_int_eq(unlink(scn_path("tool")), 0);
    ck_cli(0, "generation 2 serves", "reload", "--force");
    (void)scn_await_any("event=hook service=web gen=1 hook=announce outcome=timeout "
                        "~no+such+pool level=warning",
                        5000);
    (void)scn_await_any("event=hook service=web gen=1 hook=retired outcome=failed ~tool", 5000);
    ck_cli(0, "hook announce of generation 1: timeout", "status", NULL);
}
END_TEST

START_TEST(hooks_that_never_end_do_not_delay_a_stop_beyond_its_budget)
{
    static const char hangs[] = "{command: [sleep, '600'], timeout: 1h}";
    char hooks[200];

    (void)snprintf(hooks, sizeof(hooks), "{announce: %s, retired: %s}", hangs, hangs);
    configure("a", hooks);
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    ck_assert_int_eq(scn_stop(), 0); /* stop_budget is 5 s */
    ck_assert_uint_eq(scn_count("event=hook service=web gen=1 hook=announce"), 1);
    ck_assert_uint_eq(scn_count("event=hook service=web gen=1 hook=retired"), 1);
    ck_assert(scn_before("event=hook service=web gen=1 hook=announce",
                         "event=worker_exit service=web gen=1 status=0"));
}
END_TEST

/* The first one ends with its master, the second one knows that it is the second. */
START_TEST(one_that_is_under_way_is_run_again_by_the_next_master)
{
    int gate = scn_fifo("gate"), told = scn_fifo("told");
    pid_t first;
    char byte;
    FILE *f;

    configure("a", "{before_start: [sh, -c, 'echo $$ > pid$STINT_HOOK_REPEATED; printf . > told; "
                   "exec ./actor pass=gate \"exit=0\"']}");
    scn_start();
    scn_fifo_read(told, 5000);
    f = fopen(scn_path("pid"), "re");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%d", &first), 1);
    (void)fclose(f);
    (void)scn_kill_master();
    ck_assert(scn_await_gone(first, 5000));
    scn_fifo_read(told, 5000);
    ck_assert_int_eq(access(scn_path("pid1"), F_OK), 0);
    ck_cli(0, "runs its hook before_start", "status", NULL);
    ck_assert_uint_eq(scn_count("event=worker_spawn service=web"), 0);
    scn_fifo_write(gate, 1);
    (void)scn_await_any("event=hook service=web gen=1 hook=before_start outcome=done tries=2",
                        5000);
    (void)scn_await_any("event=verdict service=web outcome=serving", 5000);
    ck_assert_int_eq(read(told, &byte, 1), -1);
}
END_TEST

START_TEST(a_hook_that_is_not_there_is_a_finding_with_its_place)
{
    char *out;

    configure("a", "{announce: [./not-there]}");
    ck_assert_int_eq(scn_cli(&out, "check", "-c", scn_path("stint.yaml"), NULL), 78);
    ck_assert_msg(strstr(out, "stint.yaml:11:") != NULL && strstr(out, "not-there") != NULL, "%s",
                  out);
    free(out);
}
END_TEST

scn_main("hooks", each_is_run_once_for_each_generation_and_knows_what_it_is_about,
         one_that_says_no_rejects_the_candidate_with_its_words,
         one_that_takes_too_long_is_killed_with_what_it_started,
         an_announcement_that_fails_is_told_and_the_handoff_goes_on,
         hooks_that_never_end_do_not_delay_a_stop_beyond_its_budget,
         one_that_is_under_way_is_run_again_by_the_next_master,
         a_hook_that_is_not_there_is_a_finding_with_its_place)
