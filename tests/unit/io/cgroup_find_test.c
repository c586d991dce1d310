/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where our cgroup is, by the texts of machines and containers of all sorts. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/io/cgroup_internal.h"
#include "supervisor/io/mountinfo.h"

/* What is there, and what is found: directories with a blank between, or the end of the sentence. */
static const struct machine {
    const char *name, *mountinfo, *self;
    int code;
    const char *found;
} machines[] = {
    {"systemd, unified",
     "22 28 0:20 / /sys rw,nosuid - sysfs sysfs rw\n"
     "28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n"
     "29 22 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 "
     "rw,nsdelegate,memory_recursiveprot\n",                                                         "0::/system.slice/stint.service\n",             0,       "/sys/fs/cgroup/system.slice/stint.service"        },
    {"systemd, hybrid",
     "28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
     "33 25 0:28 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n"
     "34 33 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate\n"
     "35 33 0:30 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup rw,name=systemd\n",    "12:memory:/system.slice/stint.service\n1:name=systemd:/system.slice/stint.service\n"
     "0::/system.slice/stint.service\n",            0,       "/sys/fs/cgroup/unified/system.slice/stint.service"},
    {"hybrid, nobody in the lead",
     "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
     "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",                       "9:name=systemd:/\n0::/\n",                     0,       "/sys/fs/cgroup/unified"                           },
    {"version 1 alone",
     "33 25 0:28 / /sys/fs/cgroup ro shared:9 - tmpfs tmpfs ro\n"
     "35 33 0:30 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,name=systemd\n",           "1:name=systemd:/system.slice/stint.service\n", -ENOENT, "runs without cgroup v2"                           },
    {"version 2 is there, but not mounted",              "28 1 259:2 / / rw - ext4 /dev/sda1 rw\n",
     "0::/init.scope\n",                                                                                                                             -ENOENT, "no cgroup v2 is mounted here"                     },
    {"docker, a cgroup namespace of its own",
     "1203 1100 0:140 / / rw,relatime master:366 - overlay overlay rw,lowerdir=/var/lib/a:/b\n"
     "1210 1204 0:30 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw\n",        "0::/\n",                                       0,       "/sys/fs/cgroup"                                   },
    {"docker, the cgroup namespace of the machine",
     "1203 1100 0:140 / / rw,relatime master:366 - overlay overlay rw\n"
     "1210 1204 0:30 /system.slice/docker-5d1.scope /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n", "0::/system.slice/docker-5d1.scope\n",          0,       "/sys/fs/cgroup"                                   },
    {"docker, the whole tree of the machine mounted",
     "1210 1204 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",                                     "0::/system.slice/docker-5d1.scope\n",          0,       "/sys/fs/cgroup/system.slice/docker-5d1.scope"     },
    {"a cgroup namespace, but the mount of another one",
     "41 31 0:38 /../.. /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n",                          "0::/\n",                                       -EXDEV,
     "/sys/fs/cgroup does not show our own cgroup, /"                                                                                                                                                            },
    {"moved out of our cgroup namespace",
     "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n",                               "0::/../other\n",                               -EXDEV,
     "our own cgroup, /../other"                                                                                                                                                                                 },
    {"podman without root, with systemd inside",
     "1000 900 0:50 / / rw - fuse.fuse-overlayfs fuse-overlayfs rw\n"
     "1005 1001 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - cgroup2 cgroup2 rw\n",       "0::/\n",                                       0,       "/sys/fs/cgroup"                                   },
    {"lxc, one level down",
     "300 299 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 none rw,nsdelegate\n",                       "0::/.lxc/stint\n",
     0,                                                                                                                                                       "/sys/fs/cgroup/.lxc/stint"                        },
    {"two mounts of it, one with a blank in its name",
     "41 31 0:38 / /mnt/c\\040g rw - cgroup2 cgroup2 rw\n"
     "42 31 0:38 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",                                       "0::/a/b\n",                                    0,       "/mnt/c g/a/b /sys/fs/cgroup/b"                    },
    {"a neighbour whose name begins as ours does",
     "42 31 0:38 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",                                       "0::/ab\n",                                     -EXDEV,
     "our own cgroup, /ab"                                                                                                                                                                                       },
    {"nothing at all",                                   "",                                         "",                                             -ENOENT, "without cgroup v2"                                },
    {"rubbish",                                          "a\n\n1 2 3\n - \n",                        "0:\n0::\n0:x:/\n",                             -ENOENT, "without cgroup v2"                                },
    {"no newline at the end",                            "1 2 0:1 / /c rw - cgroup2 c rw",           "0::/x",                                        0,       "/c/x"                                             },
};

START_TEST(a_cgroup_is_found_wherever_it_is_mounted)
{
    const struct machine *m = &machines[_i];
    struct cgroup_place place = {
        .directories = {NULL, 0}
    };
    auto_text struct text found = TEXT_INIT;
    struct error error = {0};
    int r = cgroup_place_parse(m->mountinfo, m->self, &place, &error);

    ck_assert_msg(r == m->code, "%s: %d, %s", m->name, r, error.text);
    for (size_t i = 0; r == 0 && i < place.directories.n; i++)
        text_addf(&found, "%s%s", i ? " " : "", place.directories.items[i]);
    if (r == 0)
        ck_assert_msg(strcmp(text_str(&found), m->found) == 0, "%s: %s", m->name, text_str(&found));
    else
        ck_assert_msg(strstr(error.text, m->found) != NULL, "%s: %s", m->name, error.text);
    cgroup_place_finish(&place);
}
END_TEST

START_TEST(a_mount_has_a_root_a_place_and_a_type)
{
    static const char text[] =
        "bad line\n"
        "36 35 98:0 /a\\134b /mnt\\011x rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw\n"
        "37 35 98:0 /etc/f /etc/g rw - averyveryverylongnameofafilesystem x rw\n"
        "38 35 98:0 /etc/f /etc/g rw";
    struct mount_entry m;
    const char *at = mountinfo_next(text, &m);

    ck_assert_ptr_nonnull(at);
    ck_assert_str_eq(m.root, "/a\\b");
    ck_assert_str_eq(m.point, "/mnt\tx");
    ck_assert_str_eq(m.type, "ext3");
    at = mountinfo_next(at, &m);
    ck_assert_ptr_nonnull(at);
    ck_assert_str_eq(m.root, "/etc/f");
    ck_assert_str_eq(m.type, "averyveryverylongnameofafilesys");
    ck_assert_ptr_null(mountinfo_next(at, &m));
}
END_TEST

static const struct {
    const char *service;
    uint64_t generation;
    const char *name;
} names[] = {
    {"web",      7,          "web.7"                          },
    {"stint",    1,          "stint.1"                        }, /* never the name of our own */
    {"a.b-c_",   12,         "a.b-c_.12"                      },
    {"web.7",    8,          "web.7.8"                        },
    {".x",       1,          "\\x2ex.1"                       },
    {"a/../b",   1,          "a\\x2f..\\x2fb.1"               },
    {"a b\n",    1,          "a\\x20b\\x0a.1"                 },
    {"\\x2f",    1,          "\\x5cx2f.1"                     },
    {"\xc3\xa4", UINT64_MAX, "\\xc3\\xa4.18446744073709551615"},
};

START_TEST(a_leaf_is_named_so_that_its_generation_can_be_read_back)
{
    char name[256], service[256];
    uint64_t generation = 0;

    ck_assert_int_eq(cgroup_leaf_name(names[_i].service, names[_i].generation, name, sizeof name),
                     0);
    ck_assert_str_eq(name, names[_i].name);
    ck_assert_int_eq(cgroup_leaf_parse(name, service, sizeof service, &generation), 0);
    ck_assert_str_eq(service, names[_i].service);
    ck_assert(generation == names[_i].generation);
}
END_TEST

START_TEST(what_is_not_named_by_us_is_nobodys_leaf)
{
    static const char *const others[] = {
        "stint",
        "web",
        "web.",
        ".7",
        "web.07",
        "web.7x",
        "web.-1",
        "web.+1",
        "web. 1",
        "a b.1",
        "\\x2.1",
        "\\xzz.1",
        "\\x61.1",
        "\\.1",
        "web.99999999999999999999999",
        "web.18446744073709551616",
        "cgroup.procs",
        ".control.1",
    };
    char service[256];
    uint64_t generation;

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        ck_assert_msg(cgroup_leaf_parse(others[i], service, sizeof service, &generation) == -EINVAL,
                      "%s", others[i]);
}
END_TEST

START_TEST(a_name_that_is_too_long_is_refused)
{
    char service[300], name[256];

    memset(service, '/', sizeof service - 1);
    service[sizeof service - 1] = '\0';
    ck_assert_int_eq(cgroup_leaf_name(service, 1, name, sizeof name), -ENAMETOOLONG);
    ck_assert_int_eq(cgroup_leaf_name("web", 1234, name, 8), -ENAMETOOLONG);
    ck_assert_int_eq(cgroup_leaf_name("web", 1234, name, 9), 0);
}
END_TEST

START_TEST(switched_off_is_a_tree_without_leaves_in_which_nothing_fails)
{
    struct cgroup_request req = {.mode = CGROUP_OFF};
    struct cgroup_tree *tree = NULL;
    struct cgroup_leaf *leaf = NULL;
    pid_t pid;

    ck_assert_int_eq(cgroup_tree_create(NULL, &req, &tree, NULL), 0);
    ck_assert(!cgroup_tree_works(tree));
    ck_assert_str_eq(cgroup_words(tree), "none: switched off by the configuration");
    ck_assert_int_eq(cgroup_leaf_open(tree, "web", 1, &leaf, NULL), 0);
    ck_assert_ptr_null(leaf);
    ck_assert_int_eq(cgroup_leaf_fd(leaf), -1);
    ck_assert_int_eq(cgroup_leaf_populated(leaf), -ENOTSUP);
    ck_assert_int_eq(cgroup_leaf_pids(leaf, &pid, 1), 0);
    ck_assert_int_eq(cgroup_leaf_kill(leaf, NULL), 0);
    ck_assert_int_eq(cgroup_leaf_remove(leaf, NULL), 0);
    ck_assert_int_eq(cgroup_tree_sweep(tree, NULL, NULL), 0);
    cgroup_leaf_close(leaf);
    cgroup_tree_leave(tree, &pid, 0);
    cgroup_tree_destroy(tree);
    cgroup_tree_destroy(NULL);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("cgroup_find");
    TCase *t = tcase_create("cgroup_find");

    tcase_add_loop_test(t, a_cgroup_is_found_wherever_it_is_mounted, 0, ARRAY_LEN(machines));
    tcase_add_test(t, a_mount_has_a_root_a_place_and_a_type);
    tcase_add_loop_test(t, a_leaf_is_named_so_that_its_generation_can_be_read_back, 0,
                        ARRAY_LEN(names));
    tcase_add_test(t, what_is_not_named_by_us_is_nobodys_leaf);
    tcase_add_test(t, a_name_that_is_too_long_is_refused);
    tcase_add_test(t, switched_off_is_a_tree_without_leaves_in_which_nothing_fails);
    suite_add_tcase(s, t);
    return unit_main(s);
}
