/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/units.h"
#include "config/config.h"
#include "config/deadlines.h"
#include "config/spec.h"
#include "supervisor/cli/cli_internal.h"

const char *
config_of(const struct cli *cli)
{
    return cli->values[OPTION_CONFIG] ? cli->values[OPTION_CONFIG] : CLI_CONFIG_DEFAULT;
}

/* After it was said that there is none: nobody named it, so perhaps nobody knows that one may. */
void
hint_config(struct cli *cli)
{
    if (!cli->values[OPTION_CONFIG] && access(CLI_CONFIG_DEFAULT, F_OK) == -1)
        (void)cli_fail(cli, CLI_CONFIG, "-c FILE names another configuration");
}

#define WATCHDOG_MIN_US (500 * US_PER_MS) /* a busy machine keeps a healthy master that long */

int
verb_run(struct cli *cli)
{
    const char *watchdog = cli->values[OPTION_WATCHDOG];
    struct cli_run told = {.config_path = config_of(cli),
                           .watchdog_us = -1,
                           .exit_when_failed = cli->values[OPTION_EXIT_WHEN_FAILED] != NULL};
    struct error e = {0};
    int r;

    if (watchdog && strcmp(watchdog, "off") == 0)
        told.watchdog_us = 0;
    else if (!cli_duration(cli, OPTION_WATCHDOG, &told.watchdog_us))
        return CLI_USAGE;
    if (told.watchdog_us > 0 && told.watchdog_us < WATCHDOG_MIN_US)
        return cli_fail(cli, CLI_USAGE, "--watchdog is at least 500ms, or off; not '%s'", watchdog);
    r = cli->hooks->run(&told, &e);

    if (r != 0 && e.text[0])
        (void)cli_fail(cli, r, "%s", e.text);
    if (r != 0)
        hint_config(cli);
    return r;
}

/* A word of the user's file, whatever its bytes. */
static json_t *
word(const char *s)
{
    json_t *plain = json_string(s);
    auto_text struct text quoted = TEXT_INIT;

    if (plain)
        return plain;
    text_add_json(&quoted, s, strlen(s));
    return json_loads(text_str(&quoted), JSON_DECODE_ANY, NULL);
}

static json_t *
finding_json(const struct diagnostic *d)
{
    return json_pack("{s:o, s:i, s:i, s:o, s:o*}", "file", word(d->file), "line", (int)d->line,
                     "column", (int)d->column, "text", word(d->text), "excerpt",
                     d->excerpt ? word(d->excerpt) : NULL);
}

static json_t *
warnings_json(const struct strv *warnings)
{
    json_t *array = json_array();

    for (size_t i = 0; i < warnings->n; i++)
        (void)json_array_append_new(array, word(warnings->items[i])); /* or it is missing */
    return array;
}

static void
print_json(struct cli *cli, const struct spec *spec, const struct diagnostics *found,
           const struct strv *warnings)
{
    json_t *findings = json_array();
    json_t *whole;

    for (size_t i = 0; i < found->n; i++)
        (void)json_array_append_new(findings,
                                    finding_json(&found->items[i])); /* or it is missing */
    whole =
        json_pack("{s:s, s:b, s:i, s:o, s:i, s:o}", "schema", "stint.check/1", "ok", spec != NULL,
                  "services", spec ? (int)spec->n_services : 0, "findings", findings, "left_out",
                  (int)found->left_out, "warnings", warnings_json(warnings));
    (void)json_dumpf(whole, cli->out, JSON_INDENT(2)); /* a full disk shows at the last flush */
    (void)fputc('\n', cli->out);
    json_decref(whole);
}

static void
print_people(struct cli *cli, const struct spec *spec, const struct diagnostics *found,
             const struct strv *warnings)
{
    auto_text struct text t = TEXT_INIT;

    for (size_t i = 0; i < warnings->n; i++)
        (void)fprintf(cli->err, "warning: %s\n", warnings->items[i]);
    if (spec) {
        (void)fprintf(cli->out, "configuration OK: %zu service%s\n", spec->n_services,
                      spec->n_services == 1 ? "" : "s");
        return;
    }
    diagnostics_render(found, &t);
    (void)fputs(text_str(&t), cli->err);
}

int
verb_check(struct cli *cli)
{
    auto_text struct text t = TEXT_INIT;
    struct diagnostics found = {0};
    struct strv warnings = {NULL, 0};
    struct spec *spec = NULL;
    int r;

    if (cli->values[OPTION_KEYS] || cli->values[OPTION_SCHEMA]) {
        if (cli->values[OPTION_SCHEMA] || cli->values[OPTION_JSON])
            config_schema_json(&t);
        else
            config_schema_text(&t);
        (void)fputs(text_str(&t), cli->out);
        return t.failed ? CLI_INTERNAL : CLI_OK;
    }
    r = config_load(config_of(cli), CONFIG_CHECK_SYSTEM, &spec, NULL, &found);
    if (spec)
        deadline_warnings(spec, &warnings);
    if (spec && cli->hooks->warn)
        (void)cli->hooks->warn(spec, &warnings); /* without memory there are fewer */
    if (cli->values[OPTION_JSON])
        print_json(cli, spec, &found, &warnings);
    else
        print_people(cli, spec, &found, &warnings);
    if (r < 0)
        hint_config(cli);
    spec_destroy(spec);
    strv_finish(&warnings);
    diagnostics_finish(&found);
    return r < 0 ? CLI_CONFIG : CLI_OK;
}
