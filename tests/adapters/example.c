/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "example.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/scenario/harness.h"

#define MAX_PAIRS 16

/* @t with each @what replaced. Return: how many there were. */
static unsigned
replace_all(struct text *t, const char *what, const char *by)
{
    auto_text struct text out = TEXT_INIT;
    const char *rest = text_str(t);
    unsigned n = 0;

    for (const char *hit; (hit = strstr(rest, what)); n++) {
        text_addn(&out, rest, (size_t)(hit - rest));
        text_add(&out, by);
        rest = hit + strlen(what);
    }
    text_add(&out, rest);
    text_clear(t);
    text_add(t, text_str(&out));
    ck_assert(!out.failed && !t->failed);
    return n;
}

static void
read_text(const char *path, struct text *ret)
{
    auto_free char *data = NULL;
    struct error err = {0};

    ck_assert_msg(file_read(path, 1 << 20, &data, NULL, &err) == 0, "%s", err.text);
    text_add(ret, data);
}

static void
write_text(const char *name, const struct text *t, mode_t mode)
{
    struct error err = {0};

    ck_assert_msg(file_swap(scn_path("%s", name), text_str(t), t->bytes, mode, &err) == 0, "%s",
                  err.text);
}

void
example_copy(const char *program, ...)
{
    const char *what[MAX_PAIRS], *by[MAX_PAIRS], *root = getenv("EXAMPLES");
    unsigned hits[MAX_PAIRS] = {0}, n = 0;
    char folder[4096], path[4096 + 260];
    struct stat st;
    va_list ap;
    DIR *d;

    ck_assert_msg(root != NULL, "$EXAMPLES is not set: run this through ctest");
    va_start(ap, program);
    while (n < MAX_PAIRS && (what[n] = va_arg(ap, const char *)))
        by[n++] = va_arg(ap, const char *);
    va_end(ap);
    (void)snprintf(folder, sizeof(folder), "%s/%s", root, program);
    d = opendir(folder);
    ck_assert_msg(d != NULL, "%s cannot be read", folder);
    for (struct dirent *e; (e = readdir(d));) {
        auto_text struct text t = TEXT_INIT;

        (void)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        if (stat(path, &st) == -1 || !S_ISREG(st.st_mode))
            continue;
        read_text(path, &t);
        for (unsigned i = 0; i < n; i++)
            hits[i] += replace_all(&t, what[i], by[i]);
        write_text(e->d_name, &t, st.st_mode & 0777);
    }
    (void)closedir(d);
    for (unsigned i = 0; i < n; i++)
        ck_assert_msg(hits[i] > 0, "examples/%s no longer says '%s'", program, what[i]);
}

void
example_edit(const char *name, const char *what, const char *by)
{
    auto_text struct text t = TEXT_INIT;
    struct stat st;

    ck_assert_int_eq(stat(scn_path("%s", name), &st), 0);
    read_text(scn_path("%s", name), &t);
    ck_assert_uint_eq(replace_all(&t, what, by), 1);
    write_text(name, &t, st.st_mode & 0777);
}

bool
example_possible(const char *program)
{
    const char *usual = getenv("PATH");
    auto_free char *folders = strdup(usual ? usual : "/usr/bin:/bin");
    char path[4096], *rest = folders;

    if (!folders) /* outside of a test there are no assertions */
        return false;
    if (strchr(program, '/'))
        return access(program, X_OK) == 0;
    for (const char *folder; (folder = strsep(&rest, ":"));) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, program);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}
