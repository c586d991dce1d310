// SPDX-License-Identifier: GPL-2.0-or-later
/* stint-load: an HTTP load client that counts every request exactly (load_client.h says how). */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "bench/load_client.h"
#include "bench/load_report.h"

#define LIVE_US     (100 * US_PER_MS)
#define EXIT_FAILED 1 /* at least one request failed */
#define EXIT_USAGE  2 /* or the client itself could not run */

struct run {
    struct load_options options;
    const char *address, *expect, *generation_header;
    const char *json, *status_file; /* NULL: none */
    int64_t duration_us;            /* TIME_NEVER: until told to stop */
    bool progress, until_eof;
    struct load_client *client;
    struct load_stats *stats;
    int signals;          /* signalfd; owned */
    int64_t next_live_us; /* when to rewrite the status file */
    int64_t next_line_us; /* when to write the next progress line */
    uint64_t last_requests;
};

static const char usage_text[] =
    "usage: stint-load --address HOST:PORT|unix:PATH [options]\n"
    "  --rate N               keep-alive requests per second (default 500; 0 = none)\n"
    "  --keepalive N          connections that carry them, used in turn (default 16)\n"
    "  --single N             requests per second, each on a connection of its own (default 200)\n"
    "  --duration TIME        e.g. 30s (default: until SIGTERM, SIGINT or --until-eof)\n"
    "  --until-eof            also stop when standard input ends\n"
    "  --timeout TIME         from the scheduled time to the last byte (default 5s)\n"
    "  --path PATH            what to ask for (default /)\n"
    "  --blind                send on a kept connection without looking whether the server has\n"
    "                         ended it just now, as across a network nobody can\n"
    "  --expect-substring S   an answer without S in its body is wrong\n"
    "  --generation-header H  tells generations apart (default X-Stint-Generation)\n"
    "  --json FILE            write all accounts there at the end\n"
    "  --status-file FILE     'requests N failed M', replaced whole every 100 ms\n"
    "  --progress             one line per second on standard error\n"
    "SIGUSR1 marks the beginning of a reload. Exit status: 0 nothing failed, 1 something did,\n"
    "2 could not run.\n";

enum option_id {
    OPT_ADDRESS = 256,
    OPT_RATE,
    OPT_KEEPALIVE,
    OPT_SINGLE,
    OPT_DURATION,
    OPT_UNTIL_EOF,
    OPT_TIMEOUT,
    OPT_PATH,
    OPT_BLIND,
    OPT_EXPECT,
    OPT_HEADER,
    OPT_JSON,
    OPT_STATUS,
    OPT_PROGRESS,
    OPT_HELP
};

static const struct option long_options[] = {
    {"address",           required_argument, NULL, OPT_ADDRESS  },
    {"rate",              required_argument, NULL, OPT_RATE     },
    {"keepalive",         required_argument, NULL, OPT_KEEPALIVE},
    {"single",            required_argument, NULL, OPT_SINGLE   },
    {"duration",          required_argument, NULL, OPT_DURATION },
    {"until-eof",         no_argument,       NULL, OPT_UNTIL_EOF},
    {"timeout",           required_argument, NULL, OPT_TIMEOUT  },
    {"path",              required_argument, NULL, OPT_PATH     },
    {"blind",             no_argument,       NULL, OPT_BLIND    },
    {"expect-substring",  required_argument, NULL, OPT_EXPECT   },
    {"generation-header", required_argument, NULL, OPT_HEADER   },
    {"json",              required_argument, NULL, OPT_JSON     },
    {"status-file",       required_argument, NULL, OPT_STATUS   },
    {"progress",          no_argument,       NULL, OPT_PROGRESS },
    {"help",              no_argument,       NULL, OPT_HELP     },
    {NULL,                0,                 NULL, 0            },
};

static int
parse_number(const char *text, unsigned *ret, struct error *reterr)
{
    char *end = NULL;
    unsigned long n;

    errno = 0;
    n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || n > 1000000)
        return error_say(reterr, -EINVAL, "'%s' is not a number from 0 to 1000000", text);
    *ret = (unsigned)n;
    return 0;
}

static int
parse_time(const char *text, int64_t *ret, struct error *reterr)
{
    int r = duration_parse(text, ret);

    return r < 0 ? error_say(reterr, r, "'%s' is not a time such as 30s or 250ms", text) : 0;
}

static int
take_option(struct run *run, int id, struct error *reterr)
{
    switch (id) {
    case OPT_ADDRESS:
        run->address = optarg;
        return load_address_parse(optarg, &run->options, reterr);
    case OPT_RATE:
        return parse_number(optarg, &run->options.rate, reterr);
    case OPT_KEEPALIVE:
        return parse_number(optarg, &run->options.keepalive, reterr);
    case OPT_SINGLE:
        return parse_number(optarg, &run->options.single, reterr);
    case OPT_DURATION:
        return parse_time(optarg, &run->duration_us, reterr);
    case OPT_TIMEOUT:
        return parse_time(optarg, &run->options.timeout_us, reterr);
    case OPT_UNTIL_EOF:
        run->until_eof = true;
        return 0;
    case OPT_BLIND:
        run->options.blind = true;
        return 0;
    case OPT_PATH:
        run->options.path = optarg;
        return 0;
    case OPT_EXPECT:
        run->expect = optarg;
        return 0;
    case OPT_HEADER:
        run->generation_header = optarg;
        return 0;
    case OPT_JSON:
        run->json = optarg;
        return 0;
    case OPT_STATUS:
        run->status_file = optarg;
        return 0;
    case OPT_PROGRESS:
        run->progress = true;
        return 0;
    default:
        return error_say(reterr, -EINVAL, "see --help");
    }
}

static int
parse_options(int argc, char **argv, struct run *run, struct error *reterr)
{
    int id;
    int r;

    while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (id == OPT_HELP) {
            (void)fputs(usage_text, stdout);
            exit(EXIT_SUCCESS);
        }
        r = take_option(run, id, reterr);
        if (r < 0)
            return r;
    }
    if (optind < argc)
        return error_say(reterr, -EINVAL, "'%s' is not an option; see --help", argv[optind]);
    if (!run->address)
        return error_say(reterr, -EINVAL, "--address is missing; see --help");
    run->options.host = strncmp(run->address, "unix:", 5) == 0 ? "localhost" : run->address;
    r = http_expect_init(&run->options.expect, run->generation_header, run->expect);
    return r < 0 ? error_set(reterr, r, "--expect-substring") : 0;
}

/* A server that answers nothing until the time-out costs a connection for every single request. */
static int
descriptors_allow(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return -errno;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == -1 ? -errno : 0;
}

static int
signals_open(int *ret)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        return -errno;
    *ret = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *ret == -1 ? -errno : 0;
}

/* Standard input only matters by its end; it must not block us while it has not come. */
static bool
stdin_ended(void)
{
    char waste[4096];
    ssize_t n;

    do
        n = read(STDIN_FILENO, waste, sizeof(waste));
    while (n > 0);
    return n == 0 || (errno != EAGAIN && errno != EINTR);
}

static int
take_signals(struct run *run)
{
    struct signalfd_siginfo si;
    int64_t now = mono_now_us();
    int r = 0;

    while (read(run->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
        if (si.ssi_signo == SIGUSR1)
            r = load_stats_mark(run->stats, now);
        else
            load_client_stop(run->client, now);
        if (r < 0)
            return r;
    }
    if (run->until_eof && stdin_ended())
        load_client_stop(run->client, now);
    return 0;
}

static void
write_progress(struct run *run, int64_t now_us)
{
    const struct load_stats *s = run->stats;

    (void)fprintf(
        stderr, "%4.0f s  requests %" PRIu64 " (+%" PRIu64 ")  failed %" PRIu64 "  %s%s\n",
        (double)(now_us - s->begun_us) / 1e6, s->requests, s->requests - run->last_requests,
        load_stats_failed(s), s->n_generations ? "generation " : "",
        s->n_generations ? s->generations[s->n_generations - 1].name : "");
    run->last_requests = s->requests;
}

static int
tell(struct run *run, int64_t now_us, struct error *reterr)
{
    auto_text struct text line = TEXT_INIT;

    if (run->progress && now_us >= run->next_line_us) {
        write_progress(run, now_us);
        run->next_line_us += US_PER_S;
    }
    if (now_us < run->next_live_us)
        return 0;
    run->next_live_us = now_us + LIVE_US;
    if (!run->status_file)
        return 0;
    load_report_live(run->stats, &line);
    return load_report_swap(run->status_file, &line, reterr);
}

static int
run_load(struct run *run, struct error *reterr)
{
    int64_t begin_us = mono_now_us();
    int64_t stop_us = run->duration_us == TIME_NEVER ? TIME_NEVER : begin_us + run->duration_us;
    int r;

    run->stats = load_stats_create(begin_us);
    if (!run->stats)
        return error_set(reterr, -ENOMEM, "begin");
    r = load_client_create(&run->options, run->stats, begin_us, &run->client, reterr);
    if (r < 0)
        return r;
    r = load_client_watch(run->client, run->signals);
    if (r == 0 && run->until_eof) {
        (void)fd_nonblock(STDIN_FILENO);
        r = load_client_watch(run->client, STDIN_FILENO);
    }
    if (r < 0)
        return error_set(reterr, r, "watch signals and standard input");
    load_client_stop(run->client, stop_us);
    run->next_line_us = begin_us + US_PER_S;
    while (!load_client_done(run->client) || run->stats->ended_us == 0) {
        r = load_client_turn(run->client, run->next_live_us);
        if (r == 1)
            r = take_signals(run);
        if (r < 0)
            return error_set(reterr, r, "run the load");
        r = tell(run, mono_now_us(), reterr);
        if (r < 0)
            return r;
        if (load_client_done(run->client))
            load_stats_end(run->stats, load_client_stopped(run->client));
    }
    return 0;
}

static int
report(const struct run *run, struct error *reterr)
{
    auto_text struct text text = TEXT_INIT;
    auto_text struct text json = TEXT_INIT;
    auto_text struct text live = TEXT_INIT;
    int r = 0;

    load_report_text(run->stats, &text);
    load_report_json(run->stats, &json);
    load_report_live(run->stats, &live);
    if (run->json)
        r = load_report_swap(run->json, &json, reterr);
    if (r == 0 && run->status_file)
        r = load_report_swap(run->status_file, &live, reterr);
    if (r == 0 && (fputs(text_str(&text), stdout) == EOF || fflush(stdout) == EOF))
        r = error_set(reterr, -errno, "write the report");
    return r;
}

int
main(int argc, char **argv)
{
    struct run run = {
        .options =
            {.rate = 500, .keepalive = 16, .single = 200, .timeout_us = 5 * US_PER_S, .path = "/"},
        .generation_header = "X-Stint-Generation",
        .duration_us = TIME_NEVER,
        .signals = -1,
    };
    struct error error = {0};
    int status = EXIT_USAGE;
    int r;

    r = parse_options(argc, argv, &run, &error);
    if (r == 0)
        r = descriptors_allow();
    if (r == 0)
        r = signals_open(&run.signals);
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0); /* wake when due, not up to 50 µs later */
    if (r == 0)
        r = run_load(&run, &error);
    if (r == 0)
        r = report(&run, &error);
    if (r < 0)
        (void)fprintf(stderr, "stint-load: %s\n", error.text[0] ? error.text : strerrordesc_np(-r));
    else
        status = load_stats_failed(run.stats) > 0 ? EXIT_FAILED : EXIT_SUCCESS;
    load_client_destroy(run.client);
    load_stats_destroy(run.stats);
    fd_close(run.signals);
    return status;
}
