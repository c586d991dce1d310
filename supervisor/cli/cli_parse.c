/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/cli_internal.h"

#define WORD_MAX    32
#define TIME_MAX_US (INT64_C(86400) * US_PER_S) /* the master waits no longer */

/* Edit distance, with a swap of neighbours as one edit; words longer than WORD_MAX are not near. */
static size_t
distance(const char *a, const char *b)
{
    size_t d[WORD_MAX + 1][WORD_MAX + 1];
    size_t n = strlen(a), m = strlen(b);

    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (size_t i = 0; i <= n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[n][m];
}

const char *
cli_nearest(const char *word, const char *const *names)
{
    const char *best = NULL;
    size_t length = strlen(word);
    size_t limit = length <= 3 ? 2 : 3; /* one of three letters wrong may be meant, all three not */

    for (; *names; names++) {
        size_t d = distance(word, *names);

        if (d < limit && d < length) {
            best = *names;
            limit = d;
        }
    }
    return best;
}

int
cli_unknown_verb(struct cli *cli, const char *word)
{
    const char *names[32] = {NULL};
    const char *nearest;

    for (size_t i = 0; i < cli_n_verbs && i < ARRAY_LEN(names) - 1; i++)
        names[i] = cli_verbs[i].name;
    nearest = cli_nearest(word, names);
    if (nearest)
        return cli_fail(cli, CLI_USAGE, "there is no verb '%s', did you mean '%s'?", word, nearest);
    return cli_fail(cli, CLI_USAGE, "there is no verb '%s'; see 'stint help'", word);
}

static int
unknown_option(struct cli *cli, const char *word)
{
    const char *names[OPTION_COUNT + 1] = {NULL};
    const char *nearest;
    char name[WORD_MAX + 1] = "";

    for (size_t i = 0; i < OPTION_COUNT; i++)
        names[i] = cli_options[i].name;
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
    nearest = cli_nearest(name + strspn(name, "-"), names);
    if (nearest)
        return cli_fail(cli, CLI_USAGE, "there is no option '%s', did you mean '--%s'?", name,
                        nearest);
    return cli_fail(cli, CLI_USAGE, "there is no option '%s'; see 'stint help%s%s'", name,
                    cli->verb ? " " : "", cli->verb ? cli->verb->name : "");
}

/* The option named by "--name", "--name=value" or "-x", "-xvalue". @ret_value: NULL = not attached. */
static int
find_option(const char *word, const char **ret_value)
{
    size_t n = strcspn(word, "=");

    *ret_value = NULL;
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *o = &cli_options[i];

        if (word[1] != '-' && o->letter == word[1] && o->letter) {
            *ret_value = word[2] ? word + 2 : NULL;
            return i;
        }
        if (word[1] == '-' && strlen(o->name) == n - 2 && strncmp(word + 2, o->name, n - 2) == 0) {
            *ret_value = word[n] ? word + n + 1 : NULL;
            return i;
        }
    }
    return -1;
}

/* Takes one option. @i: its place in argv; moved when the value is the next word. */
static int
take_option(struct cli *cli, int argc, char **argv, int *i)
{
    const char *value;
    int option = find_option(argv[*i], &value);
    const struct option_row *row;

    if (option < 0)
        return unknown_option(cli, argv[*i]);
    row = &cli_options[option];
    if (!row->value && value)
        return cli_fail(cli, CLI_USAGE, "--%s takes no value", row->name);
    if (row->value && !value && *i + 1 < argc)
        value = argv[++*i];
    /* Empty is a shell variable that was not set: falling back to a default would hide it. */
    if (row->value && !(value && value[0]))
        return cli_fail(cli, CLI_USAGE, "--%s wants a %s", row->name, row->value);
    cli->values[option] = value ? value : "";
    return 0;
}

static int
take_verb(struct cli *cli, const char *word)
{
    for (size_t i = 0; i < cli_n_verbs; i++)
        if (strcmp(cli_verbs[i].name, word) == 0)
            cli->verb = &cli_verbs[i];
    return cli->verb ? 0 : cli_unknown_verb(cli, word);
}

/* `stint check stint.yaml` is what everybody tries first. */
static int
wrong_args(struct cli *cli)
{
    const struct verb *v = cli->verb;
    bool of_file = v->max_args == 0 && (v->accepts & ACCEPTS(OPTION_CONFIG)) &&
                   !(v->accepts & ACCEPTS(OPTION_SOCKET));

    if (of_file && cli->n_args == 1 && !cli->values[OPTION_CONFIG])
        return cli_fail(cli, CLI_USAGE, "'stint %s' takes no argument, did you mean '-c %s'?",
                        v->name, cli->args[0]);
    return cli_fail(cli, CLI_USAGE, "usage: stint %s%s%s", v->name, v->args[0] ? " " : "", v->args);
}

static int
check_verb(struct cli *cli)
{
    const struct verb *v = cli->verb;

    for (unsigned i = 0; i < OPTION_COUNT; i++)
        if (cli->values[i] && i != OPTION_HELP && !(v->accepts & ACCEPTS(i)))
            return cli_fail(cli, CLI_USAGE, "'stint %s' has no option --%s; see 'stint help %s'",
                            v->name, cli_options[i].name, v->name);
    if (cli->values[OPTION_HELP])
        return 0;
    if (cli->n_args < v->min_args || (v->max_args >= 0 && cli->n_args > v->max_args))
        return wrong_args(cli);
    return 0;
}

int
cli_parse(struct cli *cli, int argc, char **argv)
{
    bool only_args = false;

    cli->args = argv; /* compacted in place: words that are no options, after the verb */
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        int r = 0;

        if (!only_args && strcmp(word, "--") == 0)
            only_args = true;
        else if (!only_args && strcmp(word, "--version") == 0)
            r = cli->verb ? unknown_option(cli, word) : take_verb(cli, "version");
        else if (!only_args && word[0] == '-' && word[1])
            r = take_option(cli, argc, argv, &i);
        else if (!cli->verb)
            r = take_verb(cli, word);
        else
            argv[cli->n_args++] = argv[i];
        if (r != 0)
            return r;
    }
    return cli->verb ? check_verb(cli) : 0;
}

bool
cli_number(struct cli *cli, enum cli_option option, uint64_t *ret)
{
    const char *s = cli->values[option];
    char *end = NULL;
    unsigned long long n;

    if (!s)
        return true;
    errno = 0;
    n = strtoull(s, &end, 10);
    if (s[0] < '0' || s[0] > '9' || *end || errno != 0) {
        (void)cli_fail(cli, CLI_USAGE, "--%s wants a number, not '%s'", cli_options[option].name,
                       s);
        return false;
    }
    *ret = n;
    return true;
}

bool
cli_duration(struct cli *cli, enum cli_option option, int64_t *ret_us)
{
    const char *s = cli->values[option];
    int64_t us;

    if (!s)
        return true;
    if (duration_parse(s, &us) < 0 || us < US_PER_MS) {
        (void)cli_fail(cli, CLI_USAGE, "--%s wants a time such as 500ms, 10s or 5m, not '%s'",
                       cli_options[option].name, s);
        return false;
    }
    if (us > TIME_MAX_US) {
        (void)cli_fail(cli, CLI_USAGE, "--%s is at most 24h, not '%s'", cli_options[option].name,
                       s);
        return false;
    }
    *ret_us = us;
    return true;
}
