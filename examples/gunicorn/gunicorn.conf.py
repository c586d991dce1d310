# SPDX-License-Identifier: MIT
# No `bind`: gunicorn takes the socket that it inherits (LISTEN_FDS).
workers = 2                 # of gunicorn; stint's `workers` stays 1
worker_class = "gthread"    # keeps connections; "sync" (sync.yaml) closes each after one answer
threads = 4
keepalive = 5
graceful_timeout = 25       # less than drain_timeout in stint.yaml

# A generation is what was loaded when it started. Without this each worker reads the files for itself: one that
# gunicorn starts anew hours later would find an edit that was rejected meanwhile, fail, and take gunicorn along.
# It also makes READY=1 mean what it says: the application is loaded.
preload_app = True
