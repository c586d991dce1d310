/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static void
error_format(struct error *reterr, int code, const char *fmt, va_list ap)
{
    reterr->code = code;
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): both callers start it */
    (void)vsnprintf(reterr->text, sizeof(reterr->text), fmt, ap); /* a cut sentence is still one */
}

int
error_set(struct error *reterr, int code, const char *fmt, ...)
{
    va_list ap;
    size_t used;
    char words[96] = "";

    if (!reterr)
        return code;
    va_start(ap, fmt);
    error_format(reterr, code, fmt, ap);
    va_end(ap);
    used = strlen(reterr->text);
    (void)snprintf(reterr->text + used, sizeof(reterr->text) - used, ": %s",
                   strerror_r(-code, words, sizeof(words)));
    return code;
}

int
error_say(struct error *reterr, int code, const char *fmt, ...)
{
    va_list ap;

    if (!reterr)
        return code;
    va_start(ap, fmt);
    error_format(reterr, code, fmt, ap);
    va_end(ap);
    return code;
}

int
error_wrap(struct error *reterr, int code, const char *fmt, ...)
{
    va_list ap;
    char inner[sizeof(reterr->text)];
    size_t used;

    if (!reterr)
        return code;
    memcpy(inner, reterr->text, sizeof(inner));
    va_start(ap, fmt);
    error_format(reterr, code, fmt, ap);
    va_end(ap);
    used = strlen(reterr->text);
    (void)snprintf(reterr->text + used, sizeof(reterr->text) - used, ": %s", inner);
    return code;
}
