/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cell.h"

/* What has to be true of the log when all is over, whoever was killed in between. */

#define LINES_MAX   20000
#define WORKERS_MAX 200
#define RELOADS_MAX 200

/* One numbered thing: how often it was said, and how often it was said to be a repetition. */
struct seen {
    unsigned char times, marked;
};

static struct {
    struct seen *printed; /* LINES_MAX of them; owned */
    uint64_t lines;       /* that it printed, as it counts itself */
    pid_t pid;
    struct seen exit; /* obituaries */
    bool spawned;     /* the log says so */
} workers[WORKERS_MAX];
static size_t n_workers;

/* Lines that may be there already follow event=log_repeated for so many bytes. */
static const char *repeated_until;

static bool
is_marked(const char *line, const char *end)
{
    return line < repeated_until || memmem(line, (size_t)(end - line), " repeated=1", 11);
}

static size_t
worker(pid_t pid)
{
    size_t i = 0;

    while (i < n_workers && workers[i].pid != pid)
        i++;
    ck_assert_uint_lt(i, WORKERS_MAX);
    if (i == n_workers) {
        workers[i].pid = pid;
        workers[i].printed = calloc(LINES_MAX, sizeof(struct seen));
        ck_assert_ptr_nonnull(workers[i].printed);
        n_workers++;
    }
    return i;
}

static void
note(struct seen *s, bool marked)
{
    s->times++;
    s->marked += marked;
}

/* Of what may be told twice: it is there, and every time but one it says that it is a repetition. */
static void
must_be_there(const struct seen *s, const char *what, pid_t pid, uint64_t number)
{
    if (s->times == 0)
        ck_abort_msg("%s %llu of process %d is not in the log", what, (unsigned long long)number,
                     (int)pid);
    if (s->times - s->marked > 1)
        ck_abort_msg("%s %llu of process %d is in the log %d times, and %d of them say so", what,
                     (unsigned long long)number, (int)pid, s->times, s->marked);
}

static void
read_counts(void)
{
    DIR *d = opendir(scn_path("count"));

    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) {
        auto_free char *bytes = NULL;
        size_t n = 0;

        if (e->d_name[0] == '.')
            continue;
        ck_assert_int_eq(file_read(scn_path("count/%s", e->d_name), 4096, &bytes, &n, NULL), 0);
        if (n == 0) /* struck between making the file and its first line */
            continue;
        ck_assert_uint_eq(n, sizeof(uint64_t));
        memcpy(&workers[worker((pid_t)strtol(e->d_name, NULL, 10))].lines, bytes, sizeof(uint64_t));
    }
    (void)closedir(d);
}

static void
read_line(const char *line, const char *end)
{
    const char *printed = memmem(line, (size_t)(end - line), "msg=\"line ", 10);
    bool marked = is_marked(line, end);
    static const char of[] = " of process ";
    unsigned long long number;
    char text[64], *rest;
    bool whole;
    pid_t pid;

    if (printed && strstr(line, " event=output ") && strstr(line, " event=output ") < end) {
        (void)snprintf(text, sizeof(text), "%.*s", (int)(end - printed), printed);
        number = strtoull(text + strlen("msg=\"line "), &rest, 10);
        whole = strncmp(rest, of, strlen(of)) == 0;
        pid = whole ? (pid_t)strtol(rest + strlen(of), &rest, 10) : 0;
        whole = whole && strcmp(rest, ".\"") == 0 && number > 0 && number < LINES_MAX;
        if (!whole && memmem(line, (size_t)(end - line), " unfinished=", 12))
            return; /* it was killed between the two halves of a line */
        if (!whole)
            ck_abort_msg("a line of a worker is not whole: %.*s", (int)(end - line), line);
        note(&workers[worker(pid)].printed[number], marked);
    }
}

static void
read_log(void)
{
    const char *end;

    repeated_until = NULL;
    n_workers = 0;
    read_counts();
    for (const char *line = scn_log(); (end = strchr(line, '\n')); line = end + 1) {
        const char *e = strstr(line, " event=");
        char name[32] = "";
        auto_free char *copy = strndup(line, (size_t)(end - line));

        if (!e || e > end || !copy || sscanf(e, " event=%31[a-z_]", name) != 1)
            continue;
        if (strcmp(name, "log_repeated") == 0)
            repeated_until = end + 1 + scn_field(copy, "bytes");
        else if (strcmp(name, "worker_exit") == 0)
            note(&workers[worker((pid_t)scn_field(copy, "pid"))].exit, is_marked(line, end));
        else if (strcmp(name, "worker_spawn") == 0)
            workers[worker((pid_t)scn_field(copy, "pid"))].spawned = true;
        read_line(line, end);
    }
}

static void
verify_workers(void)
{
    for (size_t i = 0; i < n_workers; i++) {
        for (uint64_t n = 1; n <= workers[i].lines; n++)
            must_be_there(&workers[i].printed[n], "line", workers[i].pid, n);
        if (workers[i].spawned || workers[i].lines > 0)
            must_be_there(&workers[i].exit, "obituary", workers[i].pid, 1);
        free(workers[i].printed);
        workers[i].printed = NULL;
        workers[i].exit = (struct seen){0};
        workers[i].spawned = false;
        workers[i].lines = 0;
    }
}

/* "event=reload … reload=7" is followed by "event=verdict … reload=7". */
static void
verify_verdicts(void)
{
    static struct seen began[RELOADS_MAX], ended[RELOADS_MAX];
    const char *end;

    memset(began, 0, sizeof(began));
    memset(ended, 0, sizeof(ended));
    for (const char *line = scn_log(); (end = strchr(line, '\n')); line = end + 1) {
        auto_free char *copy = strndup(line, (size_t)(end - line));
        long reload = copy ? scn_field(copy, "reload") : -1;

        if (reload <= 0 || reload >= RELOADS_MAX)
            continue;
        if (strstr(copy, " event=reload "))
            note(&began[reload], is_marked(line, end));
        if (strstr(copy, " event=verdict "))
            note(&ended[reload], is_marked(line, end));
    }
    for (unsigned i = 0; i < RELOADS_MAX; i++)
        if (began[i].times > 0)
            must_be_there(&ended[i], "verdict", 0, i);
}

/* Each generation that began ends in one certificate, and so it does in the books. */
static void
verify_certificates(void)
{
    static struct generation {
        struct seen began, ended;
        char service[32];
        long number;
    } of[RELOADS_MAX];
    const char *end;
    size_t n = 0;

    memset(of, 0, sizeof(of));
    for (const char *line = scn_log(); (end = strchr(line, '\n')); line = end + 1) {
        auto_free char *copy = strndup(line, (size_t)(end - line));
        const char *at = copy ? strstr(copy, " service=") : NULL;
        bool ends = at && strstr(copy, " event=certificate ");
        char service[32];
        size_t i = 0;

        if (!at || !(ends || strstr(copy, " event=generation_starting ")) ||
            sscanf(at, " service=%31s", service) != 1)
            continue;
        while (i < n &&
               (of[i].number != scn_field(copy, "gen") || strcmp(of[i].service, service) != 0))
            i++;
        ck_assert_uint_lt(i, RELOADS_MAX);
        n = i == n ? n + 1 : n;
        of[i].number = scn_field(copy, "gen");
        (void)snprintf(of[i].service, sizeof(of[i].service), "%s", service);
        note(ends ? &of[i].ended : &of[i].began, is_marked(line, end));
    }
    for (size_t i = 0; i < n; i++)
        must_be_there(&of[i].ended, "certificate", 0, (uint64_t)of[i].number);
}

void
verify(void)
{
    (void)fprintf(stderr, "---- the log of the master\n%s----\n", scn_log());
    read_log();
    verify_workers();
    verify_verdicts();
    verify_certificates();
    ck_assert_uint_eq(scn_count("event=bug"), 0);
    ck_assert_uint_eq(scn_count("event=state_not_trusted"), 0);
    ck_assert_uint_eq(scn_count("event=exit_status_unknown"), 0);
}
