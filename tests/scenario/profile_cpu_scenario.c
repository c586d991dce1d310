/* SPDX-License-Identifier: GPL-2.0-or-later */

/* CPU profiles of programs that nobody here wrote, and of a worker where the kernel forbids to look. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "harness.h"

#define has(text, what)     ck_assert_msg(strstr(text, what) != NULL, "no '%s' in:\n%s", what, text)
#define has_not(text, what) ck_assert_msg(strstr(text, what) == NULL, "'%s' in:\n%s", what, text)

/* What `go tool pprof ARGS` says of the file @name of the stage. */
static char *
pprof(const char *args, const char *name)
{
    auto_text struct text out = TEXT_INIT;
    char command[1024], buffer[4096];
    FILE *said;
    size_t n;

    (void)snprintf(command, sizeof(command), "cd %s && go tool pprof %s %s 2>&1", scn_dir(), args,
                   name);
    said = popen(command, "r");
    ck_assert_ptr_nonnull(said);
    while ((n = fread(buffer, 1, sizeof(buffer), said)) > 0)
        text_addn(&out, buffer, n);
    ck_assert_msg(pclose(said) == 0, "%s: %.900s", command, text_str(&out));
    return text_steal(&out);
}

/* A profile of some seconds of all workers of web, in the file cpu.pb.gz. */
static void
cpu_of_web(const char *seconds)
{
    auto_free char *out = NULL, *path = strdup(scn_path("cpu.pb.gz"));

    ck_assert_msg(
        scn_cli(&out, "profile", "web", "--cpu", "--seconds", seconds, "-o", path, NULL) == 0, "%s",
        out);
    (void)scn_await("event=profile service=web kind=cpu outcome=taken", 5000);
}

static void
serving(void)
{
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 20000);
}

/* ---- nginx --------------------------------------------------------------------------------- */

/* One request after the other, for ever. */
static pid_t
press(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    static const char request[] = "GET /page HTTP/1.1\r\nHost: web\r\nAccept-Encoding: gzip\r\n"
                                  "Connection: close\r\n\r\n";
    static char buffer[65536];
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
            send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0)
            while (read(fd, buffer, sizeof(buffer)) > 0)
                continue;
        (void)close(fd);
    }
}

static void
nginx_write(int port)
{
    auto_text struct text page = TEXT_INIT;

    for (unsigned i = 0; i < 20000; i++)
        text_addf(&page, "%u times nine are %u. ", i, 9 * i);
    scn_file("page", "%s", text_str(&page));
    scn_file("nginx.conf",
             "worker_processes 1;\ndaemon off;\npid %s/nginx.pid;\nerror_log stderr;\n"
             "events {}\nhttp {\n access_log off; default_type text/plain; gzip on; gzip_types "
             "text/plain; gzip_comp_level 9;\n client_body_temp_path %s/b; proxy_temp_path %s/p; "
             "fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s;\n"
             " server { listen 127.0.0.1:%d; root %s; }\n}\n",
             scn_dir(), scn_dir(), scn_dir(), scn_dir(), scn_dir(), scn_dir(), port, scn_dir());
}

START_TEST(nginx_under_load)
{
    auto_free char *top = NULL, *tags = NULL, *traces = NULL;
    int port = scn_port();
    pid_t load;

    nginx_write(port);
    scn_config("  web:\n    command: [nginx, -e, stderr, -c, %s/nginx.conf, -g, 'user root;']\n"
               "    ready: {assume_after: 300ms}\n    profiling: {cpu: true}\n",
               scn_dir());
    serving();
    load = press(port);
    cpu_of_web("3");
    (void)kill(load, SIGKILL);
    (void)waitpid(load, NULL, 0);
    top = pprof("-top -cum", "cpu.pb.gz");
    has(top, "Type: cpu");
    has(top, "deflate"); /* of libz, in the child of the worker that stint started */
    has(top, "ngx_process_events_and_timers");
    has(top, "ngx_master_process_cycle");
    traces = pprof("-traces", "cpu.pb.gz");
    has(traces, "ngx_http_"); /* names of the program itself, which was stripped */
    tags = pprof("-tags", "cpu.pb.gz");
    has(tags, "thread: Total");
    has(tags, "nginx");
    has(tags, "service: Total");
    has(tags, "generation: Total");
    has(traces, "processes and");
    (void)scn_stop();
}
END_TEST

/* ---- Python -------------------------------------------------------------------------------- */

START_TEST(python_and_the_processes_it_forks)
{
    auto_free char *top = NULL, *tags = NULL;

    scn_file("burn.py", "import os, hashlib\n"
                        "def work():\n    x = b'x' * 4096\n"
                        "    while True:\n        x = hashlib.sha256(x).digest() * 128\n"
                        "        sum(i * i for i in range(2000))\n"
                        "if os.fork() == 0:\n    work()\n"
                        "os.wait()\n");
    scn_config("  web:\n    command: [python3, %s/burn.py]\n    ready: {assume_after: 300ms}\n"
               "    profiling: {cpu: true}\n",
               scn_dir());
    serving();
    cpu_of_web("3");
    top = pprof("-top -cum", "cpu.pb.gz");
    has(top, "_PyEval_EvalFrameDefault");
    has(top, "__libc_start_main"); /* whole stacks */
    tags = pprof("-tags", "cpu.pb.gz");
    has(tags, "python3");
    (void)scn_stop();
}
END_TEST

/* ---- Where it is forbidden ------------------------------------------------------------------ */

static void
forbid(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {ARRAY_LEN(filter), filter};

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(a_worker_samples_itself_where_perf_is_forbidden)
{
    auto_free char *top = NULL, *raw = NULL, *tags = NULL;

    forbid();
    scn_config("  web:\n    command: [%s, serve]\n    libstint: true\n    workers: 2\n"
               "    profiling: {cpu: true}\n",
               getenv("BURN_WORKER"));
    serving();
    cpu_of_web("3");
    raw = pprof("-raw", "cpu.pb.gz");
    has(raw, "from inside by timers of libstint");
    has(raw, "kernel.perf_event_paranoid");
    top = pprof("-top -cum", "cpu.pb.gz");
    has(top, "seven");
    has(top, "three");
    has(top, "serve");
    tags = pprof("-tags", "cpu.pb.gz");
    has(tags, "root/requests");
    has(tags, "7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a");
    has(tags, "server");
    ck_assert_uint_eq(scn_count("event=worker_exit"), 0);
    scn_did_not_block();
    (void)scn_stop();
}
END_TEST

START_TEST(who_has_no_libstint_is_told_what_to_allow)
{
    auto_free char *out = NULL;

    forbid();
    scn_config("  web:\n    command: [sleep, 1000]\n    ready: {assume_after: 100ms}\n"
               "    profiling: {cpu: true}\n");
    serving();
    ck_assert_int_ne(scn_cli(&out, "profile", "web", "--cpu", "--seconds", "1", NULL), 0);
    has(out, "CAP_PERFMON");
    has(out, "does not link libstint");
    (void)scn_stop();
}
END_TEST

START_TEST(nothing_is_sampled_without_the_word_for_it)
{
    auto_free char *out = NULL;

    scn_config("  web:\n    command: [sleep, 1000]\n    ready: {assume_after: 100ms}\n"
               "    profiling: {threads: true}\n");
    serving();
    ck_assert_int_eq(scn_cli(&out, "profile", "web", "--cpu", "--seconds", "1", NULL), 77);
    has(out, "profiling: {cpu: true}");
    (void)scn_stop();
}
END_TEST

scn_main("cpu profiles", nginx_under_load, python_and_the_processes_it_forks,
         a_worker_samples_itself_where_perf_is_forbidden, who_has_no_libstint_is_told_what_to_allow,
         nothing_is_sampled_without_the_word_for_it)
