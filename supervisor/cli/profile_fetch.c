/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/profile.h"

/*
 * What the master says of a profile: lines of JSON while it is being taken, the last of which has the
 * number of bytes that follow. See docs/api.md.
 */

#define SECONDS_USUAL 30
#define SLACK_US      (90 * US_PER_S) /* the master's helper has one minute for names */

struct taking {
    struct cli *cli;
    const struct fetch *what;
    struct text line;
    int64_t percent;
    int64_t left;   /* bytes of the profile; -1: it has not begun */
    int fd;         /* owned */
    int code;       /* exit code of what went wrong; CLI_OK */
    bool told;      /* a line of progress stands on the terminal */
    bool begun;     /* the supervisor answers */
    bool abandoned; /* nobody wants it any more */
};

static void
tell(struct taking *t, int64_t percent)
{
    bool terminal = t->cli->err == stderr && isatty(STDERR_FILENO);

    if (t->what->quiet || percent <= t->percent ||
        (!terminal && percent < t->percent + 10 && percent < 100))
        return;
    t->percent = percent;
    (void)fprintf(t->cli->err, "%staking a %s profile of %s%s: %" PRId64 " %%%s",
                  terminal ? "\r" : "", t->what->kind, t->what->previous ? "what was before " : "",
                  t->what->whom, percent, terminal ? "" : "\n");
    (void)fflush(t->cli->err);
    t->told = terminal;
}

static void
tell_end(struct taking *t)
{
    if (t->told)
        (void)fputc('\n', t->cli->err);
    t->told = false;
}

/* Return: whether there is more to come. */
static bool
take_line(struct taking *t)
{
    json_t *json = json_loadb(text_str(&t->line), t->line.bytes, 0, NULL);
    const json_t *error = json_object_get(json, "error");
    bool more = true;

    if (error) {
        tell_end(t);
        t->code = cli_fail(t->cli, CLI_NO, "no profile: %s", json_text(error, "message"));
        more = false;
    } else if (json_has(json, "bytes")) {
        tell(t, 100);
        tell_end(t);
        t->left = json_number(json, "bytes");
        if (json_text(json, "missing")[0])
            (void)fprintf(t->cli->err, "stint: not in it: %s\n", json_text(json, "missing"));
        more = t->left > 0;
    } else if (json_has(json, "percent")) {
        tell(t, json_number(json, "percent"));
    }
    json_decref(json);
    text_clear(&t->line);
    return more;
}

static bool
take_bytes(struct taking *t, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t r = write(t->fd, bytes, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            t->code = cli_fail(t->cli, CLI_INTERNAL, "no memory for the profile");
            return false;
        }
        bytes += r;
        n -= (size_t)r;
        t->left -= r;
    }
    return t->left > 0;
}

static bool
on_piece(void *env, const char *bytes, size_t n)
{
    struct taking *t = env;

    t->begun = true;
    if (t->what->stop && t->what->stop(t->what->env)) {
        t->abandoned = true;
        return false;
    }
    while (n > 0) {
        const char *newline;
        size_t part;

        if (t->left >= 0)
            return take_bytes(t, bytes, n);
        newline = memchr(bytes, '\n', n);
        part = newline ? (size_t)(newline - bytes) : n;
        text_addn(&t->line, bytes, part);
        if (!newline)
            return !t->line.failed;
        if (!take_line(t))
            return false;
        bytes += part + 1;
        n -= part + 1;
    }
    return true;
}

static int
ask(struct taking *t)
{
    auto_text struct text path = TEXT_INIT;
    uint64_t seconds = t->what->seconds > 0 ? t->what->seconds : SECONDS_USUAL;
    struct ask ask = {.method = "POST",
                      .patience = ASK_ONCE,
                      .timeout_us = (int64_t)seconds * US_PER_S + SLACK_US,
                      .piece = on_piece,
                      .env = t};
    json_t *answer = NULL;
    char number[24];
    int r;

    text_add(&path, "/v1/profile");
    if (!cli_whom(t->cli, t->what->whom, &path))
        return CLI_USAGE;
    (void)snprintf(number, sizeof(number), "%" PRIu64, seconds);
    cli_query(&path, "kind", t->what->kind);
    cli_query(&path, "seconds", number);
    cli_query(&path, "progress", "1");
    if (t->what->previous)
        cli_query(&path, "previous", "1");
    if (t->what->kept)
        cli_query(&path, "kept", "1");
    ask.path = text_str(&path);
    r = cli_ask(t->cli, &ask, &answer);
    json_decref(answer);
    if (r == CLI_UNREACHABLE && t->begun) { /* the connection broke, and that was said */
        tell_end(t);
        (void)fputs("stint: no profile: the supervisor ended, or was replaced, while it was taken; "
                    "what was sampled is gone, so ask again\n",
                    t->cli->err);
    }
    return r;
}

int
fetch_profile(struct cli *cli, const struct fetch *what, int *ret_fd)
{
    struct taking t = {.cli = cli, .what = what, .line = TEXT_INIT, .left = -1, .percent = -1};
    int r;

    t.fd = memfd_create("profile", MFD_CLOEXEC);
    if (t.fd == -1)
        return cli_fail(cli, CLI_INTERNAL, "no memory for the profile");
    tell(&t, 0);
    r = ask(&t);
    tell_end(&t);
    text_finish(&t.line);
    if (r == CLI_OK)
        r = t.abandoned ? CLI_NO : t.code;
    if (r == CLI_OK && (t.left != 0 || lseek(t.fd, 0, SEEK_SET) < 0))
        r = cli_fail(cli, CLI_DATA, "the supervisor's profile is cut off");
    if (r == CLI_OK)
        *ret_fd = steal_fd(t.fd);
    (void)fd_close(t.fd);
    return r;
}
