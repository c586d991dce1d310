/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/watch_paths.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

/* A file system of cardboard: "path" is a directory, "path>target" a link, "path." a file. */
static const char *const *cardboard;

static enum watch_kind
card_kind(void *env, const char *path, char *target, size_t room)
{
    size_t n = strlen(path);

    (void)env;
    for (const char *const *p = cardboard; *p; p++) {
        if (strncmp(*p, path, n) != 0)
            continue;
        if ((*p)[n] == '\0')
            return WATCH_DIRECTORY;
        if ((*p)[n] == '.' && (*p)[n + 1] == '\0')
            return WATCH_FILE;
        if ((*p)[n] == '>') {
            (void)snprintf(target, room, "%s", *p + n + 1);
            return WATCH_LINK;
        }
    }
    return WATCH_MISSING;
}

static void
card_list(void *env, const char *path, bool (*each)(void *ctx, const char *name), void *ctx)
{
    (void)env;
    (void)path;
    (void)each;
    (void)ctx;
}

static const struct watch_files cards = {card_kind, card_list, NULL};

static void
expect_places(const char *const *files, const char *path, const char *want)
{
    struct watch_places p = {0};
    char got[1024] = "";
    size_t n = 0;

    cardboard = files;
    watch_places_add(&p, &cards, path);
    watch_places_sort(&p);
    for (size_t i = 0; i < p.n; i++)
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%s:%s ", p.items[i].directory,
                              p.items[i].name   ? p.items[i].name
                              : p.items[i].self ? "."
                                                : "*");
    ck_assert_str_eq(got, want);
    watch_places_finish(&p);
}

START_TEST(every_link_and_every_target_has_its_directory_watched)
{
    expect_places((const char *[]){"/etc", "/etc/web.conf.", NULL}, "/etc/web.conf",
                  "/etc:web.conf /etc:. ");
    expect_places((const char *[]){"/srv", "/srv/current>releases/7", "/srv/releases",
                                   "/srv/releases/7", "/srv/releases/7/web.", NULL},
                  "/srv/current/web",
                  "/srv:current /srv:. /srv/releases:. /srv/releases/7:web /srv/releases/7:. ");
    expect_places((const char *[]){"/a", "/a/l>/b/../c/f", "/b", "/c", "/c/f.", NULL}, "/a//./l",
                  "/a:l /a:. /b:. /c:f /c:. ");
    expect_places((const char *[]){"/a", NULL}, "/a/x/y/z", "/a:x /a:. ");
    expect_places((const char *[]){"/a", "/a/f.", NULL}, "/a/f/y", "/a:f /a:. ");
    expect_places((const char *[]){"/a", NULL}, "/a", "/a:* /a:. ");
    expect_places((const char *[]){"/x>/x", NULL}, "/x", "/:x ");
    expect_places((const char *[]){NULL}, "/../..", "/:* ");
}
END_TEST

START_TEST(a_path_longer_than_the_kernel_allows_is_told)
{
    struct watch_places p = {0};
    auto_free char *path = malloc(10000);

    ck_assert_ptr_nonnull(path);
    memset(path, 'x', 9999);
    path[0] = '/';
    path[9999] = '\0';
    cardboard = (const char *[]){NULL};
    watch_places_add(&p, &cards, path);
    ck_assert(p.crowded);
    watch_places_finish(&p);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("watch_paths");
    TCase *t = tcase_create("watch_paths");

    tcase_add_test(t, every_link_and_every_target_has_its_directory_watched);
    tcase_add_test(t, a_path_longer_than_the_kernel_allows_is_told);
    suite_add_tcase(s, t);
    return unit_main(s);
}
