/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_RELOAD_WATCH_H
#define EXAMPLES_RELOAD_WATCH_H

struct stint_token;

/*
 * watch_file - call @changed whenever the file at @path may be another; returns when @token is cancelled.
 *
 * It watches the directory and not the file, since editors and deploys replace files by rename; it waits
 * until nothing happened for a while; and whatever is in doubt (an overflow, a directory that is gone)
 * counts as a change. To the supervisor the calling thread is vital: should it die, that is reported.
 *
 * Return: the token's error, or the negative errno for which it cannot watch at all.
 */
int watch_file(struct stint_token *token, const char *path, void (*changed)(void *env), void *env);

#endif
