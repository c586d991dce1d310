/* SPDX-License-Identifier: MIT */
/* libstint as what a plugin brings along and takes away. LIBSTINT is the path of the shared one. */
#include <dlfcn.h>
#include <signal.h>

#include "tests/unit/unit.h"

#ifndef LIBSTINT
#define LIBSTINT "./libstint.so" /* the build says where it really is */
#endif

START_TEST(a_signal_after_the_plugin_has_gone_still_finds_its_handler)
{
    void *library = dlopen(LIBSTINT, RTLD_NOW | RTLD_LOCAL);
    int (*init)(const void *options);

    ck_assert_msg(library != NULL, "%s", dlerror());
    *(void **)(void *)&init = dlsym(library, "stint_init");
    ck_assert_ptr_nonnull(init);
    ck_assert(signal(SIGTERM, SIG_DFL) != SIG_ERR); /* Check's own would end the test */
    ck_assert_int_eq(init(NULL), 0);
    ck_assert_int_eq(dlclose(library), 0);
    (void)raise(SIGTERM);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("unload");
    TCase *plugin = tcase_create("plugin");

    tcase_add_test(plugin, a_signal_after_the_plugin_has_gone_still_finds_its_handler);
    suite_add_tcase(suite, plugin);
    return unit_main(suite);
}
