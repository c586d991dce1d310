/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CLI_INTERNAL_H
#define STINT_CLI_INTERNAL_H

/* Shared by the files of the command line: one invocation, one table of verbs, one of options. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "supervisor/cli/cli.h"

#define CLI_SOCKET_DEFAULT "/run/stint/control.sock"
#define CLI_CONFIG_DEFAULT "/etc/stint/stint.yaml"

enum cli_option {
    OPTION_CONFIG,
    OPTION_SOCKET,
    OPTION_JSON,
    OPTION_HELP,
    OPTION_FORCE,
    OPTION_WAIT,
    OPTION_TIMEOUT,
    OPTION_ALL,
    OPTION_FOR,
    OPTION_FOLLOW,
    OPTION_SINCE,
    OPTION_LINES,
    OPTION_GENERATION,
    OPTION_KEYS,
    OPTION_SCHEMA,
    OPTION_WATCHDOG,
    OPTION_EXIT_WHEN_FAILED,
    OPTION_PID,
    OPTION_FAIL_ON_LEAK,
    OPTION_CERTIFICATES,
    OPTION_BINARY,
    OPTION_JUNIT,
    OPTION_KEEP,
    OPTION_BESIDE_LIVE,
    OPTION_TRACE,
    OPTION_LINT,
    OPTION_CPU,
    OPTION_HEAP,
    OPTION_THREADS,
    OPTION_SECONDS,
    OPTION_OUTPUT,
    OPTION_HTTP,
    OPTION_FLAMEGRAPH,
    OPTION_DIFF_BASE,
    OPTION_SPANS,
    OPTION_TEXTFILE,
    OPTION_COUNT
};

#define ACCEPTS(option) (UINT64_C(1) << (option))

struct option_row {
    const char *name;  /* without "--" */
    char letter;       /* '\0': none */
    const char *value; /* what it takes, for the help; NULL: nothing */
    const char *help;
};
extern const struct option_row cli_options[OPTION_COUNT];

/* One invocation. */
struct cli {
    const struct cli_hooks *hooks; /* borrowed */
    FILE *out, *err;               /* borrowed */
    bool colour;                   /* on @out */
    const struct verb *verb;
    const char *values[OPTION_COUNT]; /* as given; "" for a bare option; NULL: not given */
    char **args;                      /* borrowed from argv: what is no option */
    int n_args;
    uint64_t seen; /* seq of the last line of a stream; 0: none */
};

struct verb {
    const char *name;
    const char *args;       /* for the usage line */
    const char *help;       /* one line */
    int min_args, max_args; /* -1: any number */
    uint64_t accepts;       /* ACCEPTS() of its own options */
    int (*run)(struct cli *cli);
    const char *more; /* paragraphs and examples for `stint help VERB` */
};
extern const struct verb cli_verbs[];
extern const size_t cli_n_verbs;

/* ---- cli.c, cli_parse.c, cli_help.c ------------------------------------------------------ */

/* cli_main() with the streams of the caller's choice. */
int cli_dispatch(struct cli *cli, int argc, char **argv);
/* Options and verb from the command line. Return: 0, or CLI_USAGE after saying what is wrong. */
int cli_parse(struct cli *cli, int argc, char **argv);
/* Says that there is no verb @word, and which was meant. Return: CLI_USAGE. */
int cli_unknown_verb(struct cli *cli, const char *word);
/* "stint: …" on stderr. Return: @code. */
__attribute__((format(printf, 3, 4))) int cli_fail(struct cli *cli, int code, const char *fmt, ...);
/* A whole number option; false after saying that it is none. @ret keeps its value when not given. */
bool cli_number(struct cli *cli, enum cli_option option, uint64_t *ret);
/* A duration option ("10s"). */
bool cli_duration(struct cli *cli, enum cli_option option, int64_t *ret_us);
/* The nearest of @names (NULL-terminated) that may have been meant, or NULL. */
const char *cli_nearest(const char *word, const char *const *names);

void cli_help_all(struct cli *cli);
void cli_help_verb(struct cli *cli, const struct verb *verb);
int verb_help(struct cli *cli);

/* ---- verbs ------------------------------------------------------------------------------- */

/* verb_check.c: the configuration meant by -c; and after it could not be had: that one may be named. */
const char *config_of(const struct cli *cli);
void hint_config(struct cli *cli);

int verb_run(struct cli *cli);
int verb_check(struct cli *cli);
int verb_status(struct cli *cli);
int verb_threads(struct cli *cli);
int verb_leaks(struct cli *cli);
int verb_profile(struct cli *cli);
int verb_version(struct cli *cli);
int verb_reload(struct cli *cli);
int verb_start(struct cli *cli);
int verb_stop(struct cli *cli);
int verb_wait(struct cli *cli);
int verb_upgrade(struct cli *cli);
int verb_reopen(struct cli *cli);
int verb_events(struct cli *cli);
int verb_logs(struct cli *cli);
int verb_metrics(struct cli *cli);
int cli_logs_of_trace(struct cli *cli);
int cli_lint(struct cli *cli);
/* cli_stream - lines of @route, as the command line wants them; with a trace those after cli->seen. */
int cli_stream(struct cli *cli, const char *route, const char *lines_default);
/* cli_trace_met - while a trace is followed: was that line shown before? */
bool cli_trace_met(const json_t *line);
int verb_preflight(struct cli *cli);

struct text;

/* ---- master.c: asking the master --------------------------------------------------------- */

/* The control socket meant by --socket, $STINT_SOCKET or the configuration. Return: 0 or exit code. */
int cli_socket(struct cli *cli, char **ret_path);

/* What becomes of a question when the connection breaks before the whole answer is there. */
enum ask_patience {
    ASK_LOOK,   /* it is asked again, for a few seconds */
    ASK_WAIT,   /* … until its time is over */
    ASK_FOLLOW, /* … for as long as somebody is there now and then */
    ASK_ONCE    /* it is not: it would be done twice */
};

struct ask {
    const char *method, *path; /* with its query */
    enum ask_patience patience;
    json_t *body;       /* borrowed; NULL: none */
    int64_t timeout_us; /* for the whole exchange; 0: no limit */
    /* NULL: the answer is kept. Else each line of it goes here; false ends the exchange. */
    bool (*line)(struct cli *cli, const char *line, size_t bytes);
    /* NULL, or the same for each piece of an answer that has no lines; it gets `env`. */
    bool (*piece)(void *env, const char *bytes, size_t n);
    /* Before it is asked again: change what has to be changed in @ask. NULL: nothing has to. */
    void (*renew)(struct cli *cli, struct ask *ask, int64_t left_us);
    void *env; /* for renew() and piece() */
};

/**
 * cli_ask - one request; asked again as @ask->patience says when the master is being replaced.
 * @ret: the JSON of the answer, owned by the caller; untouched for streams and when there is none
 *
 * Return: the exit code that the answer means; everything that is no proper answer was said.
 */
int cli_ask(struct cli *cli, const struct ask *ask, json_t **ret);
/* The same, and with --json print the answer. *ret is NULL then: nothing is left to say. */
int cli_ask_json(struct cli *cli, const struct ask *ask, json_t **ret);
/* "web", "web/7", "web/7.0" as a query. False, after saying so: it is none of these. */
bool cli_whom(struct cli *cli, const char *whom, struct text *path);
/* A word that nobody else uses, for the id of a change. False: the system has no chance to give. */
#define CLI_ID_TEXT 33
bool cli_id(char id[CLI_ID_TEXT]);
/* Append "?key=value" or "&key=value", escaped. */
void cli_query(struct text *path, const char *key, const char *value);

/* ---- render*.c: JSON to text for people -------------------------------------------------- */

void render_status(struct cli *cli, const json_t *status);
/* render_notes.c: how near a worker is to its limits; the replaced files that a service runs */
void render_limits(const json_t *worker, struct text *out);
void render_thread_count(const json_t *threads, struct text *out); /* appended; NULL: nothing */
void render_outdated(const json_t *service, struct text *out);
void render_overrun(const json_t *one, struct text *out); /* of `deadlines.overruns` */
void render_trace(const json_t *trace, struct text *out);
void render_answer(struct cli *cli, const json_t *answer);
void render_upgrade(struct cli *cli, const json_t *answer);
/* "0.1.0, pid 12 (master 34, the 2nd, since 3.00 s), up 2 h" of a status or a version … */
struct text;
void render_program(const json_t *program, struct text *out);
/* … and what else there is to say about it, a line each. */
void render_program_notes(struct cli *cli, const json_t *program);
/* render_hook - how one came out, as a line without its end. Return: its colour. */
enum paint render_hook(const json_t *h, struct text *out);
/* render_leaks.c */
void render_threads(struct cli *cli, const json_t *threads);
void render_evidence(struct cli *cli, const json_t *e); /* the rest of a line, and those below it */
void render_leaks(struct cli *cli, const json_t *leaks);
void render_event(struct cli *cli, json_t *event);
void render_output(struct cli *cli, json_t *line);

/* ---- paint.c: small things of rendering -------------------------------------------------- */

enum paint { PAINT_PLAIN, PAINT_BOLD, PAINT_GOOD, PAINT_WARN, PAINT_BAD, PAINT_FAINT };

/* Printed in colour where there is colour; control characters are escaped, whoever wrote them. */
void paint(struct cli *cli, enum paint colour, const char *s);
__attribute__((format(printf, 3, 4))) void paintf(struct cli *cli, enum paint colour,
                                                  const char *fmt, ...);
void paint_columns(struct cli *cli, enum paint colour, const char *s, int width); /* padded */
int paint_width(const char *s); /* columns it takes */

const char *json_text(const json_t *o, const char *key); /* "" when absent */
int64_t json_number(const json_t *o, const char *key);   /* 0 when absent */
bool json_flag(const json_t *o, const char *key);
bool json_has(const json_t *o, const char *key);
/* The milliseconds at @key for people ("3.2 s"); "" when absent. Return: @buf. */
char *json_duration(const json_t *o, const char *key, char *buf, size_t room);

#endif
