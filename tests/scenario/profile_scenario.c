/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Profiles of workers: who may have which, what is in them, and what `go tool pprof` makes of that. */
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "harness.h"

#define has(text, what)     ck_assert_msg(strstr(text, what) != NULL, "no '%s' in:\n%s", what, text)
#define has_not(text, what) ck_assert_msg(strstr(text, what) == NULL, "'%s' in:\n%s", what, text)

static void
configure(int deaf, const char *more)
{
    scn_file("web.conf", "%d\n", deaf);
    scn_config("  web:\n    command: [./leaker, web.conf]\n    directory: %s\n    libstint: true\n"
               "    watch: {settle: 50ms}\n    drain_timeout: 300ms\n    leak_grace: 100ms\n"
               "    leak_look: 0\n    workers: 2\n%s",
               scn_dir(), more);
}

static unsigned
leaker(int deaf, const char *more)
{
    scn_copy("leaker", getenv("LEAKER_BINARY"), "");
    configure(deaf, more);
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    return scn_baseline();
}

/* Output of a shell command. It has to succeed. */
static char *shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *
shell(const char *fmt, ...)
{
    auto_text struct text out = TEXT_INIT;
    char command[1024], buffer[4096];
    va_list ap;
    FILE *said;
    size_t n;

    va_start(ap, fmt);
    (void)vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    said = popen(command, "r");
    ck_assert_ptr_nonnull(said);
    while ((n = fread(buffer, 1, sizeof(buffer), said)) > 0)
        text_addn(&out, buffer, n);
    ck_assert_msg(pclose(said) == 0, "%s: %s", command, text_str(&out));
    return text_steal(&out);
}

/* A profile of @whom in the file @name of the stage. */
static void
threads_of(const char *whom, const char *name)
{
    auto_free char *out = NULL, *path = strdup(scn_path("%s", name));

    ck_assert_msg(scn_cli(&out, "profile", whom, "--threads", "-o", path, NULL) == 0, "%s", out);
}

START_TEST(nothing_is_profiled_that_does_not_say_so)
{
    auto_free char *out = NULL, *again = NULL;
    unsigned fds = leaker(0, "");
    pid_t pid = (pid_t)scn_field(scn_await_any("event=worker_spawn service=web", 5000), "pid");

    ck_assert_int_eq(scn_cli(&out, "profile", "web", "--threads", NULL), 77);
    has(out, "set 'profiling: {threads: true}'");
    (void)scn_await("event=profile service=web kind=threads outcome=refused allowed=false", 5000);
    ck_assert_uint_eq(scn_count("event=profile service=web outcome=begun"), 0);
    configure(0, "    profiling: {threads: true}\n"); /* … and then it is, in the same process */
    ck_assert_int_eq(scn_cli(NULL, "reload", NULL), 0);
    ck_assert_int_eq(scn_cli(&again, "profile", "web", "--threads", NULL), 0);
    has(again, "obey");
    ck_assert(scn_alive(pid));
    (void)scn_await("event=profile service=web kind=threads outcome=taken workers=2 allowed=true",
                    5000);
    ck_assert_int_eq(scn_cli(NULL, "profile", "web", "--heap", NULL), 77);
    scn_did_not_block();
    scn_after(fds);
}
END_TEST

START_TEST(two_generations_differ_in_what_the_new_one_leaks)
{
    auto_free char *raw = NULL, *top = NULL, *tags = NULL, *ours = NULL, *base = NULL;
    unsigned fds = leaker(0, "    profiling: {threads: true}\n");

    threads_of("web", "one.pb.gz");
    scn_file("web.conf", "%d\n", 2);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    threads_of("web/2", "two.pb.gz");
    top = shell("cd %s && go tool pprof -top -diff_base=one.pb.gz two.pb.gz 2>&1", scn_dir());
    has(top, "flush_wait"); /* two in each of two workers, and nothing else */
    has_not(top, "obey");
    has_not(top, "  main");
    raw = shell("cd %s && go tool pprof -traces two.pb.gz 2>&1", scn_dir());
    has(raw, "obey");
    tags = shell("cd %s && go tool pprof -tags -tagfocus=generation=2 two.pb.gz 2>&1", scn_dir());
    has(tags, "thread: Total");
    has(tags, "flush");
    has(tags, "scope: Total");
    has(tags, "root/conf");
    has(tags, "state: Total");
    has(tags, "wait_object: Total");
    has(tags, "service: Total");
    has(tags, "slot: Total");
    has(tags, "creator: Total");
    base = strdup(scn_path("one.pb.gz"));
    ck_assert_int_eq(scn_cli(&ours, "profile", "web", "--threads", "--diff-base", base, NULL), 0);
    has(ours, "threads: 4\n");
    has(ours, "flush_wait");
    has_not(ours, "obey");
    scn_after(fds);
}
END_TEST

START_TEST(one_slot_one_worker_and_a_picture)
{
    auto_free char *out = NULL, *svg = NULL, *path = strdup(scn_path("t.svg"));
    unsigned fds = leaker(1, "    profiling: {threads: true}\n");

    threads_of("web/1.1", "slot.pb.gz");
    out = shell("cd %s && go tool pprof -tags slot.pb.gz 2>/dev/null", scn_dir());
    has(out, "slot: Total");
    has(out, ": 1");
    ck_assert_int_eq(scn_cli(NULL, "profile", "web/1.7", "--threads", NULL), 1);
    ck_assert_int_eq(scn_cli(NULL, "profile", "web/9", "--threads", NULL), 1);
    ck_assert_int_eq(scn_cli(NULL, "profile", "wib", "--threads", NULL), 67);
    ck_assert_int_eq(scn_cli(NULL, "profile", "web", NULL), 64);
    ck_assert_int_eq(scn_cli(NULL, "profile", "web", "--threads", "--cpu", NULL), 64);
    ck_assert_int_eq(scn_cli(NULL, "profile", "web", "--threads", "--flamegraph", path, NULL), 0);
    svg = shell("cat %s", path);
    has(svg, "<title>flush_wait (2, ");
    has(svg, "</svg>");
    scn_after(fds);
}
END_TEST

START_TEST(a_client_that_leaves_and_a_master_that_dies_leave_nothing_behind)
{
    auto_free char *out = NULL;
    unsigned fds = leaker(0, "    profiling: {threads: true}\n");

    free(shell("curl -s --max-time 0.05 --unix-socket %s/run/control.sock -X POST "
               "'http://stint/v1/profile?service=web&kind=threads' >/dev/null; true",
               scn_dir()));
    (void)scn_await("event=profile service=web kind=threads outcome=cancelled", 5000);
    scn_await_fds(fds);
    (void)scn_kill_master();
    ck_assert_int_eq(scn_cli(&out, "profile", "web", "--threads", NULL), 0);
    has(out, "obey");
    scn_after(scn_baseline());
}
END_TEST

/* ---- bundles ------------------------------------------------------------------------------------ */

/* Two services whose workers do not hear TERM; of one of them something may be kept. */
static unsigned
deaf(void)
{
    scn_config(
        "  web:\n    command: [/bin/sh, -c, \"trap '' TERM; echo my last words; while :; do "
        "sleep 0.1; done\"]\n"
        "    ready: {assume_after: 100ms}\n    drain_timeout: 200ms\n    leak_grace: 100ms\n"
        "    profiling: {threads: true}\n"
        "  private:\n    command: [/bin/sh, -c, \"trap '' TERM; while :; do sleep 0.1; done\"]\n"
        "    ready: {assume_after: 100ms}\n    drain_timeout: 200ms\n    leak_grace: 100ms\n");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    (void)scn_await_any("event=verdict service=private outcome=serving gen=1", 10000);
    return scn_baseline();
}

START_TEST(who_is_about_to_be_killed_leaves_a_bundle)
{
    auto_free char *files = NULL, *top = NULL, *words = NULL, *leaks = NULL, *json = NULL;
    unsigned fds = deaf();
    pid_t pid = (pid_t)scn_field(scn_await_any("event=worker_spawn service=web", 5000), "pid");
    char dir[192];
    struct stat st;

    (void)snprintf(dir, sizeof(dir), "%s", scn_path("state/bundles/web-1.0-%d", pid));
    ck_assert_int_eq(scn_cli(NULL, "reload", "--all", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=bundle service=web gen=1 slot=0", 20000);
    ck_assert(scn_before("event=bundle service=web gen=1", "event=worker_exit service=web gen=1"));
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    files = shell("ls -m %s", dir);
    ck_assert_str_eq(files, "log.txt, report.json, threads.pb.gz\n");
    words = shell("cat %s/log.txt", dir);
    has(words, "my last words");
    json = shell("cat %s/report.json", dir);
    has(json, "\"stint.probe/1\"");
    top = shell("go tool pprof -top %s/threads.pb.gz 2>&1", dir);
    has(top, "Type: threads");
    has(top, "past its drain deadline");
    ck_assert_int_eq(scn_cli(&leaks, "leaks", "web", NULL), 0);
    has(leaks, dir);
    ck_assert_uint_eq(scn_count("event=bundle service=private"), 0);
    free(shell("test -z \"$(ls -d %s/state/bundles/private* 2>/dev/null)\"", scn_dir()));
    scn_did_not_block();
    scn_after(fds);
}
END_TEST

START_TEST(bundles_are_few_and_the_oldest_go_first)
{
    auto_free char *n = NULL, *left = NULL, *leaks = NULL;
    unsigned fds;

    free(
        shell("mkdir -p %s/state/bundles && cd %s/state/bundles && for i in $(seq 10 49); do mkdir "
              "old-1.0-$i .new-old-1.0-$i && echo x >old-1.0-$i/log.txt && "
              "touch -d \"2020-01-01 00:00:$i\" old-1.0-$i .new-old-1.0-$i; done",
              scn_dir(), scn_dir()));
    fds = deaf();
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=bundle service=web gen=1", 20000);
    n = shell("ls -A %s/state/bundles | wc -l", scn_dir());
    ck_assert_msg(strtol(n, NULL, 10) == 32, "%s", n);
    left = shell("ls -A %s/state/bundles", scn_dir());
    has(left, "web-1.0-");
    has(left, "old-1.0-49");
    has_not(left, "old-1.0-10");
    has_not(left, ".new");
    ck_assert_int_eq(scn_cli(&leaks, "leaks", "--json", NULL), 0);
    has(leaks, "web-1.0-");
    scn_after(fds);
}
END_TEST

/* ---- --http ------------------------------------------------------------------------------------- */

/* `stint profile web --http WHERE`. Return: its pid; its first line is in @line. */
static pid_t
serve(const char *where, char *line, size_t room)
{
    const char *program = getenv("STINT_BINARY");
    char socket[160];
    int ends[2];
    size_t n = 0;
    pid_t pid;

    (void)snprintf(socket, sizeof(socket), "%s", scn_path("run/control.sock"));
    ck_assert_ptr_nonnull(program);
    ck_assert_int_eq(pipe(ends), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)execl(program, "stint", "profile", "web", "--socket", socket, "--http", where,
                    (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    while (n + 1 < room && read(ends[0], line + n, 1) == 1 && line[n] != '\n')
        n++;
    line[n] = '\0';
    (void)close(ends[0]);
    return pid;
}

static int
end_of(pid_t pid)
{
    int status = 0;

    (void)kill(pid, SIGTERM);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

START_TEST(a_port_of_pprof_needs_the_token)
{
    auto_free char *top = NULL, *bare = NULL, *header = NULL, *cpu = NULL;
    unsigned fds = leaker(1, "    profiling: {threads: true}\n");
    char url[256], host[64] = "", token[64] = "";
    pid_t pid = serve(":0", url, sizeof(url));

    has(url, "http://127.0.0.1:");
    ck_assert_int_eq(sscanf(url, "http://%63[^/]/%63[^/]/", host, token), 2);
    ck_assert_uint_eq(strlen(token), 32);
    top = shell("PPROF_TMPDIR=%s go tool pprof -top %sthreads 2>&1", scn_dir(), url);
    has(top, "flush_wait");
    bare = shell("curl -s -o /dev/null -o /dev/null -o /dev/null -w '%%{http_code} ' "
                 "http://%s/debug/pprof/threads "
                 "http://%s/%.31sx/debug/pprof/threads http://%s/",
                 host, host, token, host);
    ck_assert_str_eq(bare, "401 401 401 ");
    header = shell("curl -s -o /dev/null -w '%%{http_code} ' -H 'Authorization: Bearer %s' "
                   "http://%s/debug/pprof/threads",
                   token, host);
    ck_assert_str_eq(header, "200 ");
    cpu = shell("curl -s -w ' %%{http_code}' %sprofile?seconds=1", url);
    has(cpu, "set 'profiling: {cpu: true}'");
    has(cpu, " 403");
    ck_assert_int_eq(end_of(pid), 0);
    scn_await_fds(fds);
    scn_after(fds);
}
END_TEST

START_TEST(a_public_port_is_said_loudly_and_a_socket_needs_no_token)
{
    auto_free char *out = NULL, *where = NULL;
    unsigned fds = leaker(0, "    profiling: {threads: true}\n");
    char line[512];
    struct stat st;
    pid_t pid = serve("0.0.0.0:0", line, sizeof(line));

    has(line, "WARNING: http://0.0.0.0:");
    ck_assert_int_eq(end_of(pid), 0);
    ck_assert_int_ne(asprintf(&where, "unix:%s", scn_path("p.sock")), -1);
    pid = serve(where, line, sizeof(line));
    has(line, "unix:");
    ck_assert_int_eq(stat(scn_path("p.sock"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    out = shell(
        "cd %s && curl -s --unix-socket p.sock http://stint/debug/pprof/threads -o u.pb.gz && "
        "go tool pprof -top u.pb.gz 2>&1",
        scn_dir());
    has(out, "obey");
    ck_assert_int_eq(end_of(pid), 0);
    ck_assert_int_ne(access(scn_path("p.sock"), F_OK), 0);
    ck_assert_int_eq(scn_cli(NULL, "profile", "web", "--http", "nowhere", NULL), 64);
    ck_assert_int_eq(scn_cli(NULL, "profile", "wib", "--http", ":0", NULL), 67);
    scn_after(fds);
}
END_TEST

/* `go tool pprof -http` is a server of its own: all of its pages have to come. */
START_TEST(the_pages_of_pprof_open)
{
    auto_free char *codes = NULL;
    unsigned fds = leaker(1, "    profiling: {threads: true}\n");
    int port = scn_port();
    char command[512];
    pid_t pid;

    threads_of("web", "web.pb.gz");
    (void)snprintf(
        command, sizeof(command),
        "cd %s && exec go tool pprof -http=127.0.0.1:%d -no_browser web.pb.gz >/dev/null "
        "2>&1",
        scn_dir(), port);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)setpgid(0, 0);
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    codes = shell("curl -s --retry 40 --retry-delay 1 --retry-connrefused -o /dev/null "
                  "-w '%%{http_code} ' http://127.0.0.1:%d/ui/flamegraph && "
                  "curl -s -o /dev/null -o /dev/null -w '%%{http_code} ' "
                  "http://127.0.0.1:%d/ui/top http://127.0.0.1:%d/ui/peek",
                  port, port, port);
    ck_assert_str_eq(codes, "200 200 200 ");
    (void)kill(-pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    scn_after(fds);
}
END_TEST

scn_main("profile", nothing_is_profiled_that_does_not_say_so,
         two_generations_differ_in_what_the_new_one_leaks, one_slot_one_worker_and_a_picture,
         a_client_that_leaves_and_a_master_that_dies_leave_nothing_behind,
         who_is_about_to_be_killed_leaves_a_bundle, bundles_are_few_and_the_oldest_go_first,
         a_port_of_pprof_needs_the_token, a_public_port_is_said_loudly_and_a_socket_needs_no_token,
         the_pages_of_pprof_open)
