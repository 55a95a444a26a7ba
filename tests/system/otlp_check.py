"""Reads bodies of OTLP/JSON, one a line, by the official protobuf definitions; a field that these do not know is an error."""

import base64
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def with_bytes(value):
    """OTLP writes ids in hexadecimal, where JSON of protobuf has base64."""
    if isinstance(value, list):
        return [with_bytes(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {k: base64.b64encode(bytes.fromhex(v)).decode() if k in ("traceId", "spanId", "parentSpanId") else with_bytes(v) for k, v in value.items()}


spans = 0
for line in sys.stdin:
    request = json_format.ParseDict(with_bytes(json.loads(line)), ExportTraceServiceRequest())
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                assert len(span.trace_id) == 16 and len(span.span_id) == 8 and len(span.parent_span_id) in (0, 8), span
                assert span.name and 0 < span.start_time_unix_nano <= span.end_time_unix_nano, span
                spans += 1
print(spans)
