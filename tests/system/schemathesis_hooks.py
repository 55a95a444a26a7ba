"""Loaded by Schemathesis: signs webhooks as GitHub does, so that what lies behind the signature is tested too.

Only where the headers are such as GitHub sends: a test that leaves one out or breaks it stays as it is.
"""

import hashlib
import hmac
import os
import re

import requests.auth
import schemathesis

HOOK_ID = os.environ["HOOK_ID"]
HOOK_SECRET = os.environ["HOOK_SECRET"].encode()
LOOKS_RIGHT = {"X-GitHub-Hook-ID": re.compile(r"[0-9]{1,18}"), "X-Hub-Signature-256": re.compile(r"sha256=[0-9a-f]{64}")}


def text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value or ""


class Signature(requests.auth.AuthBase):
    def __call__(self, request):
        if all(pattern.fullmatch(text(request.headers.get(name))) for name, pattern in LOOKS_RIGHT.items()):
            body = request.body or b""
            if isinstance(body, str):
                body = body.encode()
            request.headers["X-GitHub-Hook-ID"] = HOOK_ID
            request.headers["X-Hub-Signature-256"] = "sha256=" + hmac.new(HOOK_SECRET, body, hashlib.sha256).hexdigest()
        return request


schemathesis.auth.set_from_requests(Signature()).apply_to(method="POST", path="/api/v1/webhooks/github")
