/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapter.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"

#define PORTS_MAX 4
#define FILE_MAX  ((size_t)1 << 20)

static struct {
    char number[PORTS_MAX][8];
} chosen;

bool
adp_need(const char *const *programs)
{
    const char *path = getenv("PATH");
    auto_free char *places = NULL;
    bool all = true;

    /* an ordinary user's PATH has no sbin, where servers are */
    if (asprintf(&places, "%s:/usr/local/sbin:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin") ==
        -1)
        return false;
    (void)setenv("PATH", places, 1);
    for (; *programs; programs++) {
        auto_free char *list = strdup(places);
        char *rest = NULL, file[4096];
        bool there = false;

        for (char *p = strtok_r(list, ":", &rest); p && !there; p = strtok_r(NULL, ":", &rest)) {
            (void)snprintf(file, sizeof(file), "%s/%s", p, *programs);
            there = access(file, X_OK) == 0;
        }
        if (!there)
            (void)fprintf(stderr, "'%s' is not installed: tools/install-packages test\n",
                          *programs);
        all = all && there;
    }
    return all;
}

/* ---- the example's files ------------------------------------------------------------------------------ */

static char *
replaced(const char *data, const char *from, const char *to, unsigned *ret_times)
{
    auto_text struct text out = TEXT_INIT;
    const char *at;

    for (*ret_times = 0; (at = strstr(data, from)); data = at + strlen(from), (*ret_times)++) {
        text_addn(&out, data, (size_t)(at - data));
        text_add(&out, to);
    }
    text_add(&out, data);
    ck_assert(!out.failed);
    return text_steal(&out);
}

static void
put(const char *name, const char *text)
{
    struct error err = {0};

    ck_assert_msg(file_swap(scn_path("%s", name), text, strlen(text), 0644, &err) == 0, "%s",
                  err.text);
}

static void
copy_file(const char *from, const char *name, const char *const *texts)
{
    auto_free char *data = NULL;
    struct error err = {0};
    unsigned times;

    ck_assert_msg(file_read(from, FILE_MAX, &data, NULL, &err) == 0, "%s", err.text);
    for (size_t i = 0; texts[i]; i++) {
        char *next = replaced(data, texts[i], chosen.number[i], &times);

        free(data);
        data = next;
    }
    put(name, data);
}

static void
copy_folder(const char *from, const char *below, const char *const *texts)
{
    DIR *dir = opendir(from);
    struct dirent *d;

    ck_assert_msg(dir != NULL, "no folder '%s'", from);
    while ((d = readdir(dir))) {
        char file[4096], name[512];
        struct stat st;

        (void)snprintf(file, sizeof(file), "%s/%s", from, d->d_name);
        (void)snprintf(name, sizeof(name), "%s%s", below, d->d_name);
        if (d->d_name[0] == '.' || strcmp(d->d_name, "README.md") == 0 || stat(file, &st) == -1)
            continue;
        if (S_ISDIR(st.st_mode)) {
            ck_assert_int_eq(mkdir(scn_path("%s", name), 0755), 0);
            (void)snprintf(name, sizeof(name), "%s%s/", below, d->d_name);
            copy_folder(file, name, texts);
        } else {
            copy_file(file, name, texts);
        }
    }
    (void)closedir(dir);
}

/* All are held until all are chosen: none comes twice. */
static void
choose_ports(const char *const *texts)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fds[PORTS_MAX];
    size_t n = 0;

    for (; texts[n]; n++) {
        socklen_t bytes = sizeof(at);

        ck_assert_uint_lt(n, PORTS_MAX);
        at.sin_port = 0;
        fds[n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(fds[n], (const struct sockaddr *)&at, sizeof(at)), 0);
        ck_assert_int_eq(getsockname(fds[n], (struct sockaddr *)&at, &bytes), 0);
        (void)snprintf(chosen.number[n], sizeof(chosen.number[n]), "%u", ntohs(at.sin_port));
    }
    while (n > 0)
        fd_close(fds[--n]);
}

unsigned
adp_port(unsigned i)
{
    return (unsigned)strtoul(chosen.number[i], NULL, 10);
}

void
adp_stage(const char *example, const char *config, const char *const *ports)
{
    const char *root = getenv("EXAMPLES");
    auto_free char *from = NULL;

    ck_assert_msg(root != NULL, "$EXAMPLES is not set: run this through ctest");
    ck_assert_int_ge(asprintf(&from, "%s/%s", root, example), 0);
    choose_ports(ports);
    ck_assert_int_eq(chmod(scn_dir(), 0755),
                     0); /* a server that gives up root reads its files, too */
    copy_folder(from, "", ports);
    if (config && strcmp(config, "stint.yaml") != 0) {
        auto_free char *own = strdup(scn_path("%s", config));

        ck_assert_int_eq(rename(own, scn_path("stint.yaml")), 0);
    }
}

void
adp_edit(const char *file, const char *from, const char *to)
{
    auto_free char *data = NULL, *next = NULL;
    struct error err = {0};
    unsigned times;

    ck_assert_msg(file_read(scn_path("%s", file), FILE_MAX, &data, NULL, &err) == 0, "%s",
                  err.text);
    next = replaced(data, from, to, &times);
    ck_assert_msg(times > 0, "'%s' does not occur in %s", from, file);
    put(file, next);
}

void
adp_release(const char *file, unsigned from, unsigned to)
{
    char old[32], new[32];

    (void)snprintf(old, sizeof(old), "release %u", from);
    (void)snprintf(new, sizeof(new), "release %u", to);
    adp_edit(file, old, new);
}
