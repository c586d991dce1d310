/* SPDX-License-Identifier: MIT */
#include "examples/web/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MS_MAX 60000

static char *
trim(char *text)
{
    char *end;

    while (isspace((unsigned char)*text))
        text++;
    end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return text;
}

static const char *
set_number(const char *value, unsigned min, unsigned max, unsigned *ret)
{
    char *end;
    unsigned long n;

    if (!isdigit((unsigned char)*value))
        return "is not a number";
    errno = 0;
    n = strtoul(value, &end, 10);
    if (*end != '\0')
        return "is not a number";
    if (errno == ERANGE || n < min || n > max)
        return "is out of range";
    *ret = (unsigned)n;
    return NULL;
}

static const char *
set_bool(const char *value, bool *ret)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return "is neither yes nor no";
    *ret = strcmp(value, "yes") == 0;
    return NULL;
}

static const char *
set_greeting(const char *value, char *to, size_t size)
{
    if (strlen(value) >= size)
        return "is too long";
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == '"' || *c == '\\')
            return "holds a quote, a backslash or a control character";
    memcpy(to, value, strlen(value) + 1);
    return NULL;
}

/* What is wrong with "key = value"; NULL: nothing, and it is set. */
static const char *
set(struct config *c, const char *key, const char *value)
{
    if (strcmp(key, "greeting") == 0)
        return set_greeting(value, c->greeting, sizeof(c->greeting));
    if (strcmp(key, "threads") == 0)
        return set_number(value, 1, 64, &c->threads);
    if (strcmp(key, "leak") == 0)
        return set_bool(value, &c->leak);
    if (strcmp(key, "start_delay_ms") == 0)
        return set_number(value, 0, MS_MAX, &c->start_delay_ms);
    if (strcmp(key, "drain_quiet_ms") == 0)
        return set_number(value, 0, MS_MAX, &c->drain_quiet_ms);
    return "is an unknown key";
}

static int
read_line(struct config *c, char *line, const char *where, FILE *complaints)
{
    char *text = trim(line);
    char *equals = strchr(text, '=');
    const char *wrong;
    char *key, *value;

    if (*text == '\0' || *text == '#')
        return 0;
    if (!equals) {
        (void)fprintf(complaints, "%s: expected 'key = value'\n", where);
        return 1;
    }
    *equals = '\0';
    key = trim(text);
    value = trim(equals + 1);
    wrong = set(c, key, value);
    if (!wrong)
        return 0;
    if (strcmp(wrong, "is an unknown key") == 0)
        (void)fprintf(complaints, "%s: '%s' %s\n", where, key, wrong);
    else
        (void)fprintf(complaints, "%s: %s '%s' %s\n", where, key, value, wrong);
    return 1;
}

int
config_load(const char *path, struct config *ret, FILE *complaints)
{
    struct config c = {.greeting = "hello", .threads = 2, .drain_quiet_ms = 250};
    FILE *f = fopen(path, "re");
    char line[1024], where[512];
    int number = 0, mistakes = 0;

    if (!f) {
        (void)fprintf(complaints, "%s:0: cannot open: %s\n", path, strerror(errno));
        return 1;
    }
    while (fgets(line, sizeof(line), f)) {
        number++;
        (void)snprintf(where, sizeof(where), "%s:%d", path, number);
        if (!strchr(line, '\n') && !feof(f)) {
            (void)fprintf(complaints, "%s: the line is too long\n", where);
            mistakes++;
            break;
        }
        mistakes += read_line(&c, line, where, complaints);
    }
    if (ferror(f)) {
        (void)fprintf(complaints, "%s:%d: cannot read\n", path, number);
        mistakes++;
    }
    (void)fclose(f);
    if (mistakes == 0)
        *ret = c;
    return mistakes;
}
