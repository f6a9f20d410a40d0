"""The corners that random commands meet only now and then: each on the core and on both databases."""

from collections.abc import Callable
from typing import Any

import pytest

from fallbackkeys import (
    PURE,
    WIRE,
    Device,
    FallbackFlagOnOneTimeKey,
    FallbackKeyNotFlagged,
    IssuedKeyIgnored,
    KeyInBothKinds,
    KeyName,
    Malformed,
    OneTimeKeyConflict,
    Policy,
    SecondIdIgnored,
    SeveralFallbackKeys,
    TooLarge,
    Upload,
    WaitingKeyKept,
    Wanted,
    sql,
)
from fallbackkeys.sql import Order, Program, Removed
from tests.builders import ALICE, CURVE, fallback_key, one_time_key
from tests.properties.strategies import Drop
from tests.sql.embedding import Database
from tests.sql.machine import SqlAgainstCore


@pytest.fixture
def all_three(sqlite_db: Database, postgresql_db: Database) -> SqlAgainstCore:
    return SqlAgainstCore((sqlite_db, postgresql_db))


def notices(all_three: SqlAgainstCore, command: Upload, device: Device = ALICE) -> list[type]:
    """Upload on all three, which must agree; the kinds of the notices."""
    all_three.upload(device, command)
    all_three.states_and_views_agree()
    return [type(notice) for notice in all_three.last.notices]


def refused(all_three: SqlAgainstCore, command: Upload) -> type[Exception]:
    all_three.upload(ALICE, command)
    all_three.states_and_views_agree()
    kind: type[Exception] = all_three.last[0]
    return kind


@pytest.mark.requirement("FK-SQL-01")
def test_every_notice(all_three: SqlAgainstCore) -> None:
    k1, k2 = one_time_key("k1"), one_time_key("k2")
    assert notices(all_three, Upload(one_time_keys=(k1, k2), fallback_keys=(fallback_key("f"),))) == []
    all_three.claim(ALICE, CURVE, Order.STRICT)
    again = (k1, k2, one_time_key("other", "k2"), one_time_key("f"), one_time_key("k3", fallback=True))
    assert notices(all_three, Upload(one_time_keys=again)) == [
        IssuedKeyIgnored, WaitingKeyKept, SecondIdIgnored, KeyInBothKinds, FallbackFlagOnOneTimeKey,
    ]  # fmt: skip
    assert notices(all_three, Upload(fallback_keys=(one_time_key("k1"),))) == [
        FallbackKeyNotFlagged, KeyInBothKinds,
    ]  # fmt: skip
    both = Upload(one_time_keys=(one_time_key("k9"),), fallback_keys=(fallback_key("k9"),))
    assert notices(all_three, both) == [KeyInBothKinds]


@pytest.mark.requirement("FK-SQL-01")
def test_every_refusal(all_three: SqlAgainstCore) -> None:
    all_three.begin(Policy(max_keys_in_upload=3, max_pool=2, max_algorithms=1), None)
    assert notices(all_three, Upload(one_time_keys=(one_time_key("k1"),))) == []
    two = (fallback_key("f"), fallback_key("g"))
    assert refused(all_three, Upload(fallback_keys=two)) is SeveralFallbackKeys
    conflict = Upload(one_time_keys=(one_time_key("k2"), one_time_key("k1", "other")), fallback_keys=two[:1])
    assert refused(all_three, conflict) is OneTimeKeyConflict
    inner = Upload(one_time_keys=(one_time_key("k2"), one_time_key("k2", "other")))
    assert refused(all_three, inner) is OneTimeKeyConflict
    many = tuple(one_time_key(f"n{number}") for number in range(4))
    for keys in (many, many[:2], (one_time_key("signed_x:a"),)):
        assert refused(all_three, Upload(one_time_keys=keys)) is TooLarge
    assert refused(all_three, Upload(fallback_keys=(fallback_key("signed_x:a"),))) is TooLarge


@pytest.mark.requirement("FK-SQL-01", "FK-UPLOAD-07", "FK-UPLOAD-08")
def test_the_used_mark(all_three: SqlAgainstCore) -> None:
    f, g = fallback_key("f"), fallback_key("g")
    for fallback in (f, fallback_key("f", unsigned={}), fallback_key("renamed", "f"), g, f):
        notices(all_three, Upload(fallback_keys=(fallback,)))
        notices(all_three, Upload(fallback_keys=(fallback,)))
        all_three.states_and_views_agree()
        all_three.claim_many([Wanted(ALICE, CURVE), Wanted(ALICE, "unheard-of")])
        all_three.claim(ALICE, CURVE, Order.RELAXED)
        all_three.states_and_views_agree()


@pytest.mark.requirement("FK-UPLOAD-14", "FK-SQL-02")
def test_an_upload_forgets_what_claims_have_pushed_out(all_three: SqlAgainstCore) -> None:
    all_three.begin(Policy(max_pool=2, max_remembered=2), None)
    keys = tuple(one_time_key(f"k{number}") for number in range(4))
    for start in (0, 2):
        notices(all_three, Upload(one_time_keys=keys[start : start + 2]))
        all_three.claim(ALICE, CURVE, Order.STRICT)
        all_three.claim(ALICE, CURVE, Order.STRICT)
    assert notices(all_three, Upload(one_time_keys=keys[:1])) == []
    assert notices(all_three, Upload(one_time_keys=keys[3:])) == [IssuedKeyIgnored]


def test_what_is_not_there(database: Database) -> None:
    engine = database.engine
    nothing = Removed(rows=0, wakes=False)
    assert database.do(sql.remove(ALICE, engine=engine)) == nothing
    assert database.do(sql.drop(ALICE, [one_time_key("k").name], engine=engine)) == nothing
    assert database.do(sql.prune(ALICE, engine=engine, policy=WIRE)) == nothing
    assert database.do(sql.prune(ALICE, engine=engine, policy=PURE)) == nothing
    assert not database.do(sql.sync_many([], engine=engine))
    assert not database.do(sql.claim_many([], engine=engine)).keys
    assert database.do(sql.claim(ALICE, CURVE, engine=engine)).key is None


def test_dropped_keys_are_gone_and_a_removed_device_begins_anew(all_three: SqlAgainstCore) -> None:
    k1, k2 = one_time_key("k1"), one_time_key("k2")
    notices(all_three, Upload(one_time_keys=(k1, k2)))
    all_three.drop(ALICE, Drop((k1.name, k1.name, fallback_key("none").name)))
    all_three.states_and_views_agree()
    assert notices(all_three, Upload(one_time_keys=(k1,))) == []
    all_three.claim(ALICE, CURVE, Order.STRICT)
    all_three.remove(ALICE)
    all_three.states_and_views_agree()
    assert notices(all_three, Upload(one_time_keys=(k2,))) == []


@pytest.mark.requirement("FK-FORM-10", "FK-SQL-01")
@pytest.mark.parametrize("text", ["D\0junk", "\ud800"], ids=["NUL", "lone surrogate"])
@pytest.mark.parametrize(
    "program",
    [
        lambda text: sql.upload(Device("@a:x", text), Upload(), engine=sql.SQLITE),
        lambda text: sql.claim(Device("@a:x", text), CURVE, engine=sql.SQLITE),
        lambda text: sql.claim(ALICE, text, engine=sql.POSTGRESQL),
        lambda text: sql.claim_many([Wanted(Device(text, "D"), CURVE)], engine=sql.SQLITE),
        lambda text: sql.sync(Device(text, "D"), engine=sql.SQLITE),
        lambda text: sql.sync_many([Device("@a:x", text)], engine=sql.SQLITE),
        lambda text: sql.remove(Device("@a:x", text), engine=sql.POSTGRESQL),
        lambda text: sql.drop(ALICE, [KeyName(CURVE, text)], engine=sql.SQLITE),
    ],
    ids=["upload", "claim", "claim, algorithm", "claim_many", "sync", "sync_many", "remove", "drop"],
)
def test_a_name_that_databases_read_differently_is_refused(
    program: Callable[[str], Program[Any]], text: str
) -> None:
    """SQLite ends a text in JSON at its NUL: a claim for `D\\0junk` would take a key of `D`."""
    with pytest.raises(Malformed):
        next(program(text))
