"""Trace files for tests, as the JSON that stands in them."""

import copy
import json
from typing import Any

from tests.builders import CURVE

ALICE = "@alice:example.org"
KEY = {"key": "k1", "signatures": {}}

TRACE: Any = {
    "format": 1,
    "id": "one-key",
    "title": "One key is claimed",
    "why": "Somebody waits for it.",
    "level": "spec",
    "source": "CS POST /keys/claim",
    "requirements": ["FK-CLAIM-01"],
    "server_name": "example.org",
    "steps": [
        {
            "do": "upload",
            "user": ALICE,
            "device": "A",
            "body": {"one_time_keys": {f"{CURVE}:k1": KEY}},
            "expect": {"status": 200, "body": {"one_time_key_counts": {"$counts": {CURVE: 1}}}},
        },
        {
            "do": "claim",
            "user": "@bob:example.org",
            "body": {"one_time_keys": {ALICE: {"A": CURVE}}},
            "remote": {"other.org": "unreachable", "third.org": {"one_time_keys": {}}},
            "expect": {"body": {"one_time_keys": {ALICE: {"A": {f"{CURVE}:k1": KEY}}}, "failures": {}}},
        },
        {
            "do": "federation_claim",
            "origin": "other.org",
            "body": {"one_time_keys": 3},
            "expect": {"status": 400, "errcode": ["M_INVALID_PARAM", "M_BAD_JSON"]},
        },
        {
            "do": "sync",
            "user": ALICE,
            "device": "A",
            "dialect": ["stable", "draft"],
            "expect": {"body": {"device_unused_fallback_key_types": {"$set": []}}},
        },
        {"do": "delete_device", "user": ALICE, "device": "A"},
    ],
}
"""A trace with every member and every kind of step."""

MINIMAL: Any = {"format": 1, "id": "minimal", "title": "Nothing much", "steps": TRACE["steps"][:1]}
"""A trace with no member that could be left out."""


def changed(*path: str | int, to: Any = None, document: Any = TRACE) -> Any:
    """The document with one place changed; without `to`, with that place removed."""
    document = copy.deepcopy(document)
    *above, last = path
    target = document
    for step in above:
        target = target[step]
    if to is None:
        del target[last]
    else:
        target[last] = to
    return document


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()
