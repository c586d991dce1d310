/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "supervisor/io/export_state.h"

/*
 * The settings as JSON: for the process that sends, and, kept with the queue, for a master that takes over and may
 * find a configuration on disk that nobody can read.
 */

char *
export_settings_text(const struct export_spec *spec)
{
    json_t *headers = json_object(), *o;
    char host[256] = "", *text;

    for (size_t i = 0; i < spec->n_headers; i++)
        (void)json_object_set_new(headers, spec->headers[i].name,
                                  json_string(spec->headers[i].value));
    if (gethostname(host, sizeof(host) - 1) == -1)
        host[0] = '\0';
    o = json_pack("{s:s, s:o, s:s*, s:s*, s:I, s:b, s:s*, s:s, s:b, s:b, s:b, s:I}", "endpoint",
                  spec->endpoint, "headers", headers, "headers_file", spec->headers_file, "ca_file",
                  spec->ca_file, "timeout_ms", (json_int_t)(spec->timeout_us / US_PER_MS), "gzip",
                  spec->gzip, "host", host[0] ? host : NULL, "version", STINT_VERSION, "reloads",
                  spec->reloads, "spans", spec->spans, "logs", spec->logs, "every_ms",
                  (json_int_t)(spec->every_us / US_PER_MS));
    text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    return text;
}

int
export_settings_read(const char *text, struct export_settings *ret)
{
    json_t *o = json_loads(text, 0, NULL);
    const char *endpoint = json_string_value(json_object_get(o, "endpoint"));
    struct export_settings s = {
        .text = strdup(text),
        .endpoint = endpoint ? strdup(endpoint) : NULL,
        .reloads = json_is_true(json_object_get(o, "reloads")),
        .spans = json_is_true(json_object_get(o, "spans")),
        .logs = json_is_true(json_object_get(o, "logs")),
        .timeout_us = json_integer_value(json_object_get(o, "timeout_ms")) * US_PER_MS,
        .every_us = json_integer_value(json_object_get(o, "every_ms")) * US_PER_MS,
    };
    bool sound = endpoint && s.timeout_us > 0 && s.every_us > 0;

    json_decref(o);
    if (!sound || !s.text || !s.endpoint) {
        export_settings_finish(&s);
        return sound ? -ENOMEM : -EBADMSG;
    }
    *ret = s;
    return 0;
}

void
export_settings_finish(struct export_settings *s)
{
    free(s->text);
    free(s->endpoint);
    *s = (struct export_settings){0};
}
