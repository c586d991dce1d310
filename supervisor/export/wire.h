/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_EXPORT_WIRE_H
#define STINT_EXPORT_WIRE_H

/*
 * What the master and `stint-export` say to each other over a SOCK_SEQPACKET, one struct in each packet. The process
 * that sends is begun with the two descriptors below and nothing else; it ends when the socket does. It has one
 * request of each signal under way, and says once how that ended; whether and when there is another try is the
 * master's to decide.
 */
#include <stdint.h>

#define EXPORT_SOCKET_FD 3
#define EXPORT_MEMORY_FD 4 /* of queue.h */

enum export_order_type {
    EXPORT_ORDER_SETTINGS = 1, /* followed by their JSON, no NUL; before the first request */
    EXPORT_ORDER_SEND = 2
};

struct export_order {
    uint32_t type, signal; /* enum otlp_signal */
    uint64_t number;       /* comes back with the answer */
    uint64_t from, to;     /* positions in the ring of that signal */
};

struct export_answer {
    uint32_t signal, outcome; /* enum reply_outcome */
    uint64_t number;
    int64_t status;         /* of HTTP; 0: there was no answer */
    int64_t retry_after_us; /* 0: it did not say */
    uint64_t rows;          /* in the request … */
    uint64_t rejected;      /* … of which the collector did not take so many */
    char text[256];         /* what went wrong, for people; "" = nothing. Never a header's value */
};

/*
 * The settings: {"endpoint": URL, "headers": {NAME: VALUE}, "headers_file": PATH, "ca_file": PATH, "timeout_ms": N,
 * "gzip": BOOL, "host": NAME, "version": TEXT}; what is not there is not wanted.
 */

#endif
