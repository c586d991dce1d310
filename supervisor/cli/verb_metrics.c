/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/cli_internal.h"

/*
 * Metrics, as they come; or into a file that whoever reads it never sees half of, for a textfile
 * collector. There the absence of a supervisor is a metric, too: what the file said before would
 * otherwise be believed for ever.
 */

#define METRICS_TIMEOUT_US (30 * US_PER_S)
#define DOWN                                                                                   \
    "# TYPE stint_up gauge\n# HELP stint_up 1: a supervisor answered. 0 is written by 'stint " \
    "metrics --textfile' when none did.\nstint_up 0\n"

static bool
on_piece(void *env, const char *bytes, size_t n)
{
    struct text *all = env;

    text_addn(all, bytes, n);
    return !all->failed;
}

/* It broke off: what comes now is all of it. */
static void
begin_anew(struct cli *cli, struct ask *ask, int64_t left_us)
{
    (void)cli;
    (void)left_us;
    text_clear(ask->env);
}

/* Return: exit code; everything is in @all, or nothing that is of use. */
static int
ask_metrics(struct cli *cli, const char *path, struct text *all)
{
    struct ask ask = {.method = "GET",
                      .path = path,
                      .timeout_us = METRICS_TIMEOUT_US,
                      .piece = on_piece,
                      .renew = begin_anew,
                      .env = all};
    json_t *none = NULL;
    int r = cli_ask(cli, &ask, &none);

    json_decref(none);
    return r == CLI_OK && all->failed ? cli_fail(cli, CLI_INTERNAL, "out of memory") : r;
}

static int
write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        bytes += done;
        n -= (size_t)done;
    }
    return 0;
}

/* Beside it, then in its place: under a name that a collector, which wants *.prom, does not take. */
static int
replace_file(const char *path, const char *bytes, size_t n)
{
    auto_free char *beside = NULL;
    auto_fd int fd = -1;
    int r;

    if (asprintf(&beside, "%s.XXXXXX", path) == -1)
        return -ENOMEM;
    fd = mkostemp(beside, O_CLOEXEC);
    if (fd == -1)
        return -errno;
    r = write_all(fd, bytes, n);
    if (r == 0 && fchmod(fd, 0644) == -1) /* the collector is somebody else */
        r = -errno;
    if (r == 0 && fsync(fd) == -1)
        r = -errno;
    if (r == 0 && rename(beside, path) == -1)
        r = -errno;
    if (r < 0)
        (void)unlink(beside);
    return r;
}

static int
to_file(struct cli *cli, const char *path)
{
    auto_text struct text all = TEXT_INIT;
    int asked = ask_metrics(cli, "/v1/metrics?format=prometheus", &all);
    bool down = asked == CLI_UNREACHABLE || asked == CLI_TIMED_OUT;
    int r;

    if (asked != CLI_OK && !down)
        return asked;
    r = down ? replace_file(path, DOWN, strlen(DOWN)) : replace_file(path, all.data, all.bytes);
    if (r < 0)
        return cli_fail(cli, CLI_NO, "%s cannot be written: %s", path, strerrordesc_np(-r));
    return asked;
}

int
verb_metrics(struct cli *cli)
{
    auto_text struct text all = TEXT_INIT;
    int r;

    if (cli->values[OPTION_TEXTFILE] && strcmp(cli->values[OPTION_TEXTFILE], "-") != 0)
        return to_file(cli, cli->values[OPTION_TEXTFILE]);
    r = ask_metrics(
        cli, cli->values[OPTION_TEXTFILE] ? "/v1/metrics?format=prometheus" : "/v1/metrics", &all);
    if (r == CLI_OK)
        (void)fwrite(all.data, 1, all.bytes, cli->out); /* a full disk shows at the last flush */
    return r;
}
