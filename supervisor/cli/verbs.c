/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "supervisor/cli/cli_internal.h"

const struct option_row cli_options[OPTION_COUNT] = {
    [OPTION_CONFIG] =
        {"config",           'c',  "FILE",
                         "the configuration, whose runtime_dir has the control socket; run and check: "
         "default " CLI_CONFIG_DEFAULT                                                                              },
    [OPTION_SOCKET] = {"socket",           '\0', "PATH",
                         "the control socket; default that of --config, else $STINT_SOCKET, "
                       "else " CLI_SOCKET_DEFAULT                                                                   },
    [OPTION_JSON] = {"json",             '\0', NULL,          "the answer as JSON, for programs"                },
    [OPTION_HELP] = {"help",             'h',  NULL,          "what this verb does, with examples"              },
    [OPTION_FORCE] = {"force",            '\0', NULL,          "a new generation even when nothing changed"      },
    [OPTION_WAIT] = {"wait",             '\0', "WHAT",
                         "serving (default), gone: until the old generation has left, or none; "
                     "stop: gone or none"                                                                           },
    [OPTION_TIMEOUT] = {"timeout",          '\0', "TIME",
                         "give up waiting after so long (10s, 5m); default 10m, of upgrade 1m"                      },
    [OPTION_ALL] = {"all",              'a',  NULL,          "every service; threads: each thread"             },
    [OPTION_FOR] = {"for",              '\0', "WHAT",        "ready (default), gone, or generation=N"          },
    [OPTION_FOLLOW] = {"follow",           'f',  NULL,          "go on with what comes, until interrupted"        },
    [OPTION_SINCE] = {"since",            '\0', "N",           "only what comes after number N (seq in --json)"  },
    [OPTION_LINES] = {"lines",            'n',  "N",           "the last N lines"                                },
    [OPTION_LINT] = {"lint",             '\0', NULL,
                         "what is wrong with the trace context of its lines, by thread"                             },
    [OPTION_TRACE] = {"trace",            '\0', "ID",          "what is known of that trace, wherever it is"     },
    [OPTION_SPANS] = {"spans",            '\0', NULL,          "phases of reloads, and how long they took"       },
    [OPTION_TEXTFILE] = {"textfile",         '\0', "PATH",
                         "put them there at once, as node_exporter reads them; - is stdout"                         },
    [OPTION_GENERATION] = {"generation",       'g',  "N",           "of this generation only"                         },
    [OPTION_KEYS] = {"keys",             '\0', NULL,          "print the table of configuration keys"           },
    [OPTION_SCHEMA] = {"schema",           '\0', NULL,          "print the configuration's JSON Schema"           },
    [OPTION_WATCHDOG] = {"watchdog",         '\0', "TIME",
                         "replace a master that says nothing for so long (default 10s), or off"                     },
    [OPTION_PID] = {"pid",              '\0', "PID",
                         "of this process, which may be anybody's; no supervisor is asked"                          },
    [OPTION_FAIL_ON_LEAK] = {"fail-on-leak",     '\0', NULL,          "exit status 3 when something leaks"              },
    [OPTION_CERTIFICATES] = {"certificates",     '\0', NULL,          "how each generation ended, too"                  },
    [OPTION_BINARY] = {"binary",           '\0', "FILE",        "the program to be, in the place of the one it is"},
    [OPTION_JUNIT] = {"junit",            '\0', NULL,          "the answer as JUnit's XML, for CI"               },
    [OPTION_KEEP] = {"keep",             '\0', NULL,          "do not remove the cage, and say where it is"     },
    [OPTION_BESIDE_LIVE] = {"beside-live",      '\0', NULL,
                         "with handoff: replace, too, of which there may not be two"                                },
    [OPTION_CPU] = {"cpu",              '\0', NULL,          "where its threads spend their time"              },
    [OPTION_HEAP] = {"heap",             '\0', NULL,          "who holds its memory"                            },
    [OPTION_THREADS] = {"threads",          '\0', NULL,          "what its threads wait for"                       },
    [OPTION_SECONDS] = {"seconds",          '\0', "N",           "sample for so long (default 30)"                 },
    [OPTION_OUTPUT] = {"output",           'o',  "FILE",        "write it there, for go tool pprof; - is stdout"  },
    [OPTION_HTTP] = {"http",             '\0', "[ADDR]:PORT",
                         "serve profiles as /debug/pprof/ does, behind a token, until interrupted; "
                     "without ADDR on 127.0.0.1; unix:PATH: on that socket"                                         },
    [OPTION_FLAMEGRAPH] = {"flamegraph",       '\0', "FILE",        "draw it, as an SVG that can be searched"         },
    [OPTION_DIFF_BASE] =
        {"diff-base",        '\0', "WHAT",
                         "what is more than in this: a file, the number of a generation, or 'previous'"             },
    [OPTION_EXIT_WHEN_FAILED] = {"exit-when-failed", '\0', NULL,
                         "end, with its status, when a service has failed for good"                                 },
};

#define REMOTE (ACCEPTS(OPTION_CONFIG) | ACCEPTS(OPTION_SOCKET) | ACCEPTS(OPTION_JSON))
#define WAITS  (REMOTE | ACCEPTS(OPTION_TIMEOUT))

const struct verb cli_verbs[] = {
    {"run",       "",                       "be the supervisor until told to stop",                        0, 0,
     ACCEPTS(OPTION_CONFIG) | ACCEPTS(OPTION_WATCHDOG) | ACCEPTS(OPTION_EXIT_WHEN_FAILED),                                verb_run,
     "Stays in the foreground and logs to stderr. SIGTERM and SIGINT stop everything within\n"
     "stop_budget, SIGHUP reloads the configuration and every service.\n"
     "  stint run -c stint.yaml\n"
     "  stint run --exit-when-failed   in a container: it ends when its service cannot run\n"               },
    {"check",     "",                       "look for mistakes in a configuration",                        0, 0,
     ACCEPTS(OPTION_CONFIG) | ACCEPTS(OPTION_JSON) | ACCEPTS(OPTION_KEYS) | ACCEPTS(OPTION_SCHEMA),
     verb_check,                                                                                                                        "All findings of one run, each as file:line:column. Exit 78 when there are any.\n"
     "  stint check -c stint.yaml\n"
     "  stint check --keys             every key: type, default, what a change of it does\n"},
    {"preflight", "SERVICE",                "rehearse the handoff of a candidate in a cage, and judge it", 1, 1,
     ACCEPTS(OPTION_CONFIG) | ACCEPTS(OPTION_JSON) | ACCEPTS(OPTION_BINARY) |
         ACCEPTS(OPTION_JUNIT) | ACCEPTS(OPTION_KEEP) | ACCEPTS(OPTION_BESIDE_LIVE),
     verb_preflight,                                                                                                                    "Starts it with a supervisor, sockets and directories of its own, as its 'preflight' block\n"
     "allows, loads it, reloads it some times, and stops it. Exit 1 when a check fails, 130 after\n"
     "Ctrl-C. What passes is noted for handoff: {require_preflight: true}.\n"
     "  stint preflight web -c stint.yaml\n"
     "  stint preflight web --binary ./web-next && cp web-next web\n"
     "  stint preflight web --junit > preflight.xml\n"                                  },
    {"status",    "[SERVICE]",              "what runs, what leaves, what was rejected",                   0, 1,  REMOTE, verb_status,
     "  stint status\n"
     "  stint status web --json | jq .services[0].generations\n"                                            },
    {"reload",    "[SERVICE...]",           "hand over to a new generation, and say how it went",          0, -1,
     WAITS | ACCEPTS(OPTION_FORCE) | ACCEPTS(OPTION_WAIT) | ACCEPTS(OPTION_ALL),                                          verb_reload,
     "Without a service: the configuration is read again, then every service is looked at. "
     "Nothing\n"
     "happens where nothing changed. Exit 1 when a service was rejected: what served before still "
     "does.\n"
     "  stint reload web\n"
     "  stint reload web --force       roll without a change\n"
     "  stint reload --wait=gone       until every old worker has left, leaks named\n"                      },
    {"start",     "SERVICE...",             "bring services up",                                           0, -1,
     WAITS | ACCEPTS(OPTION_ALL) | ACCEPTS(OPTION_WAIT),                                                                  verb_start,
     "  stint start web\n"
     "  stint start --all\n"                                                                                },
    {"stop",      "SERVICE...",             "take services down; --all ends stint itself",                 0, -1,
     WAITS | ACCEPTS(OPTION_ALL) | ACCEPTS(OPTION_WAIT),                                                                  verb_stop,
     "Drains, then insists, within the limits of the configuration. With --all everything stops "
     "in\n"
     "reverse order of dependency within stop_budget, and then the supervisor ends.\n"
     "  stint stop web\n"
     "  stint stop --all\n"                                                                                 },
    {"wait",      "SERVICE",                "wait until a service is as it should be",                     1, 1,
     WAITS | ACCEPTS(OPTION_FOR),                                                                                         verb_wait,
     "  stint wait web --timeout 30s\n"
     "  stint wait web --for gone            no old generation is left\n"
     "  stint wait web --for generation=8    8 or a later one serves\n"
     "  stint wait migrate                   a oneshot has completed\n"                                     },
    {"threads",   "[SERVICE[/GEN[.SLOT]]]", "the threads of the workers, and what they wait for",          0,
     1,                                                                                                           REMOTE | ACCEPTS(OPTION_GENERATION) | ACCEPTS(OPTION_ALL) | ACCEPTS(OPTION_PID) |
         ACCEPTS(OPTION_FAIL_ON_LEAK),
     verb_threads,                                                                                                                      "Looked at now, without stopping anybody: who should be gone, who waits for whom, threads of\n"
     "one kind as one. With --fail-on-leak exit 3 when one leaks.\n"
     "  stint threads web\n"
     "  stint threads web/7.0 --all          each thread\n"
     "  stint threads --pid 4711 --json      of any process, without a supervisor\n"      },
    {"leaks",     "[SERVICE]",              "what leaked, and how each generation ended",                  0, 1,
     REMOTE | ACCEPTS(OPTION_CERTIFICATES) | ACCEPTS(OPTION_FAIL_ON_LEAK),                                                verb_leaks,
     "Over all generations: first seen, how many, what is more with each, what recovered. It\n"
     "outlives the supervisor. With --fail-on-leak exit 3 when something leaks now or rises.\n"
     "  stint leaks web\n"
     "  stint leaks web --certificates       and how each generation ended\n"                               },
    {"profile",   "SERVICE[/GEN[.SLOT]]",   "what its workers do, as go tool pprof reads it",              1, 1,
     (REMOTE & ~ACCEPTS(OPTION_JSON)) | ACCEPTS(OPTION_CPU) | ACCEPTS(OPTION_HEAP) |
         ACCEPTS(OPTION_THREADS) | ACCEPTS(OPTION_SECONDS) | ACCEPTS(OPTION_OUTPUT) |
         ACCEPTS(OPTION_HTTP) | ACCEPTS(OPTION_FLAMEGRAPH) | ACCEPTS(OPTION_DIFF_BASE),
     verb_profile,                                                                                                                      "Of one worker, or of all of a generation: of that which serves, where none is named. The\n"
     "service has to allow it ('profiling' in its configuration); each use is in the log. Without\n"
     "-o, --flamegraph or --http the functions that have most are shown.\n"
     "  stint profile web --cpu --seconds 60 -o web.pb.gz\n"
     "  stint profile web --heap --diff-base previous            what the last reload leaks\n"
     "  stint profile web/7.0 --threads --diff-base six.pb.gz    what 7 has more than 6\n"
     "  stint profile web --cpu --flamegraph web.svg\n"
     "  stint profile web --http :6060\n"                                                 },
    {"events",    "[SERVICE]",              "what happened",                                               0, 1,
     REMOTE | ACCEPTS(OPTION_FOLLOW) | ACCEPTS(OPTION_SINCE) | ACCEPTS(OPTION_LINES) |
         ACCEPTS(OPTION_SPANS),
     verb_events,                                                                                                                       "The supervisor keeps the last 4096 events in memory; all of them are in its log. With\n"
     "--spans: what each reload went through, and for how long, the last 1024 of those; and what\n"
     "workers tell of their work where there is an 'export' of it, the last 8192.\n"
     "  stint events -n 20\n"
     "  stint events --follow --json\n"
     "  stint events web --spans\n"                                                        },
    {"logs",      "[SERVICE]",              "what the workers printed",                                    0, 1,
     REMOTE | ACCEPTS(OPTION_FOLLOW) | ACCEPTS(OPTION_SINCE) | ACCEPTS(OPTION_LINES) |
         ACCEPTS(OPTION_TRACE) | ACCEPTS(OPTION_LINT),
     verb_logs,                                                                                                                         "The last 500 lines of each service are kept in memory; 100 are shown. With --trace all that\n"
     "is known of one trace, over services and generations, in log files, too; with -f also what\n"
     "comes. With --lint: lines with a fault in their trace context, by the thread that printed "
     "them.\n"
     "  stint logs web -n 20\n"
     "  stint logs -f\n"
     "  stint logs --trace 0af7651916cd43dd8448eb211c80319c\n"
     "  stint logs web --lint\n"                                                             },
    {"metrics",   "",                       "numbers for Prometheus",                                      0, 0,
     (REMOTE & ~ACCEPTS(OPTION_JSON)) | ACCEPTS(OPTION_TEXTFILE),                                                         verb_metrics,
     "In OpenMetrics 1.0; with --textfile in the older text format, which node_exporter's "
     "textfile\n"
     "collector and promtool read. That file is replaced as a whole, and when no supervisor "
     "answers\n"
     "it says stint_up 0, and the exit status is 69.\n"
     "  stint metrics\n"
     "  stint metrics --textfile /var/lib/prometheus/node-exporter/stint.prom\n"
     "  stint metrics --textfile - | promtool check metrics\n"                                              },
    {"reopen",    "[SERVICE...]",           "open log files anew that somebody moved away",                0, -1, REMOTE,
     verb_reopen,                                                                                                                       "For the postrotate of logrotate and the like; not needed for what stint rotates itself.\n"
     "  stint reopen\n"
     "  stint reopen web\n"                                                                },
    {"upgrade",   "[PATH]",                 "become another stint; no service notices",                    0, 1,  WAITS,  verb_upgrade,
     "The program at PATH, else that at the path of the one that runs, takes everything over.\n"
     "When it does not start, the old one goes on, and the exit status is 1.\n"
     "  stint upgrade\n"
     "  stint upgrade ./stint-next --timeout 20s\n"                                                         },
    {"version",   "",                       "of this program, and of the supervisor that runs",            0, 0,  REMOTE, verb_version,
     "  stint version\n"                                                                                    },
    {"help",      "[VERB]",                 "this, or about a verb, or exit-codes",                        0, 1,  0,      verb_help,
     "  stint help reload\n"
     "  stint help exit-codes\n"                                                                            },
};

const size_t cli_n_verbs = ARRAY_LEN(cli_verbs);
