/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "config/config.h"
#include "supervisor/cli/again.h"
#include "supervisor/cli/cli_internal.h"
#include "supervisor/cli/http.h"

/* Where --config says that the master of that configuration is. */
static int
socket_of_config(struct cli *cli, const char *config, char **ret_path)
{
    auto_free char *runtime_dir = NULL;
    struct diagnostics found = {0};
    int r = config_runtime_dir(config, &runtime_dir, &found);

    if (r < 0) {
        r = cli_fail(
            cli, CLI_CONFIG,
            "%s cannot tell where the supervisor is (%s); use --socket, or see 'stint check'",
            config, found.n > 0 ? found.items[0].text : "it cannot be read");
    } else if (asprintf(ret_path, "%s/control.sock", runtime_dir) == -1) {
        r = cli_fail(cli, CLI_INTERNAL, "out of memory");
    } else {
        r = 0;
    }
    diagnostics_finish(&found);
    return r;
}

int
cli_socket(struct cli *cli, char **ret_path)
{
    const char *given = cli->values[OPTION_SOCKET];

    if (!given && cli->values[OPTION_CONFIG])
        return socket_of_config(cli, cli->values[OPTION_CONFIG], ret_path);
    if (!given)
        given = getenv("STINT_SOCKET"); /* NOLINT(concurrency-mt-unsafe): one thread */
    *ret_path = strdup(given && given[0] ? given : CLI_SOCKET_DEFAULT);
    return *ret_path ? 0 : cli_fail(cli, CLI_INTERNAL, "out of memory");
}

void
cli_query(struct text *path, const char *key, const char *value)
{
    text_addf(path, "%c%s=", strchr(text_str(path), '?') ? '&' : '?', key);
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-._:", c))
            text_addf(path, "%c", c);
        else
            text_addf(path, "%%%02X", c);
    }
}

bool
cli_id(char id[CLI_ID_TEXT])
{
    unsigned char bytes[(CLI_ID_TEXT - 1) / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return false;
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

/* ---- Lines out of pieces ----------------------------------------------------------------- */

struct lines {
    struct cli *cli;
    const struct ask *ask;
    struct text rest; /* the beginning of a line */
};

static bool
on_piece(void *env, const char *bytes, size_t n)
{
    struct lines *l = env;

    while (n > 0) {
        const char *newline = memchr(bytes, '\n', n);
        size_t part = newline ? (size_t)(newline - bytes) : n;

        text_addn(&l->rest, bytes, part);
        if (!newline)
            return !l->rest.failed;
        if (l->rest.failed || !l->ask->line(l->cli, text_str(&l->rest), l->rest.bytes))
            return false;
        text_clear(&l->rest);
        bytes += part + 1;
        n -= part + 1;
    }
    return true;
}

/* ---- What an answer means ---------------------------------------------------------------- */

static int
unreachable(struct cli *cli, int r, const struct error *e)
{
    bool named = cli->values[OPTION_SOCKET] || cli->values[OPTION_CONFIG];

    if (r == -ENOENT || r == -ECONNREFUSED)
        return cli_fail(cli, CLI_UNREACHABLE, "no supervisor is running there: %s%s", e->text,
                        named ? "" : "; -c FILE, --socket PATH or $STINT_SOCKET name another");
    if (r == -EACCES || r == -EPERM)
        return cli_fail(cli, CLI_NOT_PERMITTED, "%s", e->text);
    if (r == -ETIMEDOUT)
        return cli_fail(cli, CLI_TIMED_OUT, "%s", e->text);
    if (r == -EPROTO || r == -EFBIG)
        return cli_fail(cli, CLI_DATA, "%s", e->text);
    return cli_fail(cli, CLI_UNREACHABLE, "%s", e->text);
}

static int
refusal_code(int status, const char *code)
{
    static const struct {
        int status, exit;
    } codes[] = {
        {400, CLI_USAGE        },
        {403, CLI_NOT_PERMITTED},
        {409, CLI_NO           },
        {413, CLI_USAGE        },
        {500, CLI_INTERNAL     },
        {503, CLI_UNREACHABLE  },
    };

    if (strcmp(code, "no-such-service") == 0)
        return CLI_NOT_FOUND;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].status == status)
            return codes[i].exit;
    return CLI_DATA;
}

/* A refusal, in the words of the master. */
static int
refused(struct cli *cli, int status, const json_t *error)
{
    const char *message = json_text(error, "message");

    return cli_fail(cli, refusal_code(status, json_text(error, "code")), "%s",
                    message[0] ? message : "the supervisor refused without a word");
}

static int
understand(struct cli *cli, const struct http_reply *reply, json_t **ret)
{
    json_t *json = json_loadb(reply->body ? reply->body : "", reply->bytes, 0, NULL);
    int r;

    if (!json_is_object(json)) {
        json_decref(json);
        return cli_fail(cli, CLI_DATA, "the supervisor's answer is not JSON (HTTP %d)",
                        reply->status);
    }
    if (json_has(json, "error")) {
        r = refused(cli, reply->status, json_object_get(json, "error"));
        json_decref(json);
        return r;
    }
    *ret = json;
    switch (reply->status) {
    case 200:
    case 202:
        return CLI_OK;
    case 409:
        return CLI_NO;
    case 503:
        return CLI_UNREACHABLE;
    case 504:
        return CLI_TIMED_OUT;
    default:
        return CLI_DATA;
    }
}

static int
ask_once(struct cli *cli, const struct ask *ask, const struct again *again, struct http_reply *ret,
         struct error *reterr)
{
    auto_free char *body = ask->body ? json_dumps(ask->body, JSON_COMPACT) : NULL;
    struct lines lines = {.cli = cli, .ask = ask, .rest = TEXT_INIT};
    struct http_request rq = {
        .socket = again->socket,
        .method = ask->method,
        .path = ask->path,
        .body = body,
        .deadline_us = again->deadline_us,
        .piece = ask->piece  ? ask->piece
                 : ask->line ? on_piece
                             : NULL,
        .env = ask->piece ? ask->env : &lines,
    };
    int r = http_exchange(&rq, ret, reterr);

    text_finish(&lines.rest);
    return r;
}

static int64_t
left_us(const struct again *again)
{
    return again->deadline_us == TIME_NEVER ? TIME_NEVER : again->deadline_us - mono_now_us();
}

/* It was there and is not any more. */
static int
ended(struct cli *cli, const struct again *again, const struct error *e)
{
    if (left_us(again) <= 0)
        return cli_fail(cli, CLI_TIMED_OUT, "no answer in time: %s", e->text);
    return cli_fail(cli, CLI_UNREACHABLE, "the supervisor ended before it answered: %s", e->text);
}

int
cli_ask(struct cli *cli, const struct ask *ask, json_t **ret)
{
    auto_free char *path = NULL;
    struct ask now = *ask;
    struct http_reply reply = {0};
    struct error e = {0};
    struct again again = {.deadline_us =
                              ask->timeout_us ? mono_now_us() + ask->timeout_us : TIME_NEVER};
    int r = cli_socket(cli, &path);

    if (r != 0)
        return r;
    again.socket = path;
    for (;;) {
        r = ask_once(cli, &now, &again, &reply, &e);
        again.connected = again.connected || reply.connected;
        if (r == 0 || !again_may(&again, cli, &now, r))
            break;
        if (now.renew)
            now.renew(cli, &now, left_us(&again));
    }
    if (r < 0 && again.said)
        return ended(cli, &again, &e);
    if (r < 0)
        return unreachable(cli, r, &e);
    if ((ask->line || ask->piece) && reply.status == 200)
        return CLI_OK;
    r = understand(cli, &reply, ret);
    free(reply.body);
    return r;
}

int
cli_ask_json(struct cli *cli, const struct ask *ask, json_t **ret)
{
    json_t *json = NULL;
    int r = cli_ask(cli, ask, &json);

    if (json && cli->values[OPTION_JSON]) {
        (void)json_dumpf(json, cli->out, JSON_INDENT(2)); /* a full disk shows at the last flush */
        (void)fputc('\n', cli->out);
        json_decref(json);
        json = NULL;
    }
    *ret = json;
    return r;
}
