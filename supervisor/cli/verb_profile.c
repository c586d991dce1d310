/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/cli/profile.h"
#include "supervisor/profile/draw.h"
#include "supervisor/profile/kinds.h"
#include "supervisor/profile/profile.h"

/* stint profile: one is taken, compared with another if that is wanted, and kept or shown. */

#define TOP_ROWS   20
#define FILE_MODE  0640 /* it tells what a service does */
#define FULL_UNTIL 30   /* seconds; a shorter one says so */

static int
kind_of(struct cli *cli, enum profile_kind *ret)
{
    static const struct {
        enum cli_option option;
        enum profile_kind kind;
    } options[] = {
        {OPTION_CPU,     PROFILE_CPU    },
        {OPTION_HEAP,    PROFILE_HEAP   },
        {OPTION_THREADS, PROFILE_THREADS},
    };
    unsigned n = 0;

    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (!cli->values[options[i].option])
            continue;
        *ret = options[i].kind;
        n++;
    }
    if (n == 1)
        return CLI_OK;
    return cli_fail(cli, CLI_USAGE, "which profile? One of --cpu, --heap and --threads");
}

/* ---- what it came to --------------------------------------------------------------------------- */

static int
read_file(struct cli *cli, const char *path, struct profile **ret)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct error err = {0};

    if (fd < 0)
        return cli_fail(cli, CLI_USAGE, "'%s' cannot be opened: %s", path, strerrordesc_np(errno));
    if (profile_read(ret, fd, &err) < 0)
        return cli_fail(cli, CLI_USAGE, "%s: %s", path, err.text);
    return CLI_OK;
}

/* "previous", or the number of a generation: that of the supervisor, and no file. */
static bool
is_generation(const char *base)
{
    return strcmp(base, "previous") == 0 || (base[0] && strspn(base, "0123456789") == strlen(base));
}

static int
read_generation(struct cli *cli, const struct fetch *like, const char *base, struct profile **ret)
{
    struct fetch what = {.whom = like->whom,
                         .kind = like->kind,
                         .seconds = like->seconds,
                         .previous = strcmp(base, "previous") == 0,
                         .kept = true};
    auto_text struct text whom = TEXT_INIT;
    struct error err = {0};
    auto_fd int fd = -1;
    int r;

    if (strchr(strchrnul(like->whom, '/'), '.'))
        return cli_fail(cli, CLI_USAGE,
                        "--diff-base %s is of a whole generation: leave out the slot", base);
    if (!what.previous) {
        text_addn(&whom, like->whom, strcspn(like->whom, "/"));
        text_addf(&whom, "/%s", base);
        what.whom = text_str(&whom);
    }
    r = fetch_profile(cli, &what, &fd);
    if (r == CLI_OK && profile_read(ret, fd, &err) < 0)
        r = cli_fail(cli, CLI_DATA, "%s", err.text);
    return r;
}

struct search {
    const struct profile *p;
    struct profile_label found;
};

static int
see_generation(void *env, const struct profile_view *v)
{
    struct search *s = env;

    (void)profile_label_of(s->p, v->sample, "generation", &s->found);
    return 0;
}

/* What was taken away: "previous" may be any. Before its labels are forgotten. */
static void
name_base(const struct profile *base, const char *given, char *ret, size_t room)
{
    struct search s = {.p = base};

    if (is_generation(given) && profile_each(base, see_generation, &s) == 0 && s.found.number > 0)
        (void)snprintf(ret, room, "generation %" PRId64, s.found.number);
    else
        (void)snprintf(ret, room, "%s", given);
}

/* Labels that tell workers apart would keep what is equal from being taken away. */
static int
subtract(struct cli *cli, const struct fetch *what, struct profile *p)
{
    const char *path = cli->values[OPTION_DIFF_BASE];
    auto_profile struct profile *base = NULL;
    char name[200];
    int r = CLI_OK;

    if (path)
        r = is_generation(path) ? read_generation(cli, what, path, &base)
                                : read_file(cli, path, &base);
    if (!path || r != CLI_OK)
        return r;
    name_base(base, path, name, sizeof(name));
    r = profile_forget(p, profile_identity);
    r = r < 0 ? r : profile_forget(base, profile_identity);
    r = r < 0 ? r : profile_merge(p, base, -1);
    r = r < 0 ? r : profile_comment(p, "less %s", name);
    if (r == -EINVAL)
        return cli_fail(cli, CLI_USAGE, "'%s' is a profile of another kind", path);
    return r < 0 ? cli_fail(cli, CLI_INTERNAL, "out of memory") : CLI_OK;
}

static int
keep(struct cli *cli, const struct profile *p, const char *path)
{
    bool out = strcmp(path, "-") == 0;
    auto_fd int fd = out ? fcntl(fileno(cli->out), F_DUPFD_CLOEXEC, 3)
                         : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    struct error err = {0};

    if (fd < 0)
        return cli_fail(cli, CLI_INTERNAL, "'%s' cannot be written: %s", path,
                        strerrordesc_np(errno));
    if (profile_write(p, fd, &err) < 0)
        return cli_fail(cli, CLI_INTERNAL, "%s: %s", path, err.text);
    if (!out)
        (void)fprintf(cli->err, "written: %s; see it with: go tool pprof %s\n", path, path);
    return CLI_OK;
}

static int
draw(struct cli *cli, const struct profile *p, const char *path)
{
    auto_text struct text svg = TEXT_INIT, title = TEXT_INIT;
    size_t type = profile_type_find(p, NULL);
    auto_fd int fd = -1;

    text_addf(&title, "%s, %s", cli->args[0], profile_type_at(p, type).type);
    if (cli->values[OPTION_DIFF_BASE])
        text_addf(&title, ", less %s", cli->values[OPTION_DIFF_BASE]);
    if (profile_flamegraph(p, type, text_str(&title), &svg) < 0)
        return cli_fail(cli, CLI_INTERNAL, "out of memory");
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    for (size_t at = 0; fd >= 0 && at < svg.bytes;) {
        ssize_t n = write(fd, svg.data + at, svg.bytes - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return cli_fail(cli, CLI_INTERNAL, "'%s' cannot be written: %s", path,
                            strerrordesc_np(errno));
        at += (size_t)n;
    }
    if (fd < 0)
        return cli_fail(cli, CLI_INTERNAL, "'%s' cannot be written: %s", path,
                        strerrordesc_np(errno));
    (void)fprintf(cli->err, "drawn: %s; open it in a browser\n", path);
    return CLI_OK;
}

static int
show(struct cli *cli, const struct profile *p)
{
    size_t type = profile_type_find(p, NULL), n = 0;
    struct profile_type what = profile_type_at(p, type);
    int64_t total = profile_total(p, type);
    struct profile_top *top = NULL;
    char flat[48], cum[48];

    if (profile_rank(p, type, &top, &n) < 0)
        return cli_fail(cli, CLI_INTERNAL, "out of memory");
    for (size_t i = 0; i < profile_comments(p); i++)
        paintf(cli, PAINT_FAINT, "%s\n", profile_comment_at(p, i));
    paintf(cli, PAINT_BOLD, "%s: %s\n", what.type,
           profile_amount(total, what.unit, flat, sizeof(flat)));
    paintf(cli, PAINT_FAINT, "%12s %12s  %s\n", "itself", "and callees", "function");
    for (size_t i = 0; i < n && i < TOP_ROWS; i++)
        paintf(cli, PAINT_PLAIN, "%12s %12s  %s\n",
               profile_amount(top[i].flat, what.unit, flat, sizeof(flat)),
               profile_amount(top[i].cum, what.unit, cum, sizeof(cum)), top[i].function);
    if (n > TOP_ROWS)
        paintf(cli, PAINT_FAINT, "and %zu more; -o FILE keeps all of it, for go tool pprof\n",
               n - TOP_ROWS);
    free(top);
    return CLI_OK;
}

static int
hand_out(struct cli *cli, const struct profile *p)
{
    const char *path = cli->values[OPTION_OUTPUT], *picture = cli->values[OPTION_FLAMEGRAPH];
    int r = path ? keep(cli, p, path) : CLI_OK;

    if (r == CLI_OK && picture)
        r = draw(cli, p, picture);
    if (!path && !picture)
        r = show(cli, p);
    return r;
}

/* ---- the verb ------------------------------------------------------------------------------------- */

static int
serve(struct cli *cli)
{
    static const enum cli_option no[] = {OPTION_CPU,      OPTION_HEAP,   OPTION_THREADS,
                                         OPTION_SECONDS,  OPTION_OUTPUT, OPTION_FLAMEGRAPH,
                                         OPTION_DIFF_BASE};

    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        if (cli->values[no[i]])
            return cli_fail(cli, CLI_USAGE,
                            "--%s is not for --http: whoever asks there says what he wants",
                            cli_options[no[i]].name);
    return serve_profiles(cli, cli->args[0], cli->values[OPTION_HTTP]);
}

int
verb_profile(struct cli *cli)
{
    auto_profile struct profile *p = NULL;
    enum profile_kind kind = PROFILE_KIND_COUNT;
    struct fetch what = {.whom = cli->args[0]};
    struct error err = {0};
    auto_fd int fd = -1;
    int r;

    if (cli->values[OPTION_HTTP])
        return serve(cli);
    r = kind_of(cli, &kind);
    if (r != CLI_OK)
        return r;
    if (!cli_number(cli, OPTION_SECONDS, &what.seconds))
        return CLI_USAGE;
    if (cli->values[OPTION_SECONDS] && (what.seconds == 0 || what.seconds > FETCH_SECONDS_MAX))
        return cli_fail(cli, CLI_USAGE, "--seconds is 1 to %d", FETCH_SECONDS_MAX);
    if (cli->values[OPTION_SECONDS] && kind == PROFILE_CPU && what.seconds < FULL_UNTIL)
        (void)fprintf(cli->err,
                      "stint: shorter than %d s: what is seldom may be missing, and the profile "
                      "says so\n",
                      FULL_UNTIL);
    what.kind = profile_kind_name(kind);
    r = fetch_profile(cli, &what, &fd);
    if (r != CLI_OK)
        return r;
    if (profile_read(&p, fd, &err) < 0)
        return cli_fail(cli, CLI_DATA, "%s", err.text);
    r = subtract(cli, &what, p);
    return r == CLI_OK ? hand_out(cli, p) : r;
}
