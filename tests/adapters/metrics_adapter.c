/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics, read by those who read metrics: promtool, the strict parser of Prometheus' Python client, and the
 * textfile collector of node_exporter.
 */
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "example.h"
#include "tests/scenario/harness.h"

#define PYTHON   "/usr/bin/python3" /* Debian's, which python3-prometheus-client is for */
#define EXPORTER "prometheus-node-exporter"

/* What a shell says to @fmt. Return: exit status. */
__attribute__((format(printf, 3, 4))) static int
shell(char *out, size_t room, const char *fmt, ...)
{
    char command[1024];
    size_t n = 0, got;
    va_list ap;
    FILE *says;
    int status;

    va_start(ap, fmt);
    (void)vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    says = popen(command, "re"); /* NOLINT(cert-env33-c): a test, and its own words */
    ck_assert_ptr_nonnull(says);
    while ((got = fread(out + n, 1, room - 1 - n, says)) > 0)
        n += got;
    out[n] = '\0';
    status = pclose(says);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void
ask_pool(const char *line)
{
    int fd = scn_connect("serve.sock");
    char answer[64];

    ck_assert_int_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    ck_assert_int_gt(read(fd, answer, sizeof(answer)), 0);
    close(fd);
}

/* A service with an overrun behind it, one that was refused its reload, and one with names that are hard to print. */
static void
stage(void)
{
    scn_copy("program", getenv("POOL_BINARY"), "");
    scn_config("  pool:\n    command: [%s/program]\n    directory: %s\n    workers: 2\n"
               "    listen:\n      requests: {address: 'unix:%s/serve.sock'}\n"
               "    libstint: true\n    ready: notify\n"
               "    deadlines: {default: 5s, max: 9s, tolerance: 50ms, look: 50ms, "
               "client_timeout: {'a \\\"caller\\\" of ours': 1s, gateway: 1s}}\n"
               "  bad:\n    command: [/bin/false]\n    ready: {assume_after: 1s}\n"
               "  web:\n    command: [/bin/sleep, '1000']\n    ready: {assume_after: 10ms}\n",
               scn_dir(), scn_dir(), scn_dir());
    scn_start();
    (void)scn_await_any("event=verdict service=pool outcome=serving", 20000);
    (void)scn_await_any("event=verdict service=web outcome=serving", 20000);
    (void)scn_await_any("event=verdict service=bad outcome=rejected", 20000);
    ask_pool("700 100 gateway stubborn\n");
    (void)scn_await_any("event=overrun service=pool", 20000);
}

static void
save(const char *name, const char *option)
{
    auto_free char *out = NULL;

    ck_assert_int_eq(option ? scn_cli(&out, "metrics", "--textfile", scn_path("%s", name), NULL)
                            : scn_cli(&out, "metrics", NULL),
                     0);
    if (!option)
        scn_file(name, "%s", out);
}

START_TEST(promtool_has_nothing_to_say_against_them)
{
    char out[8192];

    stage();
    save("stint.prom", "--textfile");
    ck_assert_msg(
        shell(out, sizeof(out), "promtool check metrics < %s 2>&1", scn_path("stint.prom")) == 0 &&
            out[0] == '\0',
        "%s", out);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(promtool_finds_its_rules_in_the_alerts_of_the_manual)
{
    char out[8192];

    ck_assert_msg(shell(out, sizeof(out), "promtool check rules %s 2>&1", getenv("ALERTS")) == 0,
                  "%s", out);
    ck_assert_msg(strstr(out, "rules found") != NULL, "%s", out);
}
END_TEST

START_TEST(the_strict_parser_of_openmetrics_takes_them_exemplars_included)
{
    char out[8192];
    int r;

    stage();
    for (int i = 0; i < 200; i++) { /* it answers a moment before its task is over */
        save("stint.om", NULL);
        if (shell(out, sizeof(out), "grep -c ' # {trace_id=' %s", scn_path("stint.om")) == 0)
            break;
    }
    r = shell(out, sizeof(out), PYTHON " %s %s 2>&1", getenv("STRICT"), scn_path("stint.om"));
    if (r == 77) {
        (void)printf("SKIPPED: %s", out);
    } else {
        ck_assert_msg(r == 0, "%s", out);
        ck_assert_msg(strstr(out, "services 3\n") && strstr(out, "exemplar "), "%s", out);
    }
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

/* What node_exporter says by HTTP; it takes a moment to listen. */
static void
scrape(int port, char *out, size_t room)
{
    for (int i = 0; i < 500; i++) {
        if (shell(out, room,
                  "curl -sf --max-time 5 http://127.0.0.1:%d/metrics | grep -E "
                  "'^(stint_|node_textfile_scrape_error)'",
                  port) == 0)
            return;
        (void)poll(NULL, 0, 20); /* no event tells that it listens */
    }
    ck_abort_msg("nobody answers on port %d", port);
}

START_TEST(node_exporter_gives_them_out_and_the_end_of_the_supervisor_too)
{
    static char out[1 << 20];
    char port[64], directory[320];
    pid_t pid;

    if (!example_possible(EXPORTER)) {
        (void)printf("SKIPPED: there is no " EXPORTER " here\n");
        return;
    }
    ck_assert_int_eq(mkdir(scn_path("textfile"), 0755), 0);
    stage();
    save("textfile/stint.prom", "--textfile");
    (void)snprintf(directory, sizeof(directory), "--collector.textfile.directory=%s",
                   scn_path("textfile"));
    (void)snprintf(port, sizeof(port), "--web.listen-address=127.0.0.1:%d", scn_port());
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)execlp(EXPORTER, EXPORTER, "--collector.disable-defaults", "--collector.textfile",
                     directory, port, (char *)NULL);
        _exit(127);
    }
    scrape(scn_port(), out, sizeof(out));
    ck_assert_ptr_nonnull(strstr(out, "node_textfile_scrape_error 0\n"));
    ck_assert_ptr_nonnull(strstr(out, "stint_up 1\n"));
    ck_assert_ptr_nonnull(
        strstr(out, "stint_reloads_total{outcome=\"rejected\",service=\"bad\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(out, "stint_service_workers_ready{service=\"pool\"} 2\n"));
    ck_assert_int_eq(scn_stop(), 0);
    ck_assert_int_eq(scn_cli(NULL, "metrics", "--textfile", scn_path("textfile/stint.prom"), NULL),
                     69);
    scrape(scn_port(), out, sizeof(out));
    ck_assert_ptr_nonnull(strstr(out, "node_textfile_scrape_error 0\n"));
    ck_assert_ptr_nonnull(strstr(out, "stint_up 0\n"));
    ck_assert_ptr_null(strstr(out, "stint_reloads_total"));
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

adapter_main("promtool", "metrics", promtool_has_nothing_to_say_against_them,
             promtool_finds_its_rules_in_the_alerts_of_the_manual,
             the_strict_parser_of_openmetrics_takes_them_exemplars_included,
             node_exporter_gives_them_out_and_the_end_of_the_supervisor_too)
