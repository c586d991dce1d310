/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stories.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* The service is "web" in all of them, two workers, and somebody asks it all the time. */

void
web(const char *arguments, const char *more)
{
    scn_config(
        "  web:\n    command: [./actor, count=count, %s]\n    directory: %s\n    workers: 2\n"
        "    listen: {main: \"unix:%s/web.sock\"}\n    drain_timeout: 3s\n"
        "    leak_grace: 200ms\n%s",
        arguments, scn_dir(), scn_dir(), more);
}

void
serve(void)
{
    cell_start();
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    cell_load();
}

void
serve_within(void (*configure)(const char *start_timeout), const char *start_timeout)
{
    configure("60s");
    serve();
    configure(start_timeout);
    (void)scn_await_any("event=service service=web ~changed+in+place:+start_timeout", 10000);
}

int
ask(const char *verb, const char *option, const char *more)
{
    char *out = NULL;
    int r = scn_cli(&out, verb, "web", option, more, NULL);

    (void)fprintf(stderr, "%s %s: %d %s", verb, option ? option : "", r, out);
    free(out);
    ck_assert_msg(r == 0 || r == 1, "stint %s: exit status %d", verb, r);
    return r;
}

void
reload(void)
{
    (void)ask("reload", "--force", "--wait=gone");
}

/* ---- handoffs that go well ---------------------------------------------------------------------- */

static void
play_reload(void)
{
    web("ready", "");
    serve();
    cell_arm();
    reload();
}

static void
play_http(const char *more)
{
    scn_copy("web", getenv("WEB_BINARY"), "");
    scn_file("web.conf", "greeting = hello\nthreads = 1\ndrain_quiet_ms = 50\n");
    scn_config(
        "  web:\n    command: [./web, --config, web.conf]\n    directory: %s\n    workers: 2\n"
        "    libstint: true\n    listen: {http: \"unix:%s/web.sock\"}\n"
        "    check: [./web, --check, web.conf]\n    watch: {paths: [web.conf]}\n%s",
        scn_dir(), scn_dir(), more);
    serve();
    cell_arm();
    reload();
}

static void
play_web(void)
{
    play_http("");
}

static void
play_gated(void)
{
    play_http("    gated: true\n");
}

static void
play_changed_binary(void)
{
    web("ready", "    soak: 50ms\n    check: [./actor, \"exit=0\"]\n    watch: {settle: 50ms}\n");
    serve();
    cell_arm();
    scn_copy("actor", getenv("ACTOR_BINARY"), "another one");
    (void)scn_await_any("event=verdict service=web reload=2", 15000);
    (void)ask("wait", "--for", "gone");
}

static void
play_unchanged(void)
{
    web("ready", "");
    serve();
    cell_arm();
    (void)ask("reload", "--wait=gone", NULL);
}

static void
play_replace(void)
{
    web("ready", "    handoff: replace\n");
    serve();
    cell_arm();
    reload();
}

/* The state grows until it is written anew. */
static void
play_many_reloads(void)
{
    web("ready", "");
    serve();
    cell_arm();
    for (int i = 0; i < 12; i++)
        reload();
}

/* ---- … and that do not ----------------------------------------------------------------------------- */

static void
play_failing(void)
{
    web("fail-if=broken, ready",
        "    respawn: {limit: {count: 2, within: 10s}, backoff: {first: 10ms}}\n");
    serve();
    scn_file("broken", "%s", "");
    cell_arm();
    ck_assert_int_eq(ask("reload", "--force", "--wait=gone"), 1);
}

static void
play_check_fails(void)
{
    web("ready", "    check: [./actor, fail-if=broken, \"exit=0\"]\n");
    serve();
    scn_file("broken", "%s", "");
    cell_arm();
    ck_assert_int_eq(ask("reload", "--force", "--wait=gone"), 1);
}

static void
gated_start(const char *start_timeout)
{
    char more[100];

    (void)snprintf(more, sizeof(more),
                   "    start_timeout: %s\n    respawn: {backoff: {first: 10ms}}\n", start_timeout);
    web("pass=gate, ready", more);
}

static void
play_too_slow(void)
{
    int gate = scn_fifo("gate");

    open_gate(gate);
    serve_within(gated_start, "300ms");
    shut_gate(gate);
    cell_arm();
    ck_assert_int_eq(ask("reload", "--force", "--wait=gone"), 1);
}

static void
play_replace_fails(void)
{
    web("fail-if=broken, ready", "    handoff: replace\n    respawn: {limit: {count: 1}}\n");
    serve();
    scn_file("broken", "%s", "");
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=worker_exit service=web gen=2", 10000);
    ck_assert_int_eq(unlink(scn_path("broken")), 0);
    (void)scn_await_any("event=verdict service=web reload=2", 10000);
    (void)ask("wait", "--for", "gone");
}

static void
kill_workers(const char *generation, int most)
{
    static const char word[] = " event=worker_spawn ";
    char gen[32];
    const char *log = scn_log(), *end;

    (void)snprintf(gen, sizeof(gen), " gen=%s ", generation);
    for (const char *line = log; (end = strchr(line, '\n')); line = end + 1) {
        const char *spawn = strstr(line, word), *at = strstr(line, gen),
                   *pid = strstr(line, " pid=");

        if (spawn && at && pid && spawn < end && at < end && pid < end &&
            scn_alive((pid_t)strtol(pid + 5, NULL, 10)) && most-- > 0)
            (void)kill((pid_t)strtol(pid + 5, NULL, 10), SIGKILL);
    }
}

void
kill_generation(const char *generation)
{
    kill_workers(generation, INT_MAX);
}

void
kill_one(const char *generation)
{
    kill_workers(generation, 1);
}

static void
play_soak_fails(void)
{
    web("ready", "    soak: 500ms\n    respawn: {limit: {count: 1}}\n");
    serve();
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=generation_soaking service=web gen=2", 10000);
    kill_generation("2");
    (void)scn_await_any("event=verdict service=web reload=2", 10000);
    (void)ask("wait", "--for", "gone");
}

/* ---- who does not leave ------------------------------------------------------------------------------ */

static void
play_deaf(void)
{
    scn_config(
        "  web:\n    command: [./actor, count=count, deaf, ready]\n    directory: %s\n"
        "    workers: 2\n    listen: {main: \"unix:%s/web.sock\"}\n    drain_timeout: 100ms\n"
        "    leak_grace: 100ms\n    profiling: {threads: true}\n",
        scn_dir(), scn_dir());
    serve();
    cell_arm();
    reload();
}

static void
play_leak_leaves(void)
{
    scn_config(
        "  web:\n    command: [./actor, count=count, deaf, ready]\n    directory: %s\n"
        "    workers: 2\n    listen: {main: \"unix:%s/web.sock\"}\n    drain_timeout: 100ms\n"
        "    leak_grace: 60s\n",
        scn_dir(), scn_dir());
    serve();
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=worker_leak service=web gen=1", 10000);
    kill_generation("1");
    (void)ask("wait", "--for", "gone");
}

static void
play_crash(void)
{
    web("ready", "    respawn: {backoff: {first: 10ms}}\n");
    serve();
    cell_arm();
    kill_generation("1");
    (void)scn_await_any("event=worker_exit service=web gen=1", 10000);
    (void)ask("wait", NULL, NULL);
}

/* The second of them does not get ready in time, and is tried again. */
static void
play_slow_respawn(void)
{
    int gate = scn_fifo("gate");

    open_gate(gate);
    serve_within(gated_start, "200ms");
    shut_gate(gate);
    cell_arm();
    kill_one("1");
    (void)scn_await_any("event=backoff service=web gen=1 ~was+not+ready", 10000);
    open_gate(gate);
    (void)ask("wait", NULL, NULL);
}

static void
play_escapee(void)
{
    web("litter=60, ready", "");
    serve();
    cell_arm();
    reload();
    (void)scn_await_any("event=escapee service=web gen=1", 10000);
}

/* ---- stops ---------------------------------------------------------------------------------------------- */

static void
play_stop(void)
{
    web("ready", "");
    serve();
    cell_load_end();
    cell_arm();
    ck_assert_int_eq(scn_stop(), 0);
}

static void
play_stop_start(void)
{
    web("ready", "");
    serve();
    cell_load_end();
    cell_arm();
    (void)ask("stop", "--wait=gone", NULL);
    (void)ask("start", NULL, NULL);
    cell_load();
}

static void
play_stop_starting(void)
{
    scn_fifo("gate");
    web("pass=gate, ready", "");
    cell_start();
    cell_arm();
    (void)scn_await_any("event=worker_spawn service=web gen=1", 10000);
    (void)ask("stop", "--wait=gone", NULL);
}

static void
play_stop_soaking(void)
{
    web("ready", "    soak: 20s\n");
    cell_start();
    cell_arm();
    (void)scn_await_any("event=generation_soaking service=web gen=1", 10000);
    (void)ask("stop", "--wait=gone", NULL);
}

static void
play_start(void)
{
    web("ready", "");
    cell_arm();
    cell_start();
    (void)scn_await_any("event=verdict service=web outcome=serving", 15000);
    cell_load();
    (void)ask("wait", NULL, NULL);
}

/* ---- a master dies ------------------------------------------------------------------------------------------ */

static void
play_takeover(void)
{
    web("ready", "");
    serve();
    cell_arm();
    ck_assert_int_eq(kill(scn_master(), SIGKILL), 0);
    (void)scn_await_any("event=took_over", 10000);
    reload();
}

const struct story stories[] = {
#define STORY(name, losses, flags, first, play) {name, play, first, losses, flags},
#include "stories.def"
#undef STORY
};
const size_t n_stories = sizeof(stories) / sizeof(stories[0]);
