/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_EXPORT_OTLP_H
#define STINT_EXPORT_OTLP_H

/*
 * What a collector is sent: the JSON form of OTLP's ExportTraceServiceRequest and ExportLogsServiceRequest
 * (opentelemetry-proto 1.x: ids in hex, 64-bit numbers as decimal texts, enumerations as numbers). Pure.
 *
 *   {"event":"span", "trace":…, "span":…, "name":…, "start_unix_ns":…}   as GET /v1/spans gives it
 *   {"event":…, "ts":…, "level":…, "service":…, "msg":…}                 as GET /v1/logs and /v1/events do
 *
 * Whom it is about is the resource: service.name, stint.generation, stint.slot, process.pid, host.name; who tells
 * it is the scope. A key that has no place of its own becomes an attribute, stint.KEY.
 */
#include <stddef.h>

enum otlp_signal { OTLP_TRACES, OTLP_LOGS };
#define OTLP_SIGNALS        2

#define OTLP_ATTRIBUTES_MAX 64   /* of one span or line; further ones are counted */
#define OTLP_VALUE_MAX      4096 /* bytes of one attribute; the rest of it is cut off */

const char *otlp_signal_name(enum otlp_signal s); /* "traces", "logs": the end of the path, too */

struct otlp_record {
    const char *json; /* one object; need not end with a NUL */
    size_t bytes;
};

struct otlp_origin {
    const char *host;    /* NULL: not known */
    const char *version; /* of stint */
};

/**
 * otlp_encode - one request with all of @records that can be read.
 * @ret_rows:  how many are in it; the others are no record of this kind
 * @ret_bytes: of the text
 *
 * Return: malloc()ed, with a NUL behind it; NULL: out of memory, or none can be read (@ret_rows 0).
 */
char *otlp_encode(enum otlp_signal signal, const struct otlp_origin *origin,
                  const struct otlp_record *records, size_t n, size_t *ret_rows, size_t *ret_bytes);

#endif
