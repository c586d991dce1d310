/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SHELL_H
#define STINT_TESTS_SHELL_H

/* What a shell command says, for tests of the scenarios and of the adapters. */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define has(text, what) ck_assert_msg(strstr(text, what) != NULL, "no '%s' in:\n%s", what, text)

/* Output of a shell command. It has to succeed. */
static inline char *shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static inline char *
shell(const char *fmt, ...)
{
    auto_text struct text out = TEXT_INIT;
    char command[1024], buffer[4096];
    va_list ap;
    FILE *said;
    size_t n;

    va_start(ap, fmt);
    (void)vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    said = popen(command, "r");
    ck_assert_ptr_nonnull(said);
    while ((n = fread(buffer, 1, sizeof(buffer), said)) > 0)
        text_addn(&out, buffer, n);
    ck_assert_msg(pclose(said) == 0, "%s: %s", command, text_str(&out));
    return text_steal(&out);
}

#endif
