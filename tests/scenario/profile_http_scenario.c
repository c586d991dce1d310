/* SPDX-License-Identifier: GPL-2.0-or-later */

/* stint profile --http, asked by curl and `go tool pprof`; and the pages that pprof serves of our profiles. */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profile_stage.h"

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

/*
 * `go tool pprof -http` is a server of its own: all of its pages have to come, and show what the profile
 * is about. The graph is drawn by graphviz, where that is installed.
 */
START_TEST(the_pages_of_pprof_open)
{
    static const char *const pages[] = {"flamegraph", "top", "peek?f=flush_wait", ""};
    bool graph = system("command -v dot >/dev/null 2>&1") == 0;
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
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        auto_free char *page = NULL;

        if (pages[i][0] == '\0' && !graph)
            continue;
        page = shell("curl -s --retry 40 --retry-delay 1 --retry-connrefused -w '%%{http_code}' "
                     "'http://127.0.0.1:%d/ui/%s'",
                     port, pages[i]);
        ck_assert_msg(strlen(page) > 3 && strcmp(page + strlen(page) - 3, "200") == 0,
                      "/ui/%s: %.300s", pages[i], page);
        ck_assert_msg(strstr(page, "flush_wait") != NULL, "/ui/%s says nothing of it: %.300s",
                      pages[i], page);
        ck_assert(pages[i][0] != '\0' || strstr(page, "<svg") != NULL);
    }
    (void)kill(-pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    scn_after(fds);
}
END_TEST

scn_main("profile_http", a_port_of_pprof_needs_the_token,
         a_public_port_is_said_loudly_and_a_socket_needs_no_token, the_pages_of_pprof_open)
