/* SPDX-License-Identifier: MIT */
/* web - a threaded HTTP worker that hands over without losing a request. See ../README.md. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stint.h>

#include "examples/web/cache.h"
#include "examples/web/config.h"
#include "examples/web/serve.h"

static int
fail(const char *what, int error)
{
    (void)fprintf(stderr, "web: %s: %s\n", what, strerror(-error));
    return EXIT_FAILURE;
}

static int
run(const struct config *config)
{
    static struct stint_thread *threads[64];
    static struct site site;
    struct stint_token *root = stint_root();
    struct cache *cache;
    int r;

    site_init(&site, config);
    if (stint_token_sleep(root, (int64_t)config->start_delay_ms * 1000) < 0)
        return EXIT_SUCCESS; /* told to leave before it began */
    cache = cache_start(root, config->leak);
    if (!cache)
        return fail("start the cache", -ENOMEM);
    for (unsigned i = 0; i < config->threads; i++) {
        char name[STINT_NAME_MAX];

        (void)snprintf(name, sizeof(name), "serve-%u", i);
        r = stint_thread_spawn(&threads[i], root, name, serve, &site);
        if (r < 0)
            return fail("start a thread", r);
    }
    r = stint_ready();
    if (r < 0)
        return fail("say ready", r);

    (void)stint_token_poll(root, NULL, 0, STINT_NEVER); /* ends by CANCEL or SIGTERM alone */
    for (unsigned i = 0; i < config->threads; i++)
        (void)stint_thread_join(threads[i], NULL, STINT_NEVER); /* its connections are done */
    cache_stop(cache);
    return EXIT_SUCCESS;
}

static int
serve_with(const char *path)
{
    struct config config;
    int r;

    if (config_load(path, &config, stderr) > 0)
        return EXIT_FAILURE;
    r = stint_init(NULL);
    if (r < 0)
        return fail("attach to the supervisor", r);
    if (stint_listen_fd("http") == -ENOENT) { /* -EAGAIN: gated, it is still to come */
        (void)fprintf(stderr,
                      "web: no inherited listener is named 'http'; start it by stint run\n");
        return EXIT_FAILURE;
    }
    return run(&config);
}

int
main(int argc, char **argv)
{
    struct config config;

    if (argc == 3 && strcmp(argv[1], "--config") == 0)
        return serve_with(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--check") == 0)
        return config_load(argv[2], &config, stderr) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    (void)fprintf(stderr, "usage: web --config FILE | --check FILE\n");
    return 2;
}
