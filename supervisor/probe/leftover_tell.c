/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "supervisor/probe/leftover.h"
#include "supervisor/probe/report_parts.h"

/* A process that is left, in words and as JSON. */

static const char *
state_words(char state)
{
    switch (state) {
    case 'R':
        return "running";
    case 'S':
        return "sleeping";
    case 'D':
        return "stuck in the kernel";
    case 'T':
        return "stopped";
    case 't':
        return "traced";
    case 'I':
        return "idle";
    case 'Z':
        return "its first thread has ended and others live";
    default:
        return "on its way out";
    }
}

static void
tell_others(unsigned n, const char *what, struct text *out)
{
    if (n > 0)
        text_addf(out, "%s%u other %s%s", out->bytes > 0 ? ", " : "", n, what, n > 1 ? "s" : "");
}

void
leftover_tell_holds(const struct leftover *l, const struct held *held, struct text *out)
{
    struct text words = TEXT_INIT;

    for (unsigned i = 0; i < l->n_holds; i++)
        text_addf(&words, "%s%s (fd %d)", i ? ", " : "", held[l->holds[i].what].name,
                  l->holds[i].fd);
    if (l->more_holds > 0)
        text_addf(&words, " and %u more of these", l->more_holds);
    tell_others(l->sockets, "socket", &words);
    tell_others(l->pipes, "pipe", &words);
    text_add(out, text_str(&words));
    text_finish(&words);
}

void
leftover_tell(const struct leftover *l, const struct held *held, struct text *out)
{
    struct text holds = TEXT_INIT;
    char spell[32];

    text_addf(out, "`%s`", l->command[0] ? l->command : l->comm);
    if (l->exe[0])
        text_addf(out, " (%s)", l->exe);
    text_addf(out, ", %s old, %s, ", duration_human(l->age_us, spell, sizeof(spell)),
              state_words(l->state));
    if (l->n_chain == 0)
        text_addf(out, "its parent is gone");
    for (unsigned i = 0; i < l->n_chain; i++)
        text_addf(out, "%s %d (%s)", i ? " of" : "child of", (int)l->chain[i].pid,
                  l->chain[i].comm);
    leftover_tell_holds(l, held, &holds);
    if (holds.bytes > 0)
        text_addf(out, ", holds %s", text_str(&holds));
    if (l->refused)
        text_add(out, ", what it holds may not be seen");
    text_finish(&holds);
}

static json_t *
chain_of(const struct leftover *l, struct json_made *of)
{
    json_t *list = json_array();

    for (unsigned i = 0; list && i < l->n_chain; i++) {
        struct json_made o = json_begin();

        json_put_number(&o, "pid", l->chain[i].pid);
        json_put_text(&o, "comm", l->chain[i].comm);
        json_append(of, list, json_end(&o));
    }
    return list;
}

static json_t *
holds_of(const struct leftover *l, const struct held *held, struct json_made *of)
{
    json_t *list = json_array();

    for (unsigned i = 0; list && i < l->n_holds; i++) {
        struct json_made o = json_begin();

        json_put_text(&o, "what", held[l->holds[i].what].name);
        json_put_number(&o, "fd", l->holds[i].fd);
        json_append(of, list, json_end(&o));
    }
    return list;
}

json_t *
leftover_json(const struct leftover *l, const struct held *held)
{
    struct json_made o = json_begin();
    const char state[2] = {l->state, '\0'};
    struct text text = TEXT_INIT;

    leftover_tell(l, held, &text);
    json_put_number(&o, "pid", l->pid);
    json_put_number(&o, "ppid", l->ppid);
    json_put_number(&o, "session", l->session);
    json_put_number(&o, "start_time", (int64_t)(l->start_time & INT64_MAX));
    if (l->worker != 0)
        json_put_number(&o, "worker", l->worker);
    json_put_text(&o, "comm", l->comm);
    json_put_text(&o, "command", l->command);
    json_put_text(&o, "exe", l->exe);
    json_put_text(&o, "state", state);
    json_put_number(&o, "age_us", l->age_us);
    json_put(&o, "parents", chain_of(l, &o));
    json_put(&o, "holds", holds_of(l, held, &o));
    json_put_number(&o, "sockets", l->sockets);
    json_put_number(&o, "pipes", l->pipes);
    json_put_true(&o, "refused", l->refused);
    json_put_text(&o, "text", text_str(&text));
    text_finish(&text);
    return json_end(&o);
}
