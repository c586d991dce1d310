/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/environment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "config/spec.h"
#include "supervisor/io/identity.h"

#define ENV_FILE_MAX ((size_t)1024 * 1024)
#define MINIMAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Said by whoever started stint, to stint. A trailing * is a prefix. */
static const char *const not_inherited[] = {
    "STINT_*",        "LISTEN_*",         "WATCHDOG_*",        "NOTIFY_SOCKET", "INVOCATION_ID",
    "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "MANAGERPID",        "MAINPID",       "FDSTORE",
    "TRACEPARENT",    "TRACESTATE",       "MEMORY_PRESSURE_*",
};

static bool
is_for_stint(const char *entry)
{
    size_t name = strcspn(entry, "=");

    for (size_t i = 0; i < ARRAY_LEN(not_inherited); i++) {
        const char *pattern = not_inherited[i];
        size_t n = strlen(pattern);

        if (pattern[n - 1] == '*' ? strncmp(entry, pattern, n - 1) == 0
                                  : name == n && memcmp(entry, pattern, n) == 0)
            return true;
    }
    return false;
}

int
environment_set(struct strv *env, const char *name, const char *value)
{
    size_t n = strlen(name);
    auto_free char *entry = NULL;

    for (size_t i = 0; i < env->n; i++) {
        if (strncmp(env->items[i], name, n) != 0 || env->items[i][n] != '=')
            continue;
        if (asprintf(&entry, "%s=%s", name, value) == -1) {
            entry = NULL; /* undefined after a failure */
            return -ENOMEM;
        }
        free(env->items[i]);
        env->items[i] = steal(entry);
        return 0;
    }
    return strv_addf(env, "%s=%s", name, value);
}

static void
unset(struct strv *env, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < env->n; i++) {
        if (strncmp(env->items[i], name, n) != 0 || env->items[i][n] != '=')
            continue;
        free(env->items[i]);
        env->n--;
        memmove(&env->items[i], &env->items[i + 1], (env->n - i) * sizeof *env->items);
        env->items[env->n] = NULL;
        return;
    }
}

const char *
environment_get(char *const *env, const char *name)
{
    size_t n = strlen(name);

    for (; env && *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

/* set_entry - "NAME=VALUE" as it stands in an environ; an entry without '=' is nobody's. */
static int
set_entry(struct strv *env, const char *entry)
{
    const char *equals = strchr(entry, '=');
    auto_free char *name = NULL;

    if (!equals || equals == entry)
        return 0;
    name = strndup(entry, (size_t)(equals - entry));
    return name ? environment_set(env, name, equals + 1) : -ENOMEM;
}

static int
add_inherited(struct strv *env, const struct environment_request *req)
{
    static const char *const kept[] = {"HOME", "USER", "LANG"};
    int r = 0;

    if (!req->spec->clean_environment) {
        for (char *const *e = req->own; r == 0 && *e; e++)
            if (!is_for_stint(*e))
                r = set_entry(env, *e);
        return r;
    }
    r = environment_set(env, "PATH", MINIMAL_PATH);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(kept); i++) {
        const char *value = environment_get(req->own, kept[i]);

        if (value)
            r = environment_set(env, kept[i], value);
    }
    if (r == 0 && !environment_get(env->items, "LANG"))
        r = environment_set(env, "LANG", "C.UTF-8");
    return r;
}

static int
add_identity(struct strv *env, const struct identity *id)
{
    int r;

    if (!id || id->uid == IDENTITY_KEEP_UID)
        return 0;
    if (!id->name) { /* a number nobody knows: at least do not lend it our home */
        unset(env, "USER");
        unset(env, "LOGNAME");
        unset(env, "SHELL");
        return environment_set(env, "HOME", "/");
    }
    r = environment_set(env, "HOME", id->home);
    if (r == 0)
        r = environment_set(env, "USER", id->name);
    if (r == 0)
        r = environment_set(env, "LOGNAME", id->name);
    return r < 0 ? r : environment_set(env, "SHELL", id->shell);
}

/* What will come by the channel. */
static int
add_gated(struct strv *env, const struct service_spec *spec)
{
    auto_text struct text names = TEXT_INIT;

    for (size_t i = 0; i < spec->n_listen; i++)
        text_addf(&names, "%s%s", i ? ":" : "", spec->listen[i].name);
    return names.failed ? -ENOMEM : environment_set(env, "STINT_GATED", text_str(&names));
}

bool
environment_names_tracer(const struct service_spec *spec)
{
    return spec->libstint || spec->preload || spec->profiling.heap;
}

static int
add_listeners(struct strv *env, const struct environment_request *req)
{
    auto_text struct text names = TEXT_INIT;
    char count[24];
    int r = 0;

    /* The child's own, by spawn_start(). libstint too asks it whether the rest is meant for it. */
    if (req->n_listen > 0 || environment_names_tracer(req->spec))
        r = environment_set(env, "LISTEN_PID", "");
    if (r == 0 && req->spec->gated && req->generation > 0)
        r = add_gated(env, req->spec);
    if (r < 0 || req->n_listen == 0)
        return r;
    for (size_t i = 0; i < req->n_listen; i++)
        text_addf(&names, "%s%s", i ? ":" : "", req->listen_names[i]);
    if (names.failed)
        return -ENOMEM;
    (void)snprintf(count, sizeof count, "%zu", req->n_listen);
    r = environment_set(env, "LISTEN_FDS", count);
    return r < 0 ? r : environment_set(env, "LISTEN_FDNAMES", text_str(&names));
}

/* One of `environment`; what runs in no slot, such as a check, sees what the worker in slot 0 does. */
static int
add_own(struct strv *env, const struct environment_entry *e, unsigned slot)
{
    auto_free char *value = slot_text(e->value, slot);

    return value ? environment_set(env, e->name, value) : -ENOMEM;
}

/* Ours comes first; what the program asks for besides stays. */
static int
add_preload(struct strv *env, const char *object)
{
    const char *others = environment_get(env->items, "LD_PRELOAD");
    auto_text struct text list = TEXT_INIT;

    text_addf(&list, "%s%s%s", object, others && *others ? ":" : "", others ? others : "");
    return list.failed ? -ENOMEM : environment_set(env, "LD_PRELOAD", text_str(&list));
}

/* What libstint is to know of `deadlines`; nothing where they are as it has them anyway. */
static int
add_deadlines(struct strv *env, const struct service_spec *spec)
{
    const struct deadline_policy *d = &spec->deadlines;
    auto_text struct text words = TEXT_INIT;

    if (d->default_us > 0)
        text_addf(&words, "default=%" PRId64 " ", d->default_us);
    if (d->max_us > 0)
        text_addf(&words, "max=%" PRId64 " ", d->max_us);
    text_addf(&words, "reserve=%" PRId64 " tolerance=%" PRId64, d->reserve_us, d->tolerance_us);
    for (size_t i = 0; i < d->n_headers; i++)
        text_addf(&words, " header=%s:%s", d->headers[i].name,
                  timeout_unit_name(d->headers[i].unit));
    return words.failed ? -ENOMEM : environment_set(env, "STINT_DEADLINES", text_str(&words));
}

static int
add_stint(struct strv *env, const struct environment_request *req)
{
    char number[24], trace[64];
    int r = add_listeners(env, req);

    if (r == 0 && req->notify_path)
        r = environment_set(env, "NOTIFY_SOCKET", req->notify_path);
    if (r == 0)
        r = environment_set(env, "STINT_SERVICE", req->spec->name);
    if (r == 0 && req->generation > 0) {
        (void)snprintf(number, sizeof number, "%" PRIu64, req->generation);
        r = environment_set(env, "STINT_GENERATION", number);
        (void)snprintf(number, sizeof number, "%u", req->slot);
        if (r == 0)
            r = environment_set(env, "STINT_SLOT", number);
    }
    if (r == 0 && req->tracer > 0 && environment_names_tracer(req->spec)) {
        (void)snprintf(number, sizeof number, "%d", req->tracer);
        r = environment_set(env, "STINT_PTRACER", number);
    }
    if (r == 0 && req->spec->libstint)
        r = add_deadlines(env, req->spec);
    if (r == 0 && req->spawn_id)
        r = environment_set(env, "STINT_SPAWN_ID", req->spawn_id);
    if (r == 0 && req->preload)
        r = add_preload(env, req->preload);
    if (r == 0 && req->trace_id && req->trace_id[0]) {
        (void)snprintf(trace, sizeof trace, "00-%.32s-%016" PRIx64 "-01", req->trace_id,
                       req->span_id);
        r = environment_set(env, "TRACEPARENT", trace);
    }
    return r;
}

int
environment_read(const struct service_spec *spec, struct strv *ret, struct error *reterr)
{
    __attribute__((cleanup(strv_finish))) struct strv env = {0};
    auto_free char *data = NULL;
    size_t bytes;
    int r;

    if (!spec->env_file)
        return 0;
    r = file_read(spec->env_file, ENV_FILE_MAX, &data, &bytes, reterr);
    if (r == 0)
        r = environment_parse(spec->env_file, data, bytes, &env, reterr);
    if (r < 0)
        return r;
    *ret = env;
    env = (struct strv){0};
    return 0;
}

int
environment_build(const struct environment_request *req, struct strv *ret, struct error *reterr)
{
    __attribute__((cleanup(strv_finish))) struct strv env = {0};
    const struct service_spec *spec = req->spec;
    int r = add_inherited(&env, req);

    if (r == 0)
        r = add_identity(&env, req->identity);
    for (size_t i = 0; r == 0 && req->env_file && i < req->env_file->n; i++)
        r = set_entry(&env, req->env_file->items[i]);
    for (size_t i = 0; r == 0 && i < spec->n_environment; i++)
        r = add_own(&env, &spec->environment[i], req->slot);
    if (r == 0)
        r = add_stint(&env, req);
    if (r < 0)
        return error_set(reterr, r, "build the environment of '%s'", spec->name);
    *ret = env;
    env = (struct strv){0};
    return 0;
}
