/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every example before the gate, as it stands there: `stint preflight SERVICE -c FILE` in a copy of its
 * folder, for each service of each configuration. What is not in the table below passes, and is rehearsed
 * when it has a `preflight` block.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "config/spec.h"
#include "example.h"
#include "tests/scenario/harness.h"

/* What fails, and with which checks alone. */
static const struct {
    const char *file, *service, *checks;
} failing[] = {
    {"seeds/stint.yaml", "open-port",  "profiling"},
    {"seeds/stint.yaml", "lost-trace", "trace"    },
    {"seeds/stint.yaml", "sleeper",    "deadlines"},
    {"seeds/stint.yaml", "ghosts",     "lifecycle"},
};

/* Services with a block whose programs are built here, and a shell's. So that the walk is not cut short. */
enum { REHEARSED_LEAST = 14, CONFIG_FINDINGS = 78 };

struct walk {
    struct text wrong; /* a paragraph for each service that did otherwise */
    unsigned rehearsed, configurations;
};

/* Of an image, with its paths: a configuration that is only right there. */
static bool
is_of_an_image(const char *file)
{
    return strcmp(file, "container/stint.yaml") == 0;
}

/* ---- one service --------------------------------------------------------------------------------- */

/* "trace lifecycle": the checks that failed, of what people are told. */
static void
failed_checks(const char *output, struct text *ret)
{
    for (const char *at = output; (at = strstr(at, "FAILED ")) != NULL; at++)
        if (at == output || at[-1] == '\n')
            text_addf(ret, "%s%.*s", ret->bytes ? " " : "", (int)strcspn(at + 7, " "), at + 7);
}

static const char *
expected(const char *file, const char *service)
{
    for (size_t i = 0; i < ARRAY_LEN(failing); i++)
        if (strcmp(failing[i].file, file) == 0 && strcmp(failing[i].service, service) == 0) {
            /* AddressSanitizer keeps 100 KiB for each thread: there a ghost is also seen by its memory. */
            bool more = scn_sanitized() && strcmp(service, "ghosts") == 0;

            return more ? "lifecycle growth" : failing[i].checks;
        }
    return "";
}

/* As a newcomer: in that folder, with the name of the file. Return: the exit status. */
static int
run(const char *service, const char *base, struct text *ret)
{
    auto_text struct text command = TEXT_INIT;
    char line[4096];
    FILE *out;
    int status;

    text_addf(&command, "cd %s && TMPDIR=%s exec %s preflight %s -c %s 2>/dev/null", scn_dir(),
              scn_dir(), getenv("STINT_BINARY"), service, base);
    out = popen(text_str(&command), "re");
    ck_assert_ptr_nonnull(out);
    while (fgets(line, sizeof(line), out))
        text_add(ret, line);
    status = pclose(out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
try_service(struct walk *w, const char *file, const struct service_spec *s)
{
    auto_text struct text output = TEXT_INIT, failed = TEXT_INIT;
    const char *should = expected(file, s->name), *slash = strrchr(file, '/');
    int status, right = should[0] ? 1 : is_of_an_image(file) ? CONFIG_FINDINGS : 0;
    bool rehearsed;

    if (s->command.items[0][0] != '.' && right == 0 && !example_possible(s->command.items[0])) {
        (void)printf("%s, %s: left out, there is no %s here\n", file, s->name, s->command.items[0]);
        return;
    }
    status = run(s->name, slash + 1, &output);
    rehearsed = strstr(text_str(&output), "checks failed") != NULL &&
                strstr(text_str(&output), "not rehearsed") == NULL;
    failed_checks(text_str(&output), &failed);
    w->rehearsed += rehearsed;
    if (strcmp(text_str(&failed), should) == 0 && status == right && rehearsed == s->preflight.may)
        return;
    text_addf(&w->wrong, "%s, %s: exit %d, failed '%s' and not '%s', %s:\n%s\n", file, s->name,
              status, text_str(&failed), should, rehearsed ? "rehearsed" : "not rehearsed",
              text_str(&output));
}

/* ---- all of them --------------------------------------------------------------------------------- */

static void
copy_built(const char *name, const char *from)
{
    if (from && access(from, X_OK) == 0)
        scn_copy(name, from, "");
}

/* The folder as people copy it, and the programs that the build has for it beside it. */
static void
stage(const char *folder)
{
    char path[4096];
    DIR *d;

    example_copy(folder, NULL);
    (void)snprintf(path, sizeof(path), "%s/%s", getenv("EXAMPLES_BUILT"), folder);
    d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        auto_text struct text from = TEXT_INIT;
        struct stat st;

        text_addf(&from, "%s/%s", path, e->d_name);
        if (stat(text_str(&from), &st) == 0 && S_ISREG(st.st_mode))
            copy_built(e->d_name, text_str(&from));
    }
    if (d)
        (void)closedir(d);
    if (strcmp(folder, "static") == 0) {
        copy_built("alone", getenv("ALONE_1"));
        copy_built("inherits", getenv("INHERITS_1"));
    }
}

static void
try_configuration(struct walk *w, const char *folder, const char *base)
{
    auto_text struct text said = TEXT_INIT, file = TEXT_INIT;
    struct diagnostics found = {0};
    struct spec *spec = NULL;

    text_addf(&file, "%s/%s", folder, base);
    if (config_load(scn_path("%s", base), CONFIG_CHECK_SYNTAX, &spec, NULL, &found) < 0)
        diagnostics_render(&found, &said);
    diagnostics_finish(&found);
    ck_assert_msg(spec != NULL, "%s", text_str(&said));
    w->configurations++;
    for (size_t i = 0; i < spec->n_services; i++)
        try_service(w, text_str(&file), spec->services[i]);
    spec_destroy(spec);
}

static bool
is_configuration(const char *name)
{
    size_t n = strlen(name);

    return n > 5 && strcmp(name + n - 5, ".yaml") == 0 && strcmp(name, "compose.yaml") != 0;
}

static void
try_folder(struct walk *w, const char *folder)
{
    char path[4096];
    bool staged = false;
    DIR *d;

    (void)snprintf(path, sizeof(path), "%s/%s", getenv("EXAMPLES"), folder);
    d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (!is_configuration(e->d_name))
            continue;
        if (!staged)
            stage(folder);
        staged = true;
        try_configuration(w, folder, e->d_name);
    }
    if (d)
        (void)closedir(d);
}

START_TEST(every_example_passes_the_gate_or_fails_with_the_check_that_it_shows)
{
    struct walk w = {.wrong = TEXT_INIT};
    DIR *d = opendir(getenv("EXAMPLES"));

    ck_assert_ptr_nonnull(d);
    (void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* its report would be lines of the worker */
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            try_folder(&w, e->d_name);
    (void)closedir(d);
    ck_assert_msg(w.wrong.bytes == 0, "%s", text_str(&w.wrong));
    ck_assert_msg(w.rehearsed >= REHEARSED_LEAST, "only %u services of %u files were rehearsed",
                  w.rehearsed, w.configurations);
    text_finish(&w.wrong);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("gate");
    TCase *tc = tcase_create("gate");

    tcase_set_timeout(tc, 800);
    tcase_add_checked_fixture(tc, scn_begin, scn_end);
    tcase_add_test(tc, every_example_passes_the_gate_or_fails_with_the_check_that_it_shows);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
