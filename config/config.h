/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CONFIG_CONFIG_H
#define STINT_CONFIG_CONFIG_H

#include <stddef.h>

struct error;
struct spec;
struct service_spec;
struct text;

/* One finding: where it is, what is wrong, what was meant. Rendered as one line (plus the excerpt). */
struct diagnostic {
    char *file;            /* owned; as given by the user */
    unsigned line, column; /* from 1; 0 = the file as a whole */
    char *text;    /* owned; "unknown key 'comand' near 'comand: [...]', did you mean 'command'?" */
    char *excerpt; /* owned or NULL; the offending line */
};

/* All findings of one run, in file order. Capped (DIAGNOSTICS_MAX); the rest is counted. */
struct diagnostics {
    struct diagnostic *items;
    size_t n, left_out;
};

#define DIAGNOSTICS_MAX 100

void diagnostics_finish(struct diagnostics *d);
/* file:line:column: text, then the excerpt with a caret; one block for each finding. */
void diagnostics_render(const struct diagnostics *d, struct text *out);

/*
 * How much of the world a check looks at. SYNTAX needs the text only. SYSTEM also wants the things it
 * names to be there: command, check command, directory, env_file, users and groups. A master whose
 * services already run keeps going without them and says so per service; `stint check` does not.
 */
enum config_check { CONFIG_CHECK_SYNTAX, CONFIG_CHECK_SYSTEM };

/**
 * config_load - read, parse and validate a configuration and everything it includes.
 * @path:       main file
 * @check:      how far to look
 * @ret_spec:   owned by the caller, spec_destroy(); untouched on failure
 * @ret_inputs: may be NULL. On failure too, it receives the paths of every file looked at, so that
 *              the caller can watch them and try again when one changes. strv_finish() it.
 * @diags:      every finding of this run is appended, not just the first
 *
 * Never exits, never logs, bounded in memory and time whatever the input (size, depth, alias caps).
 * Return: 0, or -EINVAL with at least one diagnostic, or another negative errno (also with one).
 */
struct strv;
int config_load(const char *path, enum config_check check, struct spec **ret_spec,
                struct strv *ret_inputs, struct diagnostics *diags);

/**
 * config_runtime_dir - where the master of a configuration is, also while the rest of it is wrong.
 * @ret:   owned by the caller
 * @diags: why it cannot be told
 *
 * Return: 0, or negative errno with at least one diagnostic.
 */
int config_runtime_dir(const char *path, char **ret, struct diagnostics *diags);

/**
 * config_parse - the same as config_load() for bytes in memory, as if they were a main file called @name in "/".
 *
 * Touches no file: `include` is refused, and nothing the text names is looked for.
 */
int config_parse(const char *name, const char *bytes, size_t n, struct spec **ret_spec,
                 struct diagnostics *diags);

/* spec_parse_canonical - read one service back from service_spec_canonical()'s text. Same errors. */
int spec_parse_canonical(const char *text, size_t bytes, struct service_spec **ret,
                         struct diagnostics *diags);

/* config_schema_text - the table of keys for people: name, type, range, default, reload class, help. */
void config_schema_text(struct text *out);
/* config_schema_json - the same table as a JSON Schema (draft 2020-12). */
void config_schema_json(struct text *out);

#endif
