/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/preflight/exposure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/preflight/cage.h"
#include "supervisor/preflight/fetch.h"
#include "supervisor/preflight/report.h"

#define ONE_ANSWER_US (2 * US_PER_S)

/* Where profilers of all kinds of programs answer. */
static const char *const paths[] = {
    "/debug/pprof/",        "/debug/pprof/cmdline",           "/debug/pprof/heap",
    "/debug/pprof/threads", "/debug/pprof/goroutine?debug=1", "/debug/pprof/profile?seconds=1",
    "/pprof/cmdline",                                                        /* gperftools, brpc */
    "/pprof/heap",          "/pprof/profile?seconds=1",       "/debug/vars", /* expvar */
    "/json/version", /* the inspector of node and Chromium */
};

static bool
has(const char *body, const char *word)
{
    return strstr(body, word) != NULL;
}

/* A page that lists profiles has several of these; one that repeats what it was asked for has not. */
static bool
is_index(const char *body)
{
    static const char *const words[] = {"heap",  "goroutine", "threads", "profile",
                                        "block", "mutex",     "cmdline", "trace"};
    unsigned n = 0;

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        n += has(body, words[i]);
    return n >= 3;
}

bool
exposure_is_profile(const char *path, const char *body, size_t bytes, const char *program)
{
    if (strcmp(path, "/debug/pprof/") == 0)
        return is_index(body);
    if (strcmp(path, "/json/version") == 0)
        return has(body, "V8-Version") || has(body, "webSocketDebuggerUrl") ||
               has(body, "node.js/");
    if (strcmp(path, "/debug/vars") == 0)
        return has(body, "\"memstats\"") && has(body, "\"cmdline\"");
    if (strstr(path, "cmdline"))
        return program[0] && bytes >= strlen(program) &&
               memmem(body, bytes, program, strlen(program));
    return (bytes > 2 && memcmp(body, "\x1f\x8b", 2) == 0) ||
           strncmp(body, "heap profile:", 13) == 0 ||
           strncmp(body, "goroutine profile:", 18) == 0 || strncmp(body, "--- heapz", 9) == 0 ||
           strncmp(body, "--- contentionz", 15) == 0;
}

static void
first_argument(pid_t pid, char *buf, size_t room)
{
    auto_free char *text = NULL;
    char path[64];
    struct error e;
    size_t n = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    buf[0] = '\0';
    if (file_read(path, 65536, &text, &n, &e) == 0)
        (void)snprintf(buf, room, "%s", text);
}

static bool
asked(const struct listening *l, const char *path, struct fetched *got)
{
    struct error e;

    return l->to_bytes > 0 && fetch((const struct sockaddr *)&l->to, l->to_bytes,
                                    l->is_unix ? "localhost" : l->address + strlen("tcp://"), path,
                                    "", mono_now_us() + ONE_ANSWER_US, got, &e) == 0;
}

/* The first path that gives out a profile to somebody without a token; NULL: none. */
static const char *
open_profile(const struct cage *c, const struct listening *l)
{
    struct fetched got, other;
    char program[256];

    /* Who does not speak HTTP, or not to us, has no such paths. */
    if (l->is_unix && !l->is_stream)
        return NULL;
    if (!asked(l, "/stint-preflight-asks-for-nothing", &other) || other.status == 0)
        return NULL;
    first_argument(l->pid, program, sizeof(program));
    for (size_t i = 0; i < ARRAY_LEN(paths) && !cage_interrupted(c); i++) {
        if (!asked(l, paths[i], &got) || got.status != 200 ||
            !exposure_is_profile(paths[i], got.body, got.bytes, program))
            continue;
        if (other.status == 200 && exposure_is_profile(paths[i], other.body, other.bytes, program))
            continue; /* it answers so to anything */
        return paths[i];
    }
    return NULL;
}

/* "tcp://127.0.0.1:*" or "unix:{cage}/x.sock" of the configuration, against what is there. */
static bool
is_item(const char *item, const char *address)
{
    size_t n = strlen(item);

    if (strcmp(item, address) == 0)
        return true;
    if (n > 1 && item[n - 1] == '*' && strncmp(item, address, n - 1) == 0)
        return true;
    return strncmp(item, "tcp://*:", 8) == 0 && strncmp(address, "tcp://", 6) == 0 &&
           (item[8] == '*' || strcmp(item + 7, strrchr(address, ':')) == 0);
}

static bool
is_listed(const struct cage *c, const char *address)
{
    const struct strv *listens = &c->options->spec->preflight.listens;

    for (size_t i = 0; i < listens->n; i++) {
        auto_free char *item = cage_expand(c, listens->items[i]);

        if (item && is_item(item, address))
            return true;
    }
    return false;
}

/* ---- TCP ---------------------------------------------------------------------------------------- */

static void
judge_tcp(const struct cage *c, const struct listening *l, const char *path,
          struct preflight_report *r)
{
    if (!l->inherited && !is_listed(c, l->address))
        check_fail(r, CHECK_PROFILING,
                   "close it; or, where it is meant, let stint bind it ('listen'), or name it in "
                   "'listens' of 'preflight'",
                   "pid %d listens on %s%s, which nothing in the configuration names", (int)l->pid,
                   l->address, l->is_public ? " (not loopback: for everybody)" : "");
    if (path)
        check_fail(
            r, CHECK_PROFILING,
            "take the handlers out of the program, or bind them to a unix socket of mode 0600; "
            "'profiling' of the service and 'stint profile' give profiles to those who may have "
            "them",
            "%s answers GET %s to anybody, without a token", l->address, path);
}

/* ---- Unix sockets ------------------------------------------------------------------------------- */

/* With the address of production, since the one in the cage is no file that anybody knows. */
static const struct listener_spec *
configured(const struct cage *c, const char *address)
{
    for (size_t i = 0; i < c->n_sockets; i++)
        if (strcmp(c->sockets[i].address, address) == 0)
            return &c->options->spec->listen[i];
    return NULL;
}

/* "any user of this machine may connect (mode 0777)" */
static void
say_reach(const struct listening *l, mode_t mode, char *buf, size_t room)
{
    if (l->is_abstract)
        (void)snprintf(buf, room,
                       "an abstract socket has no mode: any process of its network may connect");
    else
        (void)snprintf(buf, room, "any user of this machine may connect, mode %04o",
                       (unsigned)mode);
}

static void
judge_unix(const struct cage *c, const struct listening *l, const char *path,
           struct preflight_report *r)
{
    const struct listener_spec *own = l->inherited ? configured(c, l->address) : NULL;
    const char *address = own ? own->address : l->address;
    mode_t mode = own ? own->mode : l->mode;
    bool anybody = own ? own->mode & S_IWOTH : l->reach == REACH_ANYBODY;
    char reach[96];

    say_reach(l, mode, reach, sizeof(reach));
    if (anybody && !l->inherited && !is_listed(c, l->address))
        check_fail(r, CHECK_PROFILING,
                   l->is_abstract
                       ? "bind it to a file of mode 0600 or 0660; or let stint bind it ('listen'); "
                         "or, where anybody may, name it in 'listens' of 'preflight'"
                       : "set the umask to 077 around bind(), or put it into a directory of mode "
                         "0700; or let stint bind it ('listen', with a 'mode'); or, where anybody "
                         "may, name it in 'listens' of 'preflight'",
                   "pid %d listens on %s, which nothing in the configuration names: %s",
                   (int)l->pid, address, reach);
    if (path && anybody)
        check_fail(r, CHECK_PROFILING,
                   "take the handlers out of the program, or give their socket the mode 0600; "
                   "'profiling' of the service and 'stint profile' give profiles to those who may "
                   "have them",
                   "%s answers GET %s without a token: %s", address, path, reach);
}

/* ---- All of them -------------------------------------------------------------------------------- */

static void
judge_socket(const struct cage *c, const struct listening *l, struct preflight_report *r,
             struct text *guarded)
{
    const char *path = open_profile(c, l);

    if (!l->is_unix)
        judge_tcp(c, l, path, r);
    else
        judge_unix(c, l, path, r);
    if (path)
        text_addf(guarded, "%s%s", guarded->bytes ? ", " : "", l->address);
}

int
exposure_judge(const struct cage *c, const pid_t *tree, size_t n, struct preflight_report *r)
{
    auto_free struct listening *all = calloc(LISTENING_MOST, sizeof(*all));
    int count = all ? listening_find(tree, n, c->supervisor, c->work, all) : -ENOMEM;
    auto_text struct text names = TEXT_INIT, guarded = TEXT_INIT;

    if (count < 0) {
        check_skip(r, CHECK_PROFILING,
                   "its sockets cannot be looked at (%s): run as the user of the service, or root",
                   strerror(-count));
        return count;
    }
    for (int i = 0; i < count; i++) {
        if (cage_interrupted(c))
            return -EINTR;
        judge_socket(c, &all[i], r, &guarded);
        text_addf(&names, "%s%s", names.bytes ? ", " : "", all[i].address);
    }
    if (count == 0)
        check_pass(r, CHECK_PROFILING, "no socket of it takes connections in");
    else
        check_pass(r, CHECK_PROFILING, "%d socket%s %s connections in: %s, %s%s", count,
                   count == 1 ? "" : "s", count == 1 ? "takes" : "take", text_str(&names),
                   guarded.bytes ? "profiles are given out to its own user or group alone, by "
                   : count == 1  ? "and it gives out no profile"
                                 : "none of them gives out a profile",
                   text_str(&guarded));
    return 0;
}
