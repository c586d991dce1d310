/* SPDX-License-Identifier: MIT */
#ifndef WEB_CACHE_H
#define WEB_CACHE_H

#include <stdbool.h>

struct stint_token;

/* A stand-in for what real workers have: a cache that background threads write out. */
struct cache;

/* cache_start - start its flushers. With @leak one of them ignores @token, as bugs do.
 * Return: NULL without memory or threads. */
struct cache *cache_start(struct stint_token *token, bool leak);

/* cache_stop - wait for the flushers to end. Their token has been cancelled. */
void cache_stop(struct cache *cache);

#endif
