/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: includes with their caps, relative paths, and whether what is named is there. */
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/unit/config/findings.h"

static char root[64];
static struct diagnostics diags;
static struct strv inputs;
static struct spec *spec;

static void
setup(void)
{
    (void)snprintf(root, sizeof(root), "/tmp/stint-load-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    ck_assert_int_eq(chdir(root), 0);
}

static int
remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(name);
}

static void
teardown(void)
{
    spec_destroy(spec);
    spec = NULL;
    strv_finish(&inputs);
    diagnostics_finish(&diags);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void
put(const char *name, const char *text)
{
    struct error err = {0};
    char *slash = strrchr(name, '/');

    if (slash) {
        auto_free char *directory = strndup(name, (size_t)(slash - name));

        ck_assert_int_eq(dir_make(directory, 0755, &err), 0);
    }
    ck_assert_int_eq(file_replace(name, text, strlen(text), 0644, &err), 0);
}

/* "FILE:LINE:COLUMN: text" of each finding. */
static char *
load(const char *name, enum config_check check)
{
    struct text t = TEXT_INIT;
    int r = config_load(name, check, &spec, &inputs, &diags);

    ck_assert_int_eq(r, diags.n ? -EINVAL : 0);
    ck_assert(!spec == (r < 0));
    for (size_t i = 0; i < diags.n; i++)
        text_addf(&t, "%s%s:%u:%u: %s", i ? "\n" : "", diags.items[i].file, diags.items[i].line,
                  diags.items[i].column, diags.items[i].text);
    return text_steal(&t);
}

static void
assert_load(const char *findings)
{
    auto_free char *found = load("stint.yaml", CONFIG_CHECK_SYNTAX);

    ck_assert_str_eq(found, findings);
}

START_TEST(services_of_included_files_come_in_order_with_the_defaults_of_the_main_file)
{
    auto_text struct text wanted = TEXT_INIT;

    put("stint.yaml", "version: 1\ninclude: [conf.d/*.yaml, more/x.yaml]\ndefaults: {soak: 3s}\n"
                      "services: {main: {command: [x]}}\n");
    put("conf.d/b.yaml",
        "services: {b: {command: [./b], soak: 1s, env_file: e, directory: run}}\n");
    put("conf.d/a.yaml", "services: {a: {command: [./a], watch: {paths: [w]}, depends_on: [b]}}\n");
    put("conf.d/ignored.txt", "}{");
    put("more/x.yaml", "include: [y/*.yaml]\n");
    put("more/y/z.yaml", "services: {z: {command: [z]}}\n");
    assert_load("");
    ck_assert_uint_eq(spec->n_services, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(spec->services[i]->name, ((const char *[]){"main", "a", "b", "z"})[i]);
    ck_assert_int_eq(spec->services[1]->soak_us, 3000000);
    ck_assert_int_eq(spec->services[2]->soak_us, 1000000);
    text_addf(&wanted, "%s/conf.d/w", root);
    ck_assert_str_eq(spec->services[1]->watch_paths.items[0], text_str(&wanted));
    text_clear(&wanted);
    text_addf(&wanted, "%s/conf.d/run/e", root);
    ck_assert_str_eq(spec->services[2]->env_file, text_str(&wanted));
    text_clear(&wanted);
    for (size_t i = 0; i < spec->inputs.n; i++)
        text_addf(&wanted, "%s\n", spec->inputs.items[i] + strlen(root));
    ck_assert_str_eq(text_str(&wanted),
                     "/stint.yaml\n/conf.d/a.yaml\n/conf.d/b.yaml\n/more/x.yaml\n"
                     "/more/y/z.yaml\n");
    ck_assert(strv_equal(&inputs, &spec->inputs));
    text_clear(&wanted);
    for (size_t i = 0; i < spec->directories.n; i++)
        text_addf(&wanted, "%s\n", spec->directories.items[i] + strlen(root));
    ck_assert_str_eq(text_str(&wanted), "/conf.d\n/more\n/more/y\n");
}
END_TEST

START_TEST(the_digest_is_that_of_the_texts)
{
    struct digest before;

    put("stint.yaml", "version: 1\ninclude: [a.yaml]\n");
    put("a.yaml", "services: {a: {command: [x]}}\n");
    assert_load("");
    before = spec->digest;
    spec_destroy(steal(spec));
    assert_load("");
    ck_assert(digest_equal(before, spec->digest));
    spec_destroy(steal(spec));
    put("a.yaml", "services: {a: {command: [y]}}\n");
    assert_load("");
    ck_assert(!digest_equal(before, spec->digest));
}
END_TEST

START_TEST(an_included_file_holds_services_only)
{
    put("stint.yaml", "version: 1\ninclude: [a.yaml]\n");
    put("a.yaml", "version: 1\ndefaults: {}\nservises: {}\nservices: {web: {command: [x]}}\n");
    assert_load(
        "a.yaml:1:1: 'version' belongs in the main file: an included one holds 'services' and "
        "'include' only near 'version: 1'\n"
        "a.yaml:2:1: 'defaults' belongs in the main file: an included one holds 'services' and "
        "'include' only near 'defaults: {}'\n"
        "a.yaml:3:1: unknown key 'servises': an included file holds 'services' and 'include' "
        "only near 'servises: {}', did you mean 'services'?");
}
END_TEST

START_TEST(a_service_in_two_files_is_named_with_both_places)
{
    put("stint.yaml", "version: 1\ninclude: [conf.d/*.yaml]\n");
    put("conf.d/a.yaml", "services:\n  web: {command: [x], listen: {p: tcp://*:80}}\n");
    put("conf.d/b.yaml", "services:\n  api: {command: [x], listen: {p: tcp://*:80}}\n"
                         "  web: {command: [x]}\n");
    assert_load(
        "conf.d/b.yaml:2:35: address tcp://0.0.0.0:80 is already that of listener 'p' of "
        "service 'web' (conf.d/a.yaml:2:35) near 'tcp://*:80}}'\n"
        "conf.d/b.yaml:3:3: duplicate service 'web' (the first is at conf.d/a.yaml:2:3) near "
        "'web: {command: [x]}'");
}
END_TEST

START_TEST(a_file_that_includes_itself_is_shown_as_a_circle)
{
    put("stint.yaml", "version: 1\ninclude: [a.yaml]\n");
    put("a.yaml", "include: [b.yaml]\n");
    put("b.yaml", "include: [./a.yaml]\n");
    assert_load("b.yaml:1:11: a file includes itself: a.yaml → b.yaml → a.yaml near './a.yaml]'");
}
END_TEST

START_TEST(a_file_included_twice_is_refused_also_by_another_name)
{
    put("stint.yaml", "version: 1\ninclude: [a.yaml, b.yaml]\n");
    put("a.yaml", "services: {}\n");
    ck_assert_int_eq(symlink("a.yaml", "b.yaml"), 0);
    assert_load("stint.yaml:2:19: 'a.yaml' is included twice near 'b.yaml]'");
}
END_TEST

START_TEST(includes_are_at_most_four_deep)
{
    put("stint.yaml", "version: 1\ninclude: [1.yaml]\n");
    put("1.yaml", "include: [2.yaml]\n");
    put("2.yaml", "include: [3.yaml]\n");
    put("3.yaml", "include: [4.yaml]\n");
    put("4.yaml", "services: {}\n");
    assert_load("");
    spec_destroy(steal(spec));
    put("4.yaml", "include: [5.yaml]\n");
    put("5.yaml", "services: {}\n");
    assert_load("4.yaml:1:11: includes are more than 4 deep near '5.yaml]'");
}
END_TEST

START_TEST(at_most_sixty_four_files_are_included)
{
    char name[32];

    put("stint.yaml", "version: 1\ninclude: [d/*]\n");
    for (int i = 0; i < 64; i++) {
        (void)snprintf(name, sizeof(name), "d/%02d", i);
        put(name, "services: {}\n");
    }
    assert_load("");
    spec_destroy(steal(spec));
    put("d/99", "services: {}\n");
    assert_load("stint.yaml:2:11: more than 64 files are included near 'd/*]'");
}
END_TEST

START_TEST(files_are_at_most_one_mebibyte_and_all_together_four)
{
    size_t n = ((size_t)1 << 20) - 64;
    auto_free char *big = malloc(n + 100);
    char name[16];

    memset(big, '#', n);
    (void)snprintf(big + n, 100, "\nservices: {}\n");
    put("stint.yaml", "version: 1\ninclude: [d*]\n");
    for (int i = 0; i < 4; i++) {
        (void)snprintf(name, sizeof(name), "d%d", i);
        put(name, big);
    }
    assert_load("");
    spec_destroy(steal(spec));
    put("d4", big);
    assert_load("stint.yaml:2:11: all files together are larger than 4 MiB near 'd*]'");
    diagnostics_finish(&diags);
    (void)snprintf(big + n, 100, "\nservices: {} %64s\n", "");
    put("d0", big);
    ck_assert_int_eq(unlink("d4"), 0);
    auto_free char *found = load("stint.yaml", CONFIG_CHECK_SYNTAX);

    ck_assert_ptr_nonnull(strstr(found, "/d0' is larger than 1 MiB near 'd*]'"));
}
END_TEST

START_TEST(what_was_looked_at_is_told_also_when_it_is_wrong_or_missing)
{
    auto_text struct text wanted = TEXT_INIT;

    put("stint.yaml", "version: 1\ninclude: [none/*.yaml, a.yaml]\nbogus: 1\n");
    text_addf(&wanted,
              "stint.yaml:2:24: open '%s/a.yaml': No such file or directory near 'a.yaml]'\n"
              "stint.yaml:3:1: unknown key 'bogus' near 'bogus: 1'",
              root);
    assert_load(text_str(&wanted));
    ck_assert_uint_eq(inputs.n, 2);
    ck_assert_str_eq(inputs.items[1] + strlen(root), "/a.yaml");
}
END_TEST

START_TEST(a_missing_main_file_is_one_finding)
{
    auto_text struct text wanted = TEXT_INIT;

    text_addf(&wanted, "nowhere.yaml:0:0: open '%s/nowhere.yaml': No such file or directory", root);
    auto_free char *found = load("nowhere.yaml", CONFIG_CHECK_SYNTAX);

    ck_assert_str_eq(found, text_str(&wanted));
    ck_assert_uint_eq(inputs.n, 1);
}
END_TEST

START_TEST(a_thing_that_is_not_there_is_a_finding_only_where_it_is_looked_for)
{
    auto_text struct text yaml = TEXT_INIT, wanted = TEXT_INIT;

    put("plain", "not executable");
    text_add(&yaml,
             "version: 1\nservices:\n"
             "  a: {command: [./gone]}\n"
             "  b: {command: [./plain], user: no-such-user, group: no-such-group}\n"
             "  c: {command: [no-such-command], check: [no-such-check]}\n"
             "  d: {command: [x], directory: gone}\n"
             "  e: {command: [x], directory: plain}\n"
             "  f: {command: [sh], env_file: gone, ready: {exec: [./gone]}}\n"
             "  g: {command: [.], environment: {PATH: /nowhere}, check: {command: [sh]}}\n"
             "  h: {command: [./.], listen: {u: {address: unix:/x, owner: no-such-user}}}\n"
             "  i: {command: [sh], user: 0, listen: {u: {address: unix:/y, owner: 654321}}}\n"
             "  j: {command: [sh], user: 654321, group: 7}\n"
             "  k: {command: [sh], user: 654321}\n");
    put("stint.yaml", text_str(&yaml));
    assert_load("");
    spec_destroy(steal(spec));
    text_addf(
        &wanted,
        "stint.yaml:3:17: cannot run '%1$s/gone': No such file or directory near './gone]}'\n"
        "stint.yaml:4:17: cannot run '%1$s/plain': it is not executable near './plain], user: "
        "no-such-user, group: no-…'\n"
        "stint.yaml:4:33: there is no user 'no-such-user' near 'no-such-user, group: "
        "no-such-group}'\n"
        "stint.yaml:4:54: there is no group 'no-such-group' near 'no-such-group}'\n"
        "stint.yaml:5:17: there is no command 'no-such-command' in PATH (/usr/bin:/bin) near "
        "'no-such-command], check: [no-such-check]…'\n"
        "stint.yaml:5:43: there is no command 'no-such-check' in PATH (/usr/bin:/bin) near "
        "'no-such-check]}'\n"
        "stint.yaml:6:32: directory '%1$s/gone': No such file or directory near 'gone}'\n"
        "stint.yaml:7:32: '%1$s/plain' is not a directory near 'plain}'\n"
        "stint.yaml:8:32: env_file '%1$s/gone': No such file or directory near 'gone, ready: "
        "{exec: [./gone]}}'\n"
        "stint.yaml:8:53: cannot run '%1$s/gone': No such file or directory near './gone]}}'\n"
        "stint.yaml:9:17: there is no command '.' in PATH (/nowhere) near '.], environment: "
        "{PATH: /nowhere}, check…'\n"
        "stint.yaml:9:70: there is no command 'sh' in PATH (/nowhere) near 'sh]}}'\n"
        "stint.yaml:10:17: cannot run '%1$s': it is not a regular file near './.], listen: {u: "
        "{address: unix:/x, own…'\n"
        "stint.yaml:10:61: there is no user 'no-such-user' near 'no-such-user}}}'\n"
        "stint.yaml:13:28: user 654321 is in no user database, so a group has to be named with it "
        "near '654321}'",
        root);
    ck_assert_int_eq(setenv("PATH", "/usr/bin:/bin", 1), 0);
    auto_free char *found = load("stint.yaml", CONFIG_CHECK_SYSTEM);

    ck_assert_str_eq(found, text_str(&wanted));
}
END_TEST

START_TEST(a_configuration_that_names_what_there_is_passes)
{
    put("run.sh", "#!/bin/sh\n");
    ck_assert_int_eq(chmod("run.sh", 0755), 0);
    put("stint.yaml", "version: 1\nservices: {a: {command: [./run.sh], check: [sh, -c, 'true'], "
                      "user: root, group: root, directory: .}}\n");
    auto_free char *found = load("stint.yaml", CONFIG_CHECK_SYSTEM);

    ck_assert_str_eq(found, "");
    ck_assert_str_eq(spec->services[0]->directory, root);
    ck_assert_str_eq(spec->path + strlen(root), "/stint.yaml");
}
END_TEST

START_TEST(without_a_current_directory_only_absolute_paths_load)
{
    auto_text struct text absolute = TEXT_INIT;

    put("stint.yaml", "version: 1\n");
    put("gone/x", "");
    ck_assert_int_eq(chdir("gone"), 0);
    ck_assert_int_eq(unlink("x"), 0);
    ck_assert_int_eq(rmdir("../gone"), 0);
    auto_free char *found = load("stint.yaml", CONFIG_CHECK_SYNTAX);

    ck_assert_str_eq(found,
                     "stint.yaml:0:0: cannot tell the current directory it is relative to: No "
                     "such file or directory");
    diagnostics_finish(&diags);
    text_addf(&absolute, "%s/stint.yaml", root);
    auto_free char *nothing = load(text_str(&absolute), CONFIG_CHECK_SYNTAX);

    ck_assert_str_eq(nothing, "");
}
END_TEST

START_TEST(the_installed_sample_is_right)
{
    auto_free char *found = load(STINT_SAMPLE, CONFIG_CHECK_SYNTAX);

    ck_assert_str_eq(found, "");
    ck_assert_uint_eq(spec->n_services, 3);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("load");
    TCase *c = tcase_create("load");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, services_of_included_files_come_in_order_with_the_defaults_of_the_main_file);
    tcase_add_test(c, the_digest_is_that_of_the_texts);
    tcase_add_test(c, an_included_file_holds_services_only);
    tcase_add_test(c, a_service_in_two_files_is_named_with_both_places);
    tcase_add_test(c, a_file_that_includes_itself_is_shown_as_a_circle);
    tcase_add_test(c, a_file_included_twice_is_refused_also_by_another_name);
    tcase_add_test(c, includes_are_at_most_four_deep);
    tcase_add_test(c, at_most_sixty_four_files_are_included);
    tcase_add_test(c, files_are_at_most_one_mebibyte_and_all_together_four);
    tcase_add_test(c, what_was_looked_at_is_told_also_when_it_is_wrong_or_missing);
    tcase_add_test(c, a_missing_main_file_is_one_finding);
    tcase_add_test(c, a_thing_that_is_not_there_is_a_finding_only_where_it_is_looked_for);
    tcase_add_test(c, a_configuration_that_names_what_there_is_passes);
    tcase_add_test(c, without_a_current_directory_only_absolute_paths_load);
    tcase_add_test(c, the_installed_sample_is_right);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
