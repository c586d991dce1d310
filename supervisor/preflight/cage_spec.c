/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service as it is rehearsed: its own configuration, with private sockets and files, what its
 * `preflight` block says, and bounds on what would only take time. What differs is noted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/config.h"
#include "config/spec.h"
#include "supervisor/preflight/cage.h"

#define SOAK_MOST_US     US_PER_S
#define DRAIN_MOST_US    (60 * US_PER_S)
#define GRACE_MOST_US    US_PER_S
#define ANNOUNCE_MOST_US US_PER_S
#define BACKOFF_MOST_US  US_PER_S
#define FAILURES_MOST    3

/* *@to = @s, which is owned from now on; NULL: no memory. */
static int
put(char **to, char *s)
{
    if (!s)
        return -ENOMEM;
    free(*to);
    *to = s;
    return 0;
}

static int
expand_all(const struct cage *c, struct strv *v)
{
    int r = 0;

    for (size_t i = 0; i < v->n && r == 0; i++)
        r = put(&v->items[i], cage_expand(c, v->items[i]));
    return r;
}

static int
copy_of(const struct service_spec *s, struct service_spec **ret, struct error *reterr)
{
    auto_text struct text canonical = TEXT_INIT;
    struct diagnostics diags = {0};
    int r;

    service_spec_canonical(s, &canonical);
    r = canonical.failed ? -ENOMEM
                         : spec_parse_canonical(text_str(&canonical), canonical.bytes, ret, &diags);
    if (r < 0)
        (void)error_say(reterr, r, "the service cannot be copied: %s",
                        diags.n ? diags.items[0].text : "out of memory");
    diagnostics_finish(&diags);
    return r;
}

/* ---- what it runs ----------------------------------------------------------------------------- */

bool
cage_wraps(const struct service_spec *s)
{
    const struct strv *command = &s->preflight.command;

    return command->n > 0 && s->command.n > 0 &&
           strcmp(command->items[0], s->command.items[0]) != 0 &&
           strcmp(command->items[0], "{program}") != 0;
}

bool
cage_names_program(const struct service_spec *s)
{
    for (size_t i = 0; i < s->preflight.command.n; i++)
        if (strstr(s->preflight.command.items[i], "{program}"))
            return true;
    return false;
}

static int
set_command(struct cage *c, struct service_spec *s, struct error *reterr)
{
    const char *binary = c->options->binary;
    auto_free char *own = s->command.n ? strdup(s->command.items[0]) : NULL;
    bool wrapped = cage_wraps(s);
    int r = 0;

    if (wrapped && binary && !cage_names_program(s))
        return error_say(reterr, -EINVAL,
                         "--binary: 'command' of 'preflight' starts '%s', so where '%s' is started "
                         "is not known: write {program} in its place",
                         s->preflight.command.items[0], s->command.items[0]);
    if (s->preflight.command.n > 0) {
        strv_finish(&s->command);
        r = strv_copy(&s->command, &s->preflight.command);
    }
    if (r == 0)
        r = expand_all(c, &s->command);
    if (r == 0 && binary && s->check.n > 0 && own && strcmp(s->check.items[0], own) == 0)
        r = put(&s->check.items[0], strdup(binary)); /* a program that checks its own input */
    if (r == 0 && binary && !wrapped)
        r = put(&s->command.items[0], strdup(binary));
    return r;
}

/* The list is sorted by name, as the reader left it; the writer does not mind. */
static int
set_variable(struct service_spec *s, const char *name, char *value)
{
    struct environment_entry *bigger;

    if (!value)
        return -ENOMEM;
    for (size_t i = 0; i < s->n_environment; i++)
        if (strcmp(s->environment[i].name, name) == 0)
            return put(&s->environment[i].value, value);
    bigger = realloc(s->environment, (s->n_environment + 1) * sizeof(*bigger));
    if (!bigger) {
        free(value);
        return -ENOMEM;
    }
    s->environment = bigger;
    s->environment[s->n_environment].name = strdup(name);
    s->environment[s->n_environment].value = value;
    s->n_environment++;
    return s->environment[s->n_environment - 1].name ? 0 : -ENOMEM;
}

static int
set_environment(struct cage *c, struct service_spec *s)
{
    int r = 0;

    for (size_t i = 0; i < s->preflight.n_environment && r == 0; i++)
        r = set_variable(s, s->preflight.environment[i].name,
                         cage_expand(c, s->preflight.environment[i].value));
    if (r == 0)
        r = set_variable(s, "STINT_CAGE", strdup(c->work));
    return r == 0 ? set_variable(s, "STINT_REHEARSAL", strdup("1")) : r;
}

/* ---- its sockets ------------------------------------------------------------------------------ */

/* An address that one generation binds for itself: with a fixed port it may be taken by what runs. */
static int
set_probe(struct service_spec *s)
{
    size_t n = s->probe_listener ? strlen(s->probe_listener) : 0;
    bool any = n > 2 && strcmp(s->probe_listener + n - 2, ":0") == 0;
    int r;

    if (!s->probe_listener || any)
        return 0;
    if (s->ready.mode == READY_TCP || s->ready.mode == READY_HTTP)
        return 0; /* the two have to be the same: left as they are, and noted */
    r = put(&s->probe_listener, strdup("tcp://127.0.0.1:0"));
    return r;
}

static int
set_sockets(struct cage *c, struct service_spec *s)
{
    int r = 0;

    for (size_t i = 0; i < s->n_listen && r == 0; i++) {
        struct listener_spec *l = &s->listen[i];
        const char *address = c->sockets[i].address;

        r = put(&l->address, strdup(address));
        if (r == 0 && l->family == LISTENER_UNIX)
            r = put(&l->path, strdup(address + strlen("unix:")));
        l->port = (uint16_t)c->sockets[i].port;
        if (geteuid() != 0) { /* a file of ours cannot be given to anybody */
            free(steal(l->owner));
            free(steal(l->group));
        }
    }
    return r == 0 ? set_probe(s) : r;
}

/* ---- what would touch others, or only take time ----------------------------------------------- */

static void
cap(struct cage *c, const char *key, int64_t *us, int64_t most_us)
{
    char was[32], is[32];

    if (*us <= most_us)
        return;
    text_addf(&c->notes, "'%s' is %s instead of %s\n", key,
              duration_format(most_us, is, sizeof(is)), duration_format(*us, was, sizeof(was)));
    *us = most_us;
}

static void
set_times(struct cage *c, struct service_spec *s)
{
    cap(c, "soak", &s->soak_us, SOAK_MOST_US);
    cap(c, "drain_timeout", &s->drain_timeout_us, DRAIN_MOST_US);
    cap(c, "announce_delay", &s->announce_delay_us, ANNOUNCE_MOST_US);
    s->leak_grace_us = s->leak_grace_us < GRACE_MOST_US ? s->leak_grace_us : GRACE_MOST_US;
    s->backoff_first_us =
        s->backoff_first_us < BACKOFF_MOST_US ? s->backoff_first_us : BACKOFF_MOST_US;
    s->backoff_max_us = s->backoff_max_us < BACKOFF_MOST_US ? s->backoff_max_us : BACKOFF_MOST_US;
    s->limit_count = s->limit_count < FAILURES_MOST ? s->limit_count : FAILURES_MOST;
    s->settle_us = 0;
    s->leak_look_us = 0; /* it is looked at by us */
    s->restart_requests = 0;
    s->restart_age_us = 0;
    s->restart_rss_bytes = 0;
}

static void
set_alone(struct cage *c, struct service_spec *s)
{
    if (s->depends_on.n > 0)
        text_addf(&c->notes, "'depends_on' is left out: what it names is not started\n");
    strv_finish(&s->depends_on);
    strv_finish(&s->depends_completed);
    s->watch_binary = false; /* reloads are ours to ask for */
    strv_finish(&s->watch_paths);
    for (int h = HOOK_NONE + 1; h < HOOK_COUNT && !s->preflight.hooks; h++) {
        if (s->hooks[h].command.n > 0)
            text_addf(&c->notes, "hook '%s' is left out ('hooks: true' of 'preflight' runs it)\n",
                      hook_name((enum hook)h));
        strv_finish(&s->hooks[h].command);
    }
    s->log.to = LOG_TO_STDERR;
    free(steal(s->log.file));
    if (geteuid() != 0 && (s->user || s->group)) {
        text_addf(&c->notes, "runs as uid %u: only root can run it as '%s'\n", (unsigned)geteuid(),
                  s->user ? s->user : s->group);
        free(steal(s->user));
        free(steal(s->group));
    }
    if (s->preflight.workers > 0 && s->preflight.workers != s->workers) {
        text_addf(&c->notes, "%u of its %u workers\n", s->preflight.workers, s->workers);
        s->workers = s->preflight.workers;
    }
    s->require_preflight = false;
}

static int
set_ready_file(const struct cage *c, struct service_spec *s)
{
    return s->ready.mode == READY_FILE && s->preflight.ready_file
               ? put(&s->ready.file, cage_expand(c, s->preflight.ready_file))
               : 0;
}

int
cage_spec(struct cage *c, struct error *reterr)
{
    struct service_spec *s = NULL;
    int r = copy_of(c->options->spec, &s, reterr);

    if (r < 0)
        return r;
    c->spec = s;
    reterr->text[0] = '\0';
    r = set_command(c, s, reterr);
    if (r == 0)
        r = set_environment(c, s);
    if (r == 0)
        r = set_sockets(c, s);
    if (r == 0)
        r = set_ready_file(c, s);
    if (r < 0)
        return reterr->text[0] ? r : error_set(reterr, r, "prepare the rehearsal");
    set_times(c, s);
    set_alone(c, s);
    return 0;
}
