/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>

#include "adapter.h"

#ifndef CONFIG /* uvicorn as it is by itself: CMakeLists.txt */
#define NAME       "uvicorn"
#define CONFIG     "stint.yaml"
#define LOSES_NONE true
#endif

static const char *const needs[] = {"uvicorn", "gunicorn", NULL};
static const char *const ports[] = {"8080", NULL};

static const struct adapter uvicorn = {
    .name = NAME,
    .example = "uvicorn",
    .config = CONFIG,
    .service = "web",
    .needs = needs,
    .ports = ports,
    .edited = "app.py",
    .good = "async def app",
    .bad = "async dfe app",
    .complaint = "SyntaxError: invalid syntax",
    .slow = "/slow",
    .loses_none = LOSES_NONE,
 /* uvicorn cannot reload but for development; what its documentation says for production */
    .own = {"env", "PYTHONDONTWRITEBYTECODE=1", "gunicorn", "-b", "127.0.0.1:%u", "-w", "2", "-k",
            "uvicorn.workers.UvicornWorker", "app:app"},
    .own_takes_long = true, /* a busy connection holds its old workers for seconds */
    .own_signal = SIGHUP,
    .own_stop = SIGTERM,
    .own_words = "gunicorn -k Uvicorn, HUP",
};

adapter_program(uvicorn)
