/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/logs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/io/logs_internal.h"

struct log *
log_find(const struct logs *ls, const char *service)
{
    for (struct table_node *n = table_find(&ls->by_name, table_key(service)); n; n = table_next(n))
        if (strcmp(container_of(n, struct log, by_name)->service, service) == 0)
            return container_of(n, struct log, by_name);
    return NULL;
}

static void
say(const struct log *l, enum log_level level, const char *event, const char *text)
{
    const struct journal_field fields[] = {
        FIELD_TEXT("service", l->service),
        FIELD_TEXT("file", l->config ? l->config->path : ""),
        FIELD_TEXT("msg", text),
    };

    journal_event(l->logs->journal, level, event, fields, ARRAY_LEN(fields));
}

/* ---- what the writer says -------------------------------------------------------------------- */

static void
on_word(void *owner, enum logfile_word word, int error, const char *text)
{
    struct log *l = owner;

    (void)error; /* the sentence has it in words */
    switch (word) {
    case LOGFILE_FAILED:
        l->failed = true;
        free(l->why);
        l->why = strdup(text);
        say(l, LOG_LEVEL_ERROR, "log_failed", text);
        break;
    case LOGFILE_WORKS:
        l->failed = false;
        say(l, LOG_LEVEL_INFO, "log_works", "its lines are written again");
        break;
    case LOGFILE_ROTATED:
        say(l, LOG_LEVEL_INFO, "log_rotated", text);
        break;
    case LOGFILE_TROUBLE:
        say(l, LOG_LEVEL_WARNING, "log_trouble", text);
        break;
    case LOGFILE_MOVED:
        say(l, LOG_LEVEL_INFO, "log_reopened", "somebody moved it away: a new one was begun");
        break;
    }
}

static void
on_writer_event(void *env, const char *name, const char *service, const char *text)
{
    const struct logs *ls = env;
    const struct journal_field fields[] = {
        FIELD_TEXT("service", service),
        FIELD_TEXT("msg", text),
    };

    journal_event(ls->journal, LOG_LEVEL_WARNING, name, fields, ARRAY_LEN(fields));
}

/* Room in the queue of stint's own log, for whoever waits for that. */
static void
on_journal_room(void *env)
{
    struct logs *ls = env;

    list_for_each (pos, &ls->all) {
        struct log *l = container_of(pos, struct log, node);

        if (!l->spool)
            log_room(l);
    }
}

/* ---- one log --------------------------------------------------------------------------------- */

static struct log *
log_create(struct logs *ls, const char *service)
{
    struct log *l = calloc(1, sizeof(*l));

    if (!l)
        return NULL;
    l->logs = ls;
    (void)snprintf(l->service, sizeof(l->service), "%s", service);
    log_pressure_init(l);
    list_add(&ls->all, &l->node);
    table_add(&ls->by_name, &l->by_name, table_key(service));
    return l;
}

static void
log_leave_file(struct log *l)
{
    if (!l->spool)
        return;
    log_tell_lost(l);
    spool_retire(l->spool);
    l->spool = NULL;
    l->failed = false;
    log_room(l);
}

static void
log_destroy(struct log *l)
{
    log_leave_file(l);
    log_pressure_finish(l);
    list_del(&l->node);
    table_remove(&l->logs->by_name, &l->by_name);
    log_trace_off(l);
    free(l->config);
    free(l->why);
    free(l);
}

struct log *
logs_get(struct logs *ls, const char *service)
{
    struct log *l = log_find(ls, service);

    if (!l)
        l = log_create(ls, service);
    if (l)
        l->references++;
    return l;
}

void
log_unref(struct log *l)
{
    if (l && --l->references == 0 && !l->configured)
        log_destroy(l);
}

/* Of thousands of services few have a file, and their paths would take 4 KiB each. Return: there is memory. */
static bool
has_config(struct log *l)
{
    if (!l->config)
        l->config = malloc(sizeof(*l->config));
    return l->config != NULL;
}

static void
fill_config(struct logfile_config *c, const struct service_spec *s)
{
    const struct service_log *from = &s->log;

    memset(c, 0, sizeof(*c)); /* all of it: it is compared as bytes */
    c->max_size = from->max_size;
    c->max_age_us = from->max_age_us;
    c->keep = from->keep;
    c->mode = from->mode;
    c->format = from->format;
    (void)snprintf(c->service, sizeof(c->service), "%s", s->name);
    (void)snprintf(c->owner, sizeof(c->owner), "%s", from->owner ? from->owner : "");
    (void)snprintf(c->group, sizeof(c->group), "%s", from->group ? from->group : "");
    (void)snprintf(c->path, sizeof(c->path), "%s", from->file ? from->file : "");
}

/* Lines go to stint's own log while there is no memory for one of their own. */
static void
log_enter_file(struct log *l)
{
    struct error why = {0};

    if (l->spool && spool_memory(l->spool)->room != l->room &&
        logfile_memory_waiting(spool_memory(l->spool)) == 0)
        log_leave_file(l); /* another `buffer`: from when none of the lines is in the old one */
    if (l->spool)
        spool_configure(l->spool, l->config);
    else if (spool_create(l->logs->spools, l->config, l->room, &l->spool, &why) < 0)
        say(l, LOG_LEVEL_ERROR, "log_failed", why.text);
    else
        spool_own(l->spool, l);
    log_room(l); /* for whoever waited for another place */
}

static void
log_configure(struct log *l, const struct service_spec *s)
{
    l->configured = true;
    l->to = s->log.to;
    l->format = s->log.format;
    l->timestamp = s->log.timestamp;
    l->block_us = s->log.block_us;
    log_trace_by(l, &s->trace);
    l->room = s->log.buffer < LOGFILE_ROOM_MIN ? LOGFILE_ROOM_MIN : (size_t)s->log.buffer;
    if (l->to == LOG_TO_FILE && has_config(l)) {
        fill_config(l->config, s);
        log_enter_file(l);
    } else {
        log_leave_file(l);
    }
}

/* ---- all ------------------------------------------------------------------------------------- */

static int
on_keep(void *env, uint64_t id, int fd)
{
    const struct logs *ls = env;

    return ls->options.keep(ls->options.env, id, fd);
}

static void
on_drop(void *env, uint64_t id)
{
    const struct logs *ls = env;

    ls->options.drop(ls->options.env, id);
}

int
logs_create(const struct logs_options *options, struct logs **ret)
{
    struct logs *ls = calloc(1, sizeof(*ls));
    const struct spools_hooks hooks = {
        .keep = options->keep ? on_keep : NULL,
        .drop = options->drop ? on_drop : NULL,
        .say = on_word,
        .room = log_room,
        .event = on_writer_event,
        .env = ls,
    };
    int r;

    if (!ls)
        return -ENOMEM;
    ls->options = *options;
    ls->loop = options->loop;
    ls->journal = options->journal;
    list_init(&ls->all);
    r = spools_create(options->loop, &hooks, &ls->spools);
    if (r < 0) {
        free(ls);
        return r;
    }
    journal_on_room(ls->journal, on_journal_room, ls);
    *ret = ls;
    return 0;
}

void
logs_destroy(struct logs *ls)
{
    if (!ls)
        return;
    struct lint_memory *counted = steal(ls->lint_memory); /* it is the next master's, too */

    journal_on_room(ls->journal, NULL, NULL);
    list_for_each_safe (pos, &ls->all) {
        struct log *l = container_of(pos, struct log, node);

        l->spool = NULL; /* what waits is in its memory, for the next master */
        log_destroy(l);
    }
    spools_destroy(ls->spools);
    table_finish(&ls->by_name);
    text_finish(&ls->line);
    lint_memory_close(counted);
    free(ls);
}

void
logs_adopt(struct logs *ls, uint64_t id, int fd)
{
    struct error why = {0};
    struct spool *s = NULL;
    const struct logfile_config *c;
    struct log *l;

    if (spool_adopt(ls->spools, id, fd, &s, &why) < 0) {
        journal_say(ls->journal, LOG_LEVEL_ERROR, "log_lost",
                    "lines that waited for a log file are lost: %s", why.text);
        return;
    }
    c = logfile_memory_config(spool_memory(s));
    l = logs_get(ls, c->service);
    if (l)
        l->references--; /* it lives: it is in the configuration, or of a service on its way out */
    if (!l || (l->spool && spool_id(l->spool) > id)) { /* one that was on its way out */
        spool_retire(s);
        return;
    }
    if (l->spool)
        spool_retire(l->spool);
    if (!has_config(l)) { /* its lines stay in the memory, for the next master */
        spool_retire(s);
        return;
    }
    l->configured = true;
    l->to = LOG_TO_FILE;
    l->format = (enum service_log_format)c->format;
    *l->config = *c;
    l->room = spool_memory(s)->room;
    l->spool = s;
    spool_own(s, l);
}

void
logs_configure(struct logs *ls, struct service_spec *const *services, size_t n)
{
    list_for_each (pos, &ls->all)
        container_of(pos, struct log, node)->configured = false;
    for (size_t i = 0; i < n; i++) {
        struct log *l = log_find(ls, services[i]->name);

        if (!l)
            l = log_create(ls, services[i]->name);
        if (l)
            log_configure(l, services[i]);
    }
    list_for_each_safe (pos, &ls->all) {
        struct log *l = container_of(pos, struct log, node);

        if (!l->configured && l->references == 0)
            log_destroy(l);
    }
    logs_trace_sweep(ls);
}

unsigned
logs_reopen(struct logs *ls, const char *service)
{
    unsigned n = 0;

    list_for_each (pos, &ls->all) {
        struct log *l = container_of(pos, struct log, node);

        if (!l->spool || (service && strcmp(l->service, service) != 0))
            continue;
        spool_reopen(l->spool);
        n++;
    }
    return n;
}

void
logs_flush(struct logs *ls, int64_t budget_us)
{
    uint64_t left = 0;

    if (!ls || !spools_next(ls->spools, NULL))
        return;
    list_for_each (pos, &ls->all)
        log_tell_lost(container_of(pos, struct log, node));
    spools_flush(ls->spools, budget_us);
    for (struct spool *s = NULL; (s = spools_next(ls->spools, s)) != NULL;)
        left += logfile_memory_waiting(spool_memory(s));
    if (left > 0)
        journal_say(ls->journal, LOG_LEVEL_ERROR, "log_lost",
                    "%llu bytes of log files could not be written before the end",
                    (unsigned long long)left);
}
