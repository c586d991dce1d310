/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>

#include "adapter.h"

#ifndef WORKERS /* the other kind: CMakeLists.txt */
#define NAME       "gunicorn"
#define CONFIG     "stint.yaml"
#define WORKERS    "gthread"
#define THREADS    "4"
#define LOSES_NONE false
#endif

static const char *const needs[] = {"gunicorn", NULL};
static const char *const ports[] = {"8080", NULL};

static const struct adapter gunicorn = {
    .name = NAME,
    .example = "gunicorn",
    .config = CONFIG,
    .service = "web",
    .needs = needs,
    .ports = ports,
    .edited = "app.py",
    .good = "def app",
    .bad = "dfe app",
    .complaint = "SyntaxError: invalid syntax",
    .slow = "/slow",
    .loses_none = LOSES_NONE,
    .own = {"env",           "PYTHONDONTWRITEBYTECODE=1", "gunicorn", "-b", "127.0.0.1:%u", "-c",
            "gunicorn.conf.py", "-k", WORKERS, "--threads", THREADS, "app:app"},
 /* its HUP does not load an application anew that was loaded before its workers were */
    .own_edit = {"gunicorn.conf.py", "preload_app = True",                        "preload_app = False"                                      },
    .own_signal = SIGHUP,
    .own_stop = SIGTERM,
    .own_words = "gunicorn, HUP",
};

adapter_program(gunicorn)
