/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/cli/cli_internal.h"

static const char *const colours[] = {
    [PAINT_PLAIN] = "",        [PAINT_BOLD] = "\033[1m",   [PAINT_GOOD] = "\033[32m",
    [PAINT_WARN] = "\033[33m", [PAINT_BAD] = "\033[1;31m", [PAINT_FAINT] = "\033[2m",
};

/* Words come from workers and files: they may not steer the terminal. */
static void
put_safely(FILE *out, const char *s)
{
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
            (void)fprintf(out, "\\x%02x", p[1]); /* C1 control characters, in UTF-8 */
            p++;
        } else if ((*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f) {
            (void)fprintf(out, "\\x%02x", *p);
        } else {
            (void)fputc(*p, out);
        }
    }
}

void
paint(struct cli *cli, enum paint colour, const char *s)
{
    bool coloured = cli->colour && colour != PAINT_PLAIN && s[0];

    if (coloured)
        (void)fputs(colours[colour], cli->out);
    put_safely(cli->out, s);
    if (coloured)
        (void)fputs("\033[0m", cli->out);
}

void
paintf(struct cli *cli, enum paint colour, const char *fmt, ...)
{
    char s[4096];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(s, sizeof(s), fmt, ap); /* longer than a screen is cut */
    va_end(ap);
    paint(cli, colour, s);
}

int
paint_width(const char *s)
{
    int columns = 0;

    for (; *s; s++)
        columns += ((unsigned char)*s & 0xc0) != 0x80;
    return columns;
}

void
paint_columns(struct cli *cli, enum paint colour, const char *s, int width)
{
    int used = paint_width(s);

    paint(cli, colour, s);
    if (used < width)
        (void)fprintf(cli->out, "%*s", width - used, "");
}

const char *
json_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

int64_t
json_number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

bool
json_flag(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

bool
json_has(const json_t *o, const char *key)
{
    return json_object_get(o, key) != NULL;
}

char *
json_duration(const json_t *o, const char *key, char *buf, size_t room)
{
    const json_t *ms = json_object_get(o, key);

    buf[0] = '\0';
    if (json_is_integer(ms))
        duration_human(json_integer_value(ms) * US_PER_MS, buf, room);
    return buf;
}
