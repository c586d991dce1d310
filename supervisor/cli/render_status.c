/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/cli/cli_internal.h"

/*
 * SERVICE    STATE     PID   UPTIME  NOTE
 * web        running                 generation 8, workers 2, http tcp://0.0.0.0:8080
 *   gen 8    serving         2 min
 *     0      ready     4711  2 min   "warm"
 *   gen 7    draining        9 min   waits for pid 45: finishes its work since SIGTERM, 27 s left
 */
#define COLUMNS 5

struct row {
    char *cells[COLUMNS]; /* owned; NULL: empty. A free row has cells[0] only and no columns */
    enum paint colour;    /* of the state */
    bool free_text;
};

struct table {
    struct row *rows; /* owned */
    size_t n;
    bool failed;
};

static struct row *
table_add(struct table *t)
{
    struct row *bigger = realloc(t->rows, (t->n + 1) * sizeof(*bigger));

    if (!bigger) {
        t->failed = true;
        return NULL;
    }
    t->rows = bigger;
    t->rows[t->n] = (struct row){0};
    return &t->rows[t->n++];
}

__attribute__((format(printf, 3, 4))) static void
cell(struct row *row, int column, const char *fmt, ...)
{
    va_list ap;

    if (!row)
        return;
    va_start(ap, fmt);
    if (vasprintf(&row->cells[column], fmt, ap) == -1)
        row->cells[column] = NULL; /* no memory: an empty cell */
    va_end(ap);
}

static void
measure(const struct table *t, int width[COLUMNS])
{
    for (size_t i = 0; i < t->n; i++)
        for (int c = 0; c < COLUMNS && !t->rows[i].free_text; c++)
            if (t->rows[i].cells[c] && paint_width(t->rows[i].cells[c]) > width[c])
                width[c] = paint_width(t->rows[i].cells[c]);
}

static void
row_print(struct cli *cli, const struct row *row, bool head, const int width[COLUMNS])
{
    int used = COLUMNS; /* up to the last cell that says something */

    while (used > 0 && !(row->cells[used - 1] && row->cells[used - 1][0]))
        used--;
    for (int c = 0; c < used; c++) {
        const char *s = row->cells[c] ? row->cells[c] : "";
        enum paint colour = c == 1 || row->free_text || head ? row->colour : PAINT_PLAIN;

        if (c == used - 1)
            paint(cli, colour, s);
        else
            paint_columns(cli, colour, s, width[c] + 2);
    }
    (void)fputc('\n', cli->out);
}

static void
table_print(struct cli *cli, struct table *t)
{
    int width[COLUMNS] = {0};

    measure(t, width);
    for (size_t i = 0; i < t->n; i++) {
        row_print(cli, &t->rows[i], i == 0, width);
        for (int c = 0; c < COLUMNS; c++)
            free(t->rows[i].cells[c]);
    }
    free(t->rows);
}

static enum paint
state_colour(const char *state)
{
    static const struct {
        const char *state;
        enum paint colour;
    } colours[] = {
        {"running",   PAINT_GOOD },
        {"serving",   PAINT_GOOD },
        {"completed", PAINT_GOOD },
        {"ready",     PAINT_GOOD },
        {"failed",    PAINT_BAD  },
        {"leaked",    PAINT_BAD  },
        {"killed",    PAINT_BAD  },
        {"abandoned", PAINT_BAD  },
        {"stopped",   PAINT_FAINT},
    };

    for (size_t i = 0; i < ARRAY_LEN(colours); i++)
        if (strcmp(colours[i].state, state) == 0)
            return colours[i].colour;
    return PAINT_WARN; /* on the way somewhere */
}

/* What it does, or what is wrong with it; and how many threads it has. */
static void
worker_note(const json_t *w, struct text *out)
{
    auto_text struct text limits = TEXT_INIT;
    char buf[32];
    const json_t *ready = json_object_get(w, "ready");
    const char *progress = json_text(json_object_get(ready, "progress"), "waiting_for");

    render_limits(w, &limits);
    if (json_text(w, "leak")[0])
        text_addf(out, "%s", json_text(w, "leak"));
    else if (json_has(w, "next_try_in_ms"))
        text_addf(out, "next try in %s after %" PRId64 " failures",
                  json_duration(w, "next_try_in_ms", buf, sizeof(buf)), json_number(w, "failures"));
    else if (strcmp(json_text(w, "reload"), "asked") == 0)
        text_addf(out, "was asked to reload");
    else if (strcmp(json_text(w, "reload"), "reloading") == 0)
        text_addf(out, "reloads");
    else if (json_text(w, "status")[0])
        text_addf(out, "\"%s\"%s%s", json_text(w, "status"), limits.bytes > 0 ? ", " : "",
                  text_str(&limits));
    else if (limits.bytes > 0)
        text_addf(out, "%s", text_str(&limits));
    else if (progress[0])
        text_addf(out, "%s", progress);
    else if (strcmp(json_text(w, "state"), "starting") == 0)
        text_addf(out, "waits for ready: %s", json_text(ready, "mode"));
    render_thread_count(json_object_get(w, "threads"), out);
}

static void
add_worker(struct table *t, const json_t *w)
{
    auto_text struct text note = TEXT_INIT;
    char buf[32];
    struct row *row = table_add(t);

    if (!row)
        return;
    row->colour = state_colour(json_text(w, "state"));
    cell(row, 0, "    %s%" PRId64, json_flag(w, "escapee") ? "left behind by " : "",
         json_number(w, "slot"));
    cell(row, 1, "%s", json_text(w, "state"));
    if (json_number(w, "pid") > 0)
        cell(row, 2, "%" PRId64, json_number(w, "pid"));
    cell(row, 3, "%s", json_duration(w, "uptime_ms", buf, sizeof(buf)));
    worker_note(w, &note);
    if (note.bytes > 0)
        cell(row, 4, "%s", text_str(&note));
}

static void
add_generation(struct table *t, const json_t *g)
{
    char buf[32], ago[32];
    const json_t *drain = json_object_get(g, "drain");
    struct row *row = table_add(t);
    size_t i;
    json_t *w;

    if (!row)
        return;
    row->colour = state_colour(json_text(g, "state"));
    cell(row, 0, "  gen %" PRId64, json_number(g, "number"));
    cell(row, 1, "%s", json_text(g, "state"));
    cell(row, 3, "%s", json_duration(g, "uptime_ms", buf, sizeof(buf)));
    if (drain)
        cell(row, 4, "%s: waits for %s", json_flag(g, "aborted") ? "aborted" : "relieved",
             json_text(drain, "waits_for"));
    else if (json_has(g, "hook"))
        cell(row, 4, "its hook %s runs", json_text(json_object_get(g, "hook"), "hook"));
    else if (json_has(g, "ended_ago_ms"))
        cell(row, 4, "ended with 0 after %s, %s ago", json_duration(g, "ran_ms", buf, sizeof(buf)),
             json_duration(g, "ended_ago_ms", ago, sizeof(ago)));
    else if (json_text(g, "reason")[0])
        cell(row, 4, "%s", json_text(g, "reason"));
    else if (strcmp(json_text(g, "reload_evidence"), "assumed") == 0)
        cell(row, 4, "its reload by signal is only assumed");
    else if (json_text(g, "reload_evidence")[0])
        cell(row, 4, "reloaded by signal (%s)", json_text(g, "reload_evidence"));
    else if (strcmp(json_text(g, "ready_grade"), "weak") == 0)
        cell(row, 4, "ready is only assumed");
    json_array_foreach(json_object_get(g, "workers"), i, w) add_worker(t, w);
}

static void
add_free(struct table *t, enum paint colour, const char *label, const char *text)
{
    struct row *row = table_add(t);

    if (!row)
        return;
    row->free_text = true;
    row->colour = colour;
    cell(row, 0, "  %s%s", label, text);
}

static void
add_verdict(struct table *t, const json_t *v)
{
    char took[32], ago[32];
    auto_text struct text s = TEXT_INIT;

    text_addf(&s, "%s", json_text(v, "outcome"));
    if (json_text(v, "evidence")[0])
        text_addf(&s, " (%s)", json_text(v, "evidence"));
    if (json_number(v, "generation") > 0)
        text_addf(&s, ", generation %" PRId64, json_number(v, "generation"));
    text_addf(&s, ", %s, %s ago: %s", json_duration(v, "duration_ms", took, sizeof(took)),
              json_duration(v, "ago_ms", ago, sizeof(ago)), json_text(v, "cause"));
    add_free(t, PAINT_PLAIN, "last reload: ", text_str(&s));
}

/* Only when something is wrong, or was. */
static void
add_log(struct table *t, const json_t *log)
{
    auto_text struct text s = TEXT_INIT;
    bool failed = strcmp(json_text(log, "state"), "failed") == 0;

    if (failed)
        text_addf(&s, "cannot be written: %s", json_text(log, "error"));
    else if (strcmp(json_text(log, "state"), "dropping") == 0)
        text_add(&s, "is behind");
    if (json_number(log, "dropped_lines") > 0)
        text_addf(&s, "%s%" PRId64 " lines dropped", s.bytes ? "; " : "",
                  json_number(log, "dropped_lines"));
    if (s.bytes > 0)
        add_free(t, failed ? PAINT_BAD : PAINT_WARN, "log: ", text_str(&s));
}

static void
note_of(const json_t *s, struct text *out)
{
    size_t i;
    json_t *l;

    if (json_number(s, "serving") > 0)
        text_addf(out, "generation %" PRId64 ", ", json_number(s, "serving"));
    if (strcmp(json_text(s, "type"), "oneshot") == 0)
        text_add(out, "oneshot");
    else
        text_addf(out, "workers %" PRId64, json_number(s, "workers"));
    json_array_foreach(json_object_get(s, "listeners"), i, l)
        text_addf(out, ", %s %s", json_text(l, "name"), json_text(l, "address"));
    if (json_number(s, "respawns") > 0)
        text_addf(out, ", respawns %" PRId64, json_number(s, "respawns"));
    if (json_text(s, "why")[0])
        text_addf(out, "; %s", json_text(s, "why"));
}

static void
add_libraries(struct table *t, const json_t *s)
{
    auto_text struct text files = TEXT_INIT;
    const json_t *needs = json_object_get(s, "needs_reload");

    if (json_is_true(needs)) {
        render_outdated(s, &files);
        add_free(t, PAINT_WARN,
                 "NEEDS A RELOAD: runs what was replaced on disk: ", text_str(&files));
    } else if (json_is_null(needs)) {
        add_free(t, PAINT_FAINT, "",
                 "whether it runs libraries that were replaced on disk is not known (see --json)");
    }
}

static void
add_deadlines(struct table *t, const json_t *d)
{
    size_t i;
    json_t *one;

    json_array_foreach(json_object_get(d, "overruns"), i, one)
    {
        auto_text struct text words = TEXT_INIT;

        if (i == 3) {
            add_free(t, PAINT_FAINT, "", "… and more past their deadlines, see --json");
            break;
        }
        render_overrun(one, &words);
        add_free(t, json_flag(one, "live") ? PAINT_BAD : PAINT_WARN,
                 "PAST ITS DEADLINE: ", text_str(&words));
    }
    json_array_foreach(json_object_get(d, "edges"), i, one) if (json_text(one, "fault")[0])
        add_free(t, PAINT_WARN, "deadlines: ", json_text(one, "fault"));
    if (json_text(d, "none")[0])
        add_free(t, PAINT_FAINT, "deadlines: none, on purpose: ", json_text(d, "none"));
}

static void
add_service(struct table *t, const json_t *s)
{
    auto_text struct text note = TEXT_INIT, trace = TEXT_INIT;
    const char *mode = json_text(json_object_get(s, "watch"), "mode");
    struct row *row = table_add(t);
    size_t i;
    json_t *g, *h;

    if (!row)
        return;
    note_of(s, &note);
    row->colour = state_colour(json_text(s, "state"));
    cell(row, 0, "%s", json_text(s, "name"));
    cell(row, 1, "%s", json_text(s, "state"));
    cell(row, 4, "%s", text_str(&note));
    json_array_foreach(json_object_get(s, "generations"), i, g) add_generation(t, g);
    if (json_has(s, "rejected"))
        add_free(t, PAINT_BAD, "REJECTED: ", json_text(json_object_get(s, "rejected"), "reason"));
    add_libraries(t, s);
    add_log(t, json_object_get(s, "log"));
    add_deadlines(t, json_object_get(s, "deadlines"));
    render_trace(json_object_get(s, "trace"), &trace);
    if (trace.bytes > 0)
        add_free(t, PAINT_WARN, "trace context: ", text_str(&trace));
    if (strncmp(mode, "polling", 7) == 0)
        add_free(t, PAINT_WARN, "its files are watched by ", mode);
    json_array_foreach(json_object_get(s, "hooks"), i, h)
    {
        auto_text struct text words = TEXT_INIT;
        enum paint colour = render_hook(h, &words);

        add_free(t, colour, "", text_str(&words));
    }
    if (json_has(s, "last_verdict"))
        add_verdict(t, json_object_get(s, "last_verdict"));
}

static void
print_head(struct cli *cli, const json_t *status)
{
    const json_t *config = json_object_get(status, "config");
    auto_text struct text program = TEXT_INIT;
    char left[32];

    render_program(status, &program);
    paintf(cli, PAINT_FAINT, "stint %s, %s\n", text_str(&program), json_text(config, "path"));
    render_program_notes(cli, status);
    if (json_flag(status, "stopping"))
        paintf(cli, PAINT_WARN, "STOPPING, at most %s more\n",
               json_duration(status, "stop_deadline_in_ms", left, sizeof(left)));
    if (config && !json_flag(config, "valid")) {
        paint(cli, PAINT_BAD, "REJECTED: the configuration on disk; the one before is in force\n");
        paint(cli, PAINT_PLAIN, json_text(config, "error"));
        (void)fputc('\n', cli->out);
    }
}

void
render_status(struct cli *cli, const json_t *status)
{
    static const char *const head[COLUMNS] = {"SERVICE", "STATE", "PID", "UPTIME", "NOTE"};
    struct table t = {0};
    struct row *row = table_add(&t);
    const json_t *services = json_object_get(status, "services");
    size_t i;
    json_t *s;

    print_head(cli, status);
    for (int c = 0; c < COLUMNS; c++)
        cell(row, c, "%s", head[c]);
    if (row)
        row->colour = PAINT_BOLD;
    json_array_foreach(services, i, s) add_service(&t, s);
    table_print(cli, &t);
    if (json_array_size(services) == 0)
        (void)fputs("no services are configured\n", cli->out);
    if (t.failed)
        (void)cli_fail(cli, CLI_INTERNAL, "out of memory: the table is not complete");
}
