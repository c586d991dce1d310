/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/exporter/settings.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"

static int
take_text(const json_t *from, const char *key, char **to)
{
    const char *text = json_string_value(json_object_get(from, key));

    *to = text ? strdup(text) : NULL;
    return text && !*to ? -ENOMEM : 0;
}

static int
take_headers(const json_t *from, struct strv *to)
{
    json_t *headers = json_object_get(from, "headers"), *value;
    const char *name;
    int r = 0;

    json_object_foreach(headers, name, value) if (r == 0 && json_is_string(value)) r =
        strv_addf(to, "%s: %s", name, json_string_value(value));
    return r;
}

int
settings_read(const char *json, size_t n, struct settings *ret)
{
    json_t *from = json_loadb(json, n, 0, NULL);
    struct settings s = {.timeout_ms =
                             (long)json_integer_value(json_object_get(from, "timeout_ms")),
                         .gzip = json_is_true(json_object_get(from, "gzip"))};
    int r = take_text(from, "endpoint", &s.endpoint);

    if (r == 0)
        r = take_text(from, "headers_file", &s.headers_file);
    if (r == 0)
        r = take_text(from, "ca_file", &s.ca_file);
    if (r == 0)
        r = take_text(from, "host", &s.host);
    if (r == 0)
        r = take_text(from, "version", &s.version);
    if (r == 0)
        r = take_headers(from, &s.headers);
    json_decref(from);
    if (r == 0 && (!s.endpoint || s.timeout_ms <= 0))
        r = -EINVAL;
    if (r < 0)
        settings_finish(&s);
    else
        *ret = s;
    return r;
}

void
settings_finish(struct settings *s)
{
    free(s->endpoint);
    free(s->headers_file);
    free(s->ca_file);
    free(s->host);
    free(s->version);
    strv_finish(&s->headers);
    *s = (struct settings){0};
}

/* A name as HTTP has it, a colon, and a line of text: anything else could be another request. */
static bool
is_header(const char *line)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";
    size_t name = strspn(line, letters);

    if (name == 0 || line[name] != ':')
        return false;
    for (const char *c = line + name + 1; *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return false;
    return true;
}

static void
trim(char *line)
{
    size_t n = strlen(line);

    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' ' || line[n - 1] == '\t'))
        line[--n] = '\0';
}

int
headers_read(const char *path, struct strv *ret, struct error *reterr)
{
    auto_free char *bytes = NULL;
    size_t n = 0;
    int r = file_read(path, HEADERS_FILE_MAX, &bytes, &n, reterr);
    char *rest = bytes, *line;

    if (r < 0)
        return error_wrap(reterr, r, "headers_file");
    if (memchr(bytes, '\0', n))
        return error_say(reterr, -EINVAL, "headers_file '%s' is no text", path);
    for (unsigned number = 1; (line = strsep(&rest, "\n")) != NULL; number++) {
        trim(line);
        if (line[0] == '\0' || line[0] == '#')
            continue;
        if (!is_header(line))
            return error_say(reterr, -EINVAL, "headers_file '%s': line %u is no 'NAME: VALUE'",
                             path, number);
        r = strv_add(ret, line);
        if (r < 0)
            return error_set(reterr, r, "read the headers");
    }
    return 0;
}
