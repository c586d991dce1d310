/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any headers that a request may have. The first byte says how much room there is for the tracestate that goes out;
 * then there are lines, "NAME:VALUE". What goes out is well-formed, and comes back in as it is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <stint.h>

#define HEADERS 40
#define STATE_  4096 /* more than 32 members of 513 characters never go out of what 3 KiB bring in */
#define IN_MAX  3072

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(int holds)
{
    if (!holds)
        abort();
}

/* In a block of its own, without a NUL: a byte too far is seen. */
static char *
copy(const char *at, size_t n)
{
    char *own = malloc(n);

    must(own != NULL || n == 0);
    if (n > 0)
        memcpy(own, at, n);
    return own;
}

static size_t
read_headers(const char *at, const char *end, struct stint_header *headers)
{
    size_t n = 0;

    while (at < end && n < HEADERS) {
        const char *line = memchr(at, '\n', (size_t)(end - at)), *colon;

        line = line ? line : end;
        colon = memchr(at, ':', (size_t)(line - at));
        if (colon) {
            headers[n].name_bytes = (size_t)(colon - at);
            headers[n].name = copy(at, headers[n].name_bytes);
            headers[n].value_bytes = (size_t)(line - colon - 1);
            headers[n].value = copy(colon + 1, headers[n].value_bytes);
            n++;
        }
        at = line + 1;
    }
    return n;
}

static void
must_be_parent(const char *parent)
{
    must(strlen(parent) == 55 && strspn(parent, "0123456789abcdef-") == 55);
    must(strncmp(parent, "00-", 3) == 0 && parent[35] == '-' && parent[52] == '-');
    must(strspn(parent + 3, "0") < 32 && strspn(parent + 36, "0") < 16);
    must(parent[53] == '0' && parent[54] >= '0' && parent[54] <= '3');
}

/* "" or members, each KEY=VALUE without blanks around it. */
static void
must_be_state(const char *state)
{
    size_t members = 0;

    for (const char *at = state; *at; members++) {
        size_t n = strcspn(at, ","), key = strcspn(at, "=");

        must(key > 0 && key <= 256 && key + 1 < n && n - key - 1 <= 256);
        must(strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_-*/@") == key);
        must(strchr("_-*/@", at[0]) == NULL && at[n - 1] != ' ');
        for (size_t i = key + 1; i < n; i++)
            must(at[i] >= ' ' && at[i] <= '~' && at[i] != '=');
        at += n;
        must(!*at || at[1]); /* no comma at the end */
        at += *at == ',';
    }
    must(members <= 32);
}

/* What went out comes in somewhere else. */
static void
must_come_back(const char *parent, const char *state)
{
    struct stint_token *token = stint_token_new(NULL, "next");
    char next[STINT_TRACEPARENT_MAX], next_state[STATE_];
    struct stint_header headers[] = {stint_header_of("TraceParent", parent),
                                     stint_header_of("tracestate", state)};

    must(token && stint_trace_extract(token, headers, 2) == 1);
    must(stint_trace_inject(token, next, next_state, sizeof(next_state)) == 1);
    must(strncmp(next, parent, 36) == 0 && strncmp(next + 36, parent + 36, 16) != 0);
    must(strcmp(next + 53, parent + 53) == 0 && strcmp(next_state, state) == 0);
    stint_token_unref(token);
}

/* The environment of a child says the same. */
static void
must_be_environ(struct stint_token *token, const char *parent, const char *state)
{
    static char ours[] = "TRACEPARENT=x", other[] = "PATH=/bin", theirs[] = "TRACESTATE=y";
    char *const before[] = {ours, other, theirs, NULL};
    char **envp = stint_trace_environ(token, before);

    must(envp && envp[0] == other && envp[1] && (*state ? envp[2] && !envp[3] : !envp[2]));
    must(strncmp(envp[1], "TRACEPARENT=", 12) == 0 && strncmp(envp[1] + 12, parent, 36) == 0);
    must(!*state || (strncmp(envp[2], "TRACESTATE=", 11) == 0 && strcmp(envp[2] + 11, state) == 0));
    free(envp);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct stint_header headers[HEADERS];
    struct stint_token *token;
    char parent[STINT_TRACEPARENT_MAX], state[STATE_], *less;
    size_t count, room;
    int goes_on;

    if (n == 0 || n > IN_MAX)
        return 0;
    room = data[0];
    less = malloc(room);
    token = stint_token_new(NULL, "request");
    must(token && (less || room == 0));
    count = read_headers((const char *)data + 1, (const char *)data + n, headers);
    goes_on = stint_trace_extract(token, headers, count);
    must(goes_on == 0 || goes_on == 1);
    must(stint_trace_inject(token, parent, state, sizeof(state)) == 1);
    must_be_parent(parent);
    must_be_state(state);
    must(goes_on || state[0] == '\0');
    must_come_back(parent, state);
    must_be_environ(token, parent, state);

    must(stint_trace_inject(token, parent, less, room) == 1);
    if (room > 0) {
        must(strlen(less) < room && (strlen(state) >= room || strcmp(less, state) == 0));
        must_be_state(less);
    }
    for (size_t i = 0; i < count; i++) {
        free((void *)headers[i].name);
        free((void *)headers[i].value);
    }
    stint_token_unref(token);
    free(less);
    return 0;
}
