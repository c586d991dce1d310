/* SPDX-License-Identifier: MIT */
#ifndef STINT_PRELOAD_H
#define STINT_PRELOAD_H

/*
 * libstint-preload.so: registers the threads of a program that knows nothing of stint. It stands in
 * front of pthread_create() and its like, notes where each thread was started and what it runs, and
 * does nothing else: no thread, no handler, no allocation, no channel.
 *
 * It writes for the process that $LISTEN_PID names and for no other. An exec in that process (a shell
 * that becomes the server) loads it anew; children find another pid and leave it at that. If the
 * program links libstint, the registry is libstint's, and this object only passes calls on.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "worker-api/wire.h"

#define NO_SLOT UINT32_MAX

/* preload.c: the real calls, found when first needed. */
void *preload_next(const char *name);

/* slots.c: which thread is in which slot. Nothing of it in a process that the registry is not for. */
struct preload_start {
    void *(*fn)(void *arg); /* one of these two */
    int (*fn_c11)(void *arg);
    void *arg;
    uint64_t creator_pc;
    uint32_t creator_tid;
    char creator_name[16];
};

void preload_open(void); /* idempotent; reads the environment */
bool preload_is_open(void);

/* @ret_epoch: which thread of the slot's it is. NO_SLOT: full, counted. */
uint32_t preload_claim(const struct preload_start *start, uint32_t *ret_epoch);
void preload_release(uint32_t slot); /* it was not started */
void preload_made(uint32_t slot, uint32_t epoch, pthread_t thread);
struct preload_start preload_begin(uint32_t slot);     /* in the thread itself */
void preload_end(uint32_t slot);                       /* the same */
void preload_name(pthread_t thread, const char *name); /* of any thread */

/* creator.c: the first frame behind @pc, the return address of our caller, that is the program's. */
uint64_t preload_creator(const void *pc, const void *frame);

#endif
