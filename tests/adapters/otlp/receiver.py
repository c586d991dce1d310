# SPDX-License-Identifier: GPL-2.0-or-later
"""receiver.py DEFINITIONS [CERTIFICATE KEY]: an OTLP/HTTP receiver that takes nothing but what OpenTelemetry's own
definition allows. Each request is read by protobuf's JSON parser, which refuses unknown members, wrong types and
numbers out of range; only the ids are made from hex first, as OTLP wants them. Says its port and pid, and then for
each request one line of JSON: {"traces": […]} or {"logs": […]}, each row with its resource, or {"bad": WHY}."""
import base64
import gzip
import http.server
import json
import os
import ssl
import sys
import threading

sys.path.insert(0, sys.argv[1])
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

one_at_a_time = threading.Lock()
IDS = {"traceId": 32, "spanId": 16, "parentSpanId": 16}


def ids_from_hex(value):
    if isinstance(value, list):
        return [ids_from_hex(v) for v in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for key, inner in value.items():
        if key in IDS:
            if not isinstance(inner, str) or len(inner) != IDS[key] or inner.strip("0") == "" or inner != inner.lower():
                raise ValueError(f"{key} is {inner!r}")
            inner = base64.b64encode(bytes.fromhex(inner)).decode()
        made[key] = ids_from_hex(inner)
    return made


def plain(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def attributes(of):
    keys = [a.key for a in of]
    if len(set(keys)) != len(keys):
        raise ValueError(f"an attribute is there twice: {keys}")
    return {a.key: plain(a.value) for a in of}


def span_of(span, resource, scope):
    if len(span.trace_id) != 16 or len(span.span_id) != 8 or not 0 < span.start_time_unix_nano <= span.end_time_unix_nano:
        raise ValueError(f"not a span: {span}")
    return {"resource": resource, "scope": scope, "trace": span.trace_id.hex(), "id": span.span_id.hex(),
            "parent": span.parent_span_id.hex(), "name": span.name, "kind": span.kind, "status": span.status.code,
            "attributes": attributes(span.attributes)}


def log_of(log, resource, scope):
    if not 0 < log.time_unix_nano or not 0 <= log.severity_number <= 24:
        raise ValueError(f"not a line: {log}")
    return {"resource": resource, "scope": scope, "trace": log.trace_id.hex(), "span": log.span_id.hex(),
            "severity": log.severity_number, "body": plain(log.body), "attributes": attributes(log.attributes)}


def read(path, body):
    document = ids_from_hex(json.loads(body.decode("utf-8")))
    if path.endswith("/v1/traces"):
        request = json_format.ParseDict(document, trace_service_pb2.ExportTraceServiceRequest())
        return {"traces": [span_of(span, attributes(r.resource.attributes), s.scope.name)
                           for r in request.resource_spans for s in r.scope_spans for span in s.spans]}
    request = json_format.ParseDict(document, logs_service_pb2.ExportLogsServiceRequest())
    return {"logs": [log_of(log, attributes(r.resource.attributes), s.scope.name)
                     for r in request.resource_logs for s in r.scope_logs for log in s.log_records]}


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = 200, b"{}"
        try:
            if self.headers["Content-Type"] != "application/json":
                raise ValueError(self.headers["Content-Type"])
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            said = read(self.path, body)
        except (ValueError, json_format.ParseError) as why:
            said = {"bad": str(why)}
            status, answer = 400, json.dumps({"code": 3, "message": str(why)}).encode()
        with one_at_a_time:
            print(json.dumps(said), flush=True)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], os.getpid(), flush=True)
server.serve_forever()
