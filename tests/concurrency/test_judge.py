"""The judge convicts what no order explains, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from fallbackkeys.sql import Order
from tests.concurrency.history import ROLLED_BACK, Operation, read, write
from tests.concurrency.judge import Rule, judge

A = "signed_curve25519"
ALICE = {"user": "@alice:example.org", "device": "ALICE1"}


def _body(prefix: str, *keys: str) -> dict[str, Any]:
    return {f"{A}:{prefix}{key}": {"key": key, "signatures": {}} for key in keys}


def upload(call: int, end: int | None, *keys: str, fallback: str = "", status: int = 200) -> Operation:
    body = {"one_time_keys": _body("o", *keys), "fallback_keys": _body("f", fallback) if fallback else {}}
    return Operation(
        client=call, do="upload", **ALICE, body=body, call=call, returned=end, status=status if end else None
    )


def claim(call: int, end: int | None, key: str = "", status: int = 200) -> Operation:
    got = {ALICE["user"]: {ALICE["device"]: _body("o", key)}} if key else {}
    return Operation(
        client=call,
        do="claim",
        body={"one_time_keys": {ALICE["user"]: {ALICE["device"]: A}}},
        call=call,
        returned=end,
        status=status if end else None,
        result={"one_time_keys": got} if end else None,
    )


def remove(call: int, end: int | None) -> Operation:
    return Operation(
        client=call, do="delete_device", **ALICE, call=call, returned=end, status=200 if end else None
    )


def sync(call: int, end: int, count: int, *unused: str) -> Operation:
    result = {"device_one_time_keys_count": {A: count}, "device_unused_fallback_key_types": list(unused)}
    return Operation(client=call, do="sync", **ALICE, call=call, returned=end, status=200, result=result)


WRONG = {
    "one key to two claims": ([upload(0, 1, "a"), claim(2, 5, "a"), claim(3, 4, "a")], Rule.ONCE),
    "one key again after an upload of it": (
        [upload(0, 1, "a"), claim(2, 3, "a"), upload(4, 5, "a"), claim(6, 7, "a")],
        Rule.ONCE,
    ),
    "one key again after a removal but no upload": (
        [upload(0, 1, "a"), claim(2, 3, "a"), remove(4, 5), claim(6, 7, "a")],
        Rule.ONCE,
    ),
    "a key that nobody uploaded": ([upload(0, 1, "a"), claim(2, 3, "b")], Rule.OFFERED),
    "a key before it was uploaded": ([claim(0, 1, "a"), upload(2, 3, "a")], Rule.OFFERED),
    "the fallback key with one left": ([upload(0, 1, "a", fallback="f"), claim(2, 3, "f")], Rule.LEFT),
    "nothing with one left": ([upload(0, 1, "a"), claim(2, 3)], Rule.LEFT),
    "nothing with more left than unknown claims": (
        [upload(0, 1, "a", "b"), claim(2, None), claim(3, 4)],
        Rule.LEFT,
    ),
    "nothing, for a claim that was rolled back": (
        [upload(0, 1, "a"), claim(2, 9, status=ROLLED_BACK), claim(3, 4)],
        Rule.LEFT,
    ),
    "the younger upload first": (
        [upload(0, 1, "a"), upload(2, 3, "b"), claim(4, 5, "b"), claim(6, 7, "a")],
        Rule.ORDERED,
    ),
    "the younger while the older was locked, then rolled back": (
        [
            upload(0, 1, "a"),
            upload(2, 3, "b"),
            claim(4, 7, status=ROLLED_BACK),
            claim(5, 6, "b"),
            claim(8, 9, "a"),
        ],
        Rule.ORDERED,
    ),
    "half an upload in a sync": (
        [upload(0, 5, "a", fallback="f"), sync(1, 2, 0, A), claim(6, 7, "a")],
        Rule.SNAPSHOT,
    ),
    "an old state in a sync": ([upload(0, 1, "a"), claim(2, 3, "a"), sync(4, 5, 1)], Rule.SNAPSHOT),
}

RIGHT = {
    "an upload at the same time as the claim": [upload(0, 4, "a"), claim(2, 3)],
    "touching intervals overlap": [upload(0, 2, "a"), claim(2, 3)],
    "a claim whose outcome nobody knows": [upload(0, 1, "a"), claim(2, None), claim(3, 4)],
    "an upload whose outcome nobody knows, there": [upload(0, None, "a"), claim(2, 3, "a")],
    "an upload whose outcome nobody knows, not there": [upload(0, None, "a"), claim(2, 3)],
    "keys of one upload in any order": [upload(0, 1, "a", "b"), claim(2, 3, "b"), claim(4, 5, "a")],
    "uploads at the same time in any order": [
        upload(0, 3, "a"),
        upload(1, 2, "b"),
        claim(4, 5, "b"),
        claim(6, 7, "a"),
    ],
    "the younger, while the older is being claimed": [
        upload(0, 1, "a"),
        upload(2, 3, "b"),
        claim(4, 9, "a"),
        claim(5, 6, "b"),
    ],
    "the younger, when an unknown claim may have the older": [
        upload(0, 1, "a"),
        upload(2, 3, "b"),
        claim(4, None),
        claim(5, 6, "b"),
    ],
    "a key again, uploaded anew after a removal": [
        upload(0, 1, "a"),
        claim(2, 3, "a"),
        remove(4, 5),
        upload(6, 7, "a"),
        claim(8, 9, "a"),
    ],
    "nothing after a removal": [upload(0, 1, "a"), remove(2, 3), claim(4, 5)],
    "a removal that nobody heard of": [upload(0, 1, "a"), remove(2, None), claim(4, 5)],
    "either state in a sync at the same time": [
        upload(0, 5, "a", fallback="f"),
        sync(1, 2, 1, A),
        sync(3, 4, 0),
        claim(6, 7, "a"),
    ],
    "the fallback key twice": [upload(0, 1, fallback="f"), claim(2, 3, "f"), sync(4, 5, 0), claim(6, 7, "f")],
}


@pytest.mark.parametrize(("operations", "rule"), WRONG.values(), ids=WRONG.keys())
def test_what_no_order_explains_is_convicted(operations: list[Operation], rule: Rule) -> None:
    assert [finding.rule for finding in judge(operations)] == [rule]


@pytest.mark.parametrize("operations", RIGHT.values(), ids=RIGHT.keys())
def test_what_some_order_explains_is_not(operations: list[Operation]) -> None:
    assert judge(operations) == []


@pytest.mark.requirement("FK-SQL-24")
@pytest.mark.parametrize("case", [name for name, (_, rule) in WRONG.items() if rule is Rule.ORDERED])
def test_the_relaxed_order_is_not_held_to_the_order_of_uploads(case: str) -> None:
    assert judge(WRONG[case][0], order=Order.RELAXED) == []


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    operations = [
        upload(0, 1, "a", fallback="f"),
        claim(2, None),
        claim(3, 4, "f"),
        remove(5, 6),
        sync(7, 8, 0),
    ]
    write(tmp_path / "history.jsonl", operations)
    assert read(tmp_path / "history.jsonl") == operations
