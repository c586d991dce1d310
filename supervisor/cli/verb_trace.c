/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/cli_internal.h"

/*
 * All that is known of one trace: the supervisor's own lines, what it keeps of each service's output, and the
 * log files of the services, which are read here and not by the supervisor: a disk may hang.
 */
#define LOOK_TIMEOUT_US (10 * US_PER_S)
#define FOUND_MAX       100000

struct found_line {
    json_t *line; /* owned */
    size_t order; /* as it was found */
};

static struct {
    struct found_line *of; /* owned */
    size_t n, room;
    uint64_t seen; /* of the stream that is read: asked again, it begins anew */
    bool full;
} all;

/* What is followed begins behind the numbers that were given before anything was read. */
static struct {
    uint64_t events, output;
    struct shown {
        uint64_t seq;
        bool output;
    } * shown; /* owned: lines behind those that were read */
    size_t n;
} after;

static void
add(json_t *line)
{
    if (all.n == all.room) {
        size_t room = all.room ? all.room * 2 : 256;
        struct found_line *more =
            all.n < FOUND_MAX ? reallocarray(all.of, room, sizeof(*more)) : NULL;

        if (!more) {
            all.full = true;
            json_decref(line);
            return;
        }
        all.of = more;
        all.room = room;
    }
    all.of[all.n] = (struct found_line){line, all.n};
    all.n++;
}

static bool
on_kept(struct cli *cli, const char *line, size_t bytes)
{
    json_t *json = json_loadb(line, bytes, JSON_ALLOW_NUL, NULL);
    uint64_t seq = (uint64_t)json_number(json, "seq");

    (void)cli;
    if (json && seq > all.seen) {
        all.seen = seq;
        add(json);
    } else {
        json_decref(json);
    }
    return true;
}

static int
ask_kept(struct cli *cli, const char *route, const char *trace, const char *service)
{
    auto_text struct text path = TEXT_INIT;
    struct ask ask = {.method = "GET", .timeout_us = LOOK_TIMEOUT_US, .line = on_kept};
    json_t *none = NULL;
    int r;

    text_add(&path, route);
    cli_query(&path, "trace", trace);
    if (service)
        cli_query(&path, "service", service);
    ask.path = text_str(&path);
    all.seen = 0;
    r = cli_ask(cli, &ask, &none);
    json_decref(none);
    return r;
}

static bool
is_output(const json_t *line)
{
    return strcmp(json_text(line, "event"), "output") == 0;
}

/* ---- Log files ------------------------------------------------------------------------------- */

/* What is kept of the service since @from, newest first: is the end of @line one of those, and not met yet? */
static bool
is_kept(size_t from, size_t to, const char *line, size_t n)
{
    for (size_t i = to; i > from; i--) {
        json_t *kept = all.of[i - 1].line;
        const char *msg = json_text(kept, "msg");
        size_t bytes = strlen(msg);

        if (bytes == 0 || bytes > n || json_object_get(kept, "met") ||
            memcmp(line + n - bytes, msg, bytes) != 0)
            continue;
        (void)json_object_set_new(kept, "met", json_true());
        return true;
    }
    return false;
}

/* A line may be any bytes. NULL without memory. */
static json_t *
json_of_bytes(const char *bytes, size_t n)
{
    auto_text struct text quoted = TEXT_INIT;

    text_add_json(&quoted, bytes, n);
    return quoted.failed ? NULL
                         : json_loads(text_str(&quoted), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

/* The time at its beginning, where there is one. */
static void
add_time(json_t *json, const char *line, size_t n)
{
    const char *at = n > 5 && strncmp(line, "time=", 5) == 0 ? line + 5 : line;
    size_t bytes = strcspn(at, " \t\",");

    if (bytes >= 20 && bytes <= 35 && at[4] == '-' && at[10] == 'T' && at[bytes - 1] == 'Z')
        (void)json_object_set_new(json, "ts", json_stringn(at, bytes));
}

static void
add_file_line(const char *service, const char *path, const char *line, size_t n)
{
    json_t *json = json_loadb(line, n, JSON_ALLOW_NUL, NULL);

    if (is_output(json)) { /* format: json: it has all its fields */
        add(json);
        return;
    }
    json_decref(json);
    json = json_pack("{s:s, s:s, s:s, s:s}", "ts", "", "event", "output", "service", service,
                     "file", path);
    add_time(json, line, n);
    (void)json_object_set_new(json, "msg", json_of_bytes(line, n));
    if (json)
        add(json);
}

struct file_lines {
    const char *service, *path, *trace;
    size_t kept_from, kept_to; /* the lines of this service that the supervisor keeps */
};

static int
read_file(struct cli *cli, const struct file_lines *f)
{
    FILE *in = fopen(f->path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    if (!in)
        return cli_fail(cli, CLI_NO, "%s: %s: its lines are not among these", f->path,
                        strerrordesc_np(errno));
    while (!all.full && (n = getline(&line, &room, in)) > 0) {
        if (line[n - 1] == '\n')
            n--;
        if (memmem(line, (size_t)n, f->trace, strlen(f->trace)) &&
            !is_kept(f->kept_from, f->kept_to, line, (size_t)n))
            add_file_line(f->service, f->path, line, (size_t)n);
    }
    free(line);
    (void)fclose(in);
    return CLI_OK;
}

/* The newest first: its last lines are those that are kept. */
static int
read_files(struct cli *cli, struct file_lines *f, const char *file)
{
    auto_text struct text pattern = TEXT_INIT;
    glob_t rotated = {0};
    int r, one;

    f->path = file;
    r = read_file(cli, f);
    for (const char *c = file; *c; c++)
        text_addf(&pattern, "%s%c", strchr("*?[\\", *c) ? "\\" : "", *c);
    text_add(&pattern, ".[0-9]*Z");
    if (glob(text_str(&pattern), 0, NULL, &rotated) == 0)
        for (size_t i = rotated.gl_pathc; i > 0; i--) {
            f->path = rotated.gl_pathv[i - 1];
            one = read_file(cli, f);
            r = r ? r : one;
        }
    globfree(&rotated);
    return r;
}

/* ---- All there is ---------------------------------------------------------------------------- */

static int
ask_service(struct cli *cli, const json_t *s, const char *trace)
{
    const char *name = json_text(s, "name"), *file = json_text(json_object_get(s, "log"), "file");
    struct file_lines f = {.service = name, .trace = trace, .kept_from = all.n};
    int r = ask_kept(cli, "/v1/logs", trace, name);

    f.kept_to = all.n;
    if (r == CLI_OK && *file)
        r = read_files(cli, &f, file);
    return r;
}

/* ---- What comes -------------------------------------------------------------------------------- */

bool
cli_trace_met(const json_t *line)
{
    uint64_t seq = (uint64_t)json_number(line, "seq");

    for (size_t i = 0; i < after.n; i++)
        if (after.shown[i].seq == seq && after.shown[i].output == is_output(line))
            return true;
    return false;
}

/* Those that came while the rest was read are asked for again, and not shown again. */
static void
note_shown(void)
{
    after.shown = calloc(all.n ? all.n : 1, sizeof(*after.shown));
    for (size_t i = 0; after.shown && i < all.n; i++) {
        const json_t *line = all.of[i].line;
        bool output = is_output(line), span = json_has(line, "start_unix_ns");
        uint64_t seq = (uint64_t)json_number(line, "seq");

        if (!span && seq > (output ? after.output : after.events))
            after.shown[after.n++] = (struct shown){seq, output};
    }
}

/* Two streams: a process for each, and each line is written at once. */
static int
follow(struct cli *cli)
{
    pid_t pid, self = getpid();
    int r;

    if (fflush(cli->out) != 0)
        return CLI_OK; /* nobody there */
    pid = fork();
    if (pid == -1)
        return cli_fail(cli, CLI_INTERNAL, "cannot follow: %s", strerrordesc_np(errno));
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1 || getppid() != self)
            _exit(CLI_INTERNAL);
        cli->seen = after.events;
        _exit(cli_stream(cli, "/v1/events", NULL));
    }
    cli->seen = after.output;
    r = cli_stream(cli, "/v1/logs", NULL);
    (void)kill(pid, SIGTERM); /* ours: it is waited for below */
    (void)waitpid(pid, NULL, 0);
    free(after.shown);
    after.shown = NULL;
    after.n = 0;
    return r;
}

/* ---- All of it ------------------------------------------------------------------------------- */

/* By time; what has none stands where it was found, before the rest of its service. */
static int
by_time(const void *a, const void *b)
{
    const struct found_line *x = a, *y = b;
    int order = strcmp(json_text(x->line, "ts"), json_text(y->line, "ts"));

    return order ? order : x->order < y->order ? -1 : 1;
}

static void
print_all(struct cli *cli)
{
    if (all.n > 0)
        qsort(all.of, all.n, sizeof(*all.of), by_time);
    for (size_t i = 0; i < all.n; i++) {
        json_t *line = all.of[i].line;

        (void)json_object_del(line, "met");
        if (cli->values[OPTION_JSON]) {
            (void)json_dumpf(line, cli->out,
                             JSON_COMPACT); /* a full disk shows at the last flush */
            (void)fputc('\n', cli->out);
        } else {
            render_output(cli, line);
        }
        json_decref(line);
    }
    free(all.of);
    all.of = NULL;
    all.n = all.room = 0;
}

/* An id, or the traceparent it stands in. */
static bool
read_id(const char *text, char trace[33])
{
    if (strlen(text) == 55 && text[2] == '-' && text[35] == '-')
        text += 3;
    else if (strlen(text) != 32)
        return false;
    memcpy(trace, text, 32);
    trace[32] = '\0';
    return strspn(trace, "0123456789abcdef") == 32;
}

int
cli_logs_of_trace(struct cli *cli)
{
    struct ask ask = {.method = "GET", .timeout_us = LOOK_TIMEOUT_US};
    auto_text struct text path = TEXT_INIT;
    json_t *status = NULL, *service;
    char trace[33];
    size_t i;
    int r, one;

    if (!read_id(cli->values[OPTION_TRACE], trace))
        return cli_fail(cli, CLI_USAGE, "--trace wants 32 digits of 0-9 and a-f, or a traceparent");
    if (cli->values[OPTION_SINCE] || cli->values[OPTION_LINES])
        return cli_fail(cli, CLI_USAGE, "--trace shows all there is: no --since or -n");
    cli->values[OPTION_TRACE] = trace;
    text_add(&path, "/v1/status");
    if (cli->n_args > 0)
        cli_query(&path, "service", cli->args[0]);
    ask.path = text_str(&path);
    r = cli_ask(cli, &ask, &status);
    after.events = (uint64_t)json_number(json_object_get(status, "log"), "events");
    after.output = (uint64_t)json_number(json_object_get(status, "log"), "output_lines");
    if (r == CLI_OK)
        r = ask_kept(cli, "/v1/events", trace, cli->n_args > 0 ? cli->args[0] : NULL);
    if (r == CLI_OK)
        r = ask_kept(cli, "/v1/spans", trace, cli->n_args > 0 ? cli->args[0] : NULL);
    json_array_foreach(json_object_get(status, "services"), i, service)
    {
        one = r == CLI_OK || r == CLI_NO ? ask_service(cli, service, trace) : CLI_OK;
        r = r ? r : one;
    }
    json_decref(status);
    if (cli->values[OPTION_FOLLOW])
        note_shown();
    print_all(cli);
    if (all.full)
        r = cli_fail(cli, CLI_NO, "there are more lines than can be shown");
    return cli->values[OPTION_FOLLOW] && (r == CLI_OK || r == CLI_NO) ? follow(cli) : r;
}
