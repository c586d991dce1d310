# SPDX-License-Identifier: GPL-2.0-or-later
# strict.py FILE: OpenMetrics as the reference parser of Prometheus' Python client takes it, which refuses what the
# standard does not allow. Says what is in it; with a wrong text it ends in an exception.
import sys

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    print("there is no prometheus_client (package python3-prometheus-client)")
    sys.exit(77)

with open(sys.argv[1], encoding="utf-8") as text:
    families = list(text_string_to_metric_families(text.read()))
examples = [s.exemplar for f in families for s in f.samples if s.exemplar]
print("families", len(families))
print("samples", sum(len(f.samples) for f in families))
print("services", len({s.labels["service"] for f in families for s in f.samples if "service" in s.labels}))
for e in examples:
    print("exemplar", e.labels["trace_id"], e.value)
