/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/profile.h"
#include "supervisor/cli/profile_http.h"

/*
 * stint profile SERVICE --http: what net/http/pprof offers, for a service that knows nothing of it. It is
 * this command that listens, as long as it runs and as the user who started it: the supervisor has no
 * such port, and is asked for each profile by its control socket, where it is allowed, or not, and noted.
 */

#define AT_ONCE 8 /* clients; more wait in the queue of the socket */

static volatile sig_atomic_t interrupted;

struct server {
    struct cli *cli;
    const char *whom;
    struct profile_listener at;
    char token[PROFILE_TOKEN_TEXT];
    unsigned busy; /* children */
};

static const struct route {
    const char *path, *kind;
} routes[] = {
    {"/debug/pprof/profile", "cpu"    },
    {"/debug/pprof/heap",    "heap"   },
    {"/debug/pprof/threads", "threads"},
};

static void
on_signal(int sig)
{
    (void)sig;
    interrupted = 1;
}

/* ---- one client, in a child ---------------------------------------------------------------------- */

static bool
hung_up(void *env)
{
    struct pollfd p = {.fd = *(const int *)env, .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void
answer_index(const struct server *s, int fd)
{
    auto_text struct text t = TEXT_INIT;

    text_add(&t, "<!doctype html><meta charset=\"utf-8\"><title>stint profile</title>"
                 "<style>body{font:15px sans-serif;margin:2em}code{background:#eee}</style><h1>");
    for (const char *c = s->whom; *c; c++)
        text_addf(&t, *c == '<' || *c == '&' ? "&#%d;" : "%c", *c);
    text_add(&t, "</h1><ul>");
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) /* relative: the token stays in front */
        text_addf(&t, "<li><a href=\"%s\">%s</a></li>", strrchr(routes[i].path, '/') + 1,
                  routes[i].kind);
    text_add(&t, "</ul><p>A CPU profile takes 30 s, or <code>?seconds=N</code>. See one with "
                 "<code>go tool pprof URL</code>.</p>");
    profile_answer(fd, 200, "text/html; charset=utf-8", text_str(&t), t.bytes);
}

/* "seconds=5" out of a query; 0: as usual. False: it is no number that is allowed. */
static bool
seconds_of(const char *query, uint64_t *ret)
{
    const char *at = strncmp(query, "seconds=", 8) == 0 ? query : strstr(query, "&seconds=");
    char *end = NULL;

    *ret = 0;
    if (!at)
        return true;
    at = strchr(at, '=') + 1;
    *ret = strtoull(at, &end, 10);
    return at[0] >= '0' && at[0] <= '9' && (*end == '\0' || *end == '&') && *ret > 0 &&
           *ret <= FETCH_SECONDS_MAX;
}

static int
status_of(int code)
{
    return code == CLI_NOT_PERMITTED ? 403 : code == CLI_NOT_FOUND ? 404 : 500;
}

static void
answer_profile(const struct server *s, int fd, const struct route *route, const char *query)
{
    struct fetch what = {
        .whom = s->whom, .kind = route->kind, .quiet = true, .stop = hung_up, .env = &fd};
    struct cli quiet = *s->cli;
    char name[96], *said = NULL;
    size_t bytes = 0;
    auto_fd int profile = -1;
    int r;

    if (!seconds_of(query, &what.seconds)) {
        profile_answer_text(fd, 400, "'seconds' is 1 to 600\n");
        return;
    }
    quiet.err = open_memstream(&said, &bytes);
    if (!quiet.err)
        return;
    r = fetch_profile(&quiet, &what, &profile);
    (void)fclose(quiet.err);
    (void)snprintf(name, sizeof(name), "%.64s.pb.gz", route->kind);
    if (r == CLI_OK)
        profile_answer_file(fd, profile, name);
    else
        profile_answer_text(fd, status_of(r), said && said[0] ? said : "no profile\n");
    free(said);
}

static void
serve_one(const struct server *s, int fd)
{
    struct profile_call call;
    int r = profile_call_read(fd, s->token, &call);

    if (r == -EPROTO)
        profile_answer_text(fd, 400, "this speaks HTTP/1.1, and little of it\n");
    if (r < 0)
        return;
    if (!call.known && !s->at.local) {
        profile_answer_text(fd, 401,
                            "the token is missing: it is in the address that 'stint profile "
                            "--http' printed\n");
        return;
    }
    if (strcmp(call.method, "GET") != 0) {
        profile_answer_text(fd, 405, "GET only\n");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if (strcmp(routes[i].path, call.path) == 0) {
            answer_profile(s, fd, &routes[i], call.query);
            return;
        }
    if (strcmp(call.path, "/debug/pprof/") == 0)
        answer_index(s, fd);
    else
        profile_answer_text(fd, 404, "there are /debug/pprof/ and in it profile, heap, threads\n");
}

/* ---- all of them ---------------------------------------------------------------------------------- */

static void
reap(struct server *s, bool wait)
{
    while (s->busy > 0 && waitpid(-1, NULL, wait ? 0 : WNOHANG) > 0) {
        s->busy--;
        wait = false;
    }
}

static void
accept_one(struct server *s)
{
    struct pollfd p = {.fd = s->at.fd, .events = POLLIN};
    auto_fd int fd = -1;
    pid_t pid;

    reap(s, s->busy >= AT_ONCE);
    if (interrupted || poll(&p, 1, 1000) <= 0)
        return;
    fd = accept4(s->at.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    pid = fork();
    if (pid > 0)
        s->busy++;
    if (pid != 0)
        return;                             /* no process: the client sees the connection end */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* with the port ends what goes through it */
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    serve_one(s, fd);
    _exit(0);
}

/* A public port that tells what a program does is no small thing: nobody should miss it. */
static void
announce(const struct server *s)
{
    const char *at = s->at.url;

    if (s->at.public)
        (void)fprintf(
            s->cli->err,
            "stint: WARNING: %s can be reached from other machines. Whoever has the token "
            "in the\nstint: WARNING: address below sees what '%s' does, and the way there is "
            "not encrypted.\nstint: WARNING: :PORT alone, or unix:PATH, keeps it on this "
            "machine.\n",
            at, s->whom);
    if (s->at.local)
        (void)fprintf(s->cli->out,
                      "%s\n  curl --unix-socket %s http://stint/debug/pprof/threads -o t.pb.gz\n",
                      at, at + strlen("unix:"));
    else
        (void)fprintf(s->cli->out,
                      "%s/%s/debug/pprof/\n  go tool pprof %s/%s/debug/pprof/profile\n"
                      "  go tool pprof %s/%s/debug/pprof/threads\n",
                      at, s->token, at, s->token, at, s->token);
    (void)fflush(s->cli->out);
}

/* A wrong name is said before anybody is told an address. */
static int
look_for(struct cli *cli, const char *whom)
{
    auto_text struct text path = TEXT_INIT;
    auto_free char *service = strndup(whom, strcspn(whom, "/"));
    struct ask ask = {.method = "GET", .timeout_us = 10 * US_PER_S};
    json_t *answer = NULL;
    int r;

    if (!service)
        return cli_fail(cli, CLI_INTERNAL, "out of memory");
    text_add(&path, "/v1/status");
    cli_query(&path, "service", service);
    ask.path = text_str(&path);
    r = cli_ask(cli, &ask, &answer);
    json_decref(answer);
    return r;
}

int
serve_profiles(struct cli *cli, const char *whom, const char *where)
{
    struct server s = {.cli = cli, .whom = whom, .at = {.fd = -1}};
    struct sigaction stop = {.sa_handler = on_signal};
    struct error err = {0};
    int r = look_for(cli, whom);

    if (r != CLI_OK)
        return r;
    if (!cli_id(s.token))
        return cli_fail(cli, CLI_INTERNAL, "no random bytes for a token");
    r = profile_listen(where, &s.at, &err);
    if (r < 0)
        return cli_fail(cli, r == -EINVAL ? CLI_USAGE : CLI_CANNOT_RUN, "%s", err.text);
    (void)sigaction(SIGINT, &stop, NULL);
    (void)sigaction(SIGTERM, &stop, NULL);
    announce(&s);
    while (!interrupted)
        accept_one(&s);
    if (s.at.local)
        (void)unlink(s.at.url + strlen("unix:"));
    (void)fd_close(s.at.fd);
    return CLI_OK;
}
