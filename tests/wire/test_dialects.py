"""The table of names, and which member of a request is read when several are there."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from fallbackkeys import EMPTY_STORE, Malformed, Misuse, Rule
from fallbackkeys.wire import DIALECTS, STABLE, Dialect, decode, dialects, sync_keys, upload_keys
from tests.builders import ALICE, CURVE, signed_value

UNSTABLE_KEYS = "org.matrix.msc2732.fallback_keys"
UNSTABLE_KEY = "org.matrix.msc2732.fallback_key"
EVERY_MEMBER = ("fallback_keys", UNSTABLE_KEYS, UNSTABLE_KEY)


def fallback_ids(body: dict[str, Any], *names: str) -> list[str]:
    """Ids of the fallback keys that a server which speaks these dialects reads."""
    return [key.key_id for key in decode.upload(body, ALICE, spoken=dialects(names)).keys.fallback_keys]


def keys(key_id: str) -> dict[str, Any]:
    return {f"{CURVE}:{key_id}": signed_value(key_id, fallback=True)}


@pytest.mark.parametrize(
    ("name", "request_members", "sync_member"),
    [
        pytest.param(
            "stable",
            ("fallback_keys",),
            "device_unused_fallback_key_types",
            marks=pytest.mark.requirement("FK-DIALECT-01"),
        ),
        pytest.param(
            "unstable",
            (UNSTABLE_KEYS,),
            "org.matrix.msc2732.device_unused_fallback_key_types",
            marks=pytest.mark.requirement("FK-DIALECT-02"),
        ),
        pytest.param(
            "draft",
            ("fallback_keys",),
            "device_unused_fallback_keys",
            marks=pytest.mark.requirement("FK-DIALECT-03"),
        ),
        pytest.param(
            "draft-unstable",
            (UNSTABLE_KEYS, UNSTABLE_KEY),
            "org.matrix.msc2732.device_unused_fallback_keys",
            marks=pytest.mark.requirement("FK-DIALECT-04"),
        ),
    ],
)
class TestTable:
    def test_the_names(self, name: str, request_members: tuple[str, ...], sync_member: str) -> None:
        expected = Dialect(name=name, request_members=request_members, sync_member=sync_member)
        assert dialects([name]) == (expected,)

    @pytest.mark.requirement("FK-DIALECT-07")
    def test_a_server_reads_the_members_of_its_dialect_and_no_other(
        self, name: str, request_members: tuple[str, ...], sync_member: str
    ) -> None:
        assert sync_member not in EVERY_MEMBER
        for member in EVERY_MEMBER:
            expected = ["f"] if member in request_members else []
            assert fallback_ids({member: keys("f")}, name) == expected
            if member not in request_members:
                assert fallback_ids({member: "no object at all"}, name) == []


def test_the_order_of_the_table_and_the_default() -> None:
    assert [dialect.name for dialect in DIALECTS] == ["stable", "unstable", "draft", "draft-unstable"]
    assert [dialect.name for dialect in STABLE] == ["stable"]


@pytest.mark.requirement("FK-DIALECT-05")
@pytest.mark.parametrize(
    ("body", "names", "expected"),
    [
        (("fallback_keys", UNSTABLE_KEYS), ("stable", "unstable"), "fallback_keys"),
        ((UNSTABLE_KEYS, "fallback_keys"), ("unstable", "stable"), "fallback_keys"),
        ((UNSTABLE_KEYS, "fallback_keys"), ("unstable", "draft"), UNSTABLE_KEYS),
        (("fallback_keys", UNSTABLE_KEYS, UNSTABLE_KEY), ("draft", "draft-unstable"), "fallback_keys"),
        ((UNSTABLE_KEY, UNSTABLE_KEYS), ("draft-unstable",), UNSTABLE_KEYS),
        ((UNSTABLE_KEY, UNSTABLE_KEYS), ("stable", "draft-unstable"), UNSTABLE_KEYS),
        ((UNSTABLE_KEY, UNSTABLE_KEYS), ("stable", "unstable", "draft"), UNSTABLE_KEYS),
        ((UNSTABLE_KEY,), ("stable", "unstable", "draft", "draft-unstable"), UNSTABLE_KEY),
    ],
)
@pytest.mark.parametrize("losing", [keys("loser"), {"": 5}, [], "x", 5, None], ids=ascii)
def test_the_first_in_the_tables_order_wins_and_the_losers_are_not_validated(
    body: tuple[str, ...], names: tuple[str, ...], expected: str, losing: object
) -> None:
    members = {member: keys("winner") if member == expected else losing for member in body}
    assert fallback_ids(members, *names) == ["winner"]


@pytest.mark.requirement("FK-DIALECT-05", "FK-UPLOAD-06")
def test_null_does_not_win() -> None:
    body = {"fallback_keys": None, UNSTABLE_KEYS: None, UNSTABLE_KEY: keys("f")}
    assert fallback_ids(body, "stable", "draft-unstable") == ["f"]
    assert fallback_ids(dict.fromkeys(EVERY_MEMBER), "stable", "draft-unstable") == []


@pytest.mark.requirement("FK-DIALECT-05")
def test_an_empty_object_wins() -> None:
    assert fallback_ids({"fallback_keys": {}, UNSTABLE_KEYS: keys("f")}, "stable", "unstable") == []


@pytest.mark.requirement("FK-DIALECT-05", "FK-FORM-07")
@pytest.mark.parametrize("winner", [[], "", 0, False], ids=ascii)
def test_so_does_what_is_no_object_and_it_is_refused_under_its_name(winner: object) -> None:
    body = {UNSTABLE_KEYS: winner, UNSTABLE_KEY: keys("f")}
    with pytest.raises(Malformed) as refused:
        fallback_ids(body, "unstable", "draft-unstable")
    assert (refused.value.member, refused.value.rule) == (UNSTABLE_KEYS, Rule.OBJECT)


@pytest.mark.requirement("FK-DIALECT-04")
@pytest.mark.parametrize("iterable", [tuple, list, set, iter])
def test_any_iterable_of_dialects_will_do(iterable: Callable[[Iterable[Dialect]], Iterable[Dialect]]) -> None:
    decoded = decode.upload({UNSTABLE_KEY: keys("f")}, ALICE, spoken=iterable(dialects(["draft-unstable"])))
    assert [key.key_id for key in decoded.keys.fallback_keys] == ["f"]


@pytest.mark.requirement("FK-DIALECT-05")
def test_the_order_in_which_a_server_lists_its_dialects_does_not_matter() -> None:
    """They are a set; precedence is the table's."""
    body = {"fallback_keys": keys("stable"), UNSTABLE_KEYS: keys("unstable")}
    decoded = decode.upload(body, ALICE, spoken=DIALECTS[::-1])
    assert [key.key_id for key in decoded.keys.fallback_keys] == ["stable"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["stable"], ["stable"]),
        (["draft-unstable", "stable"], ["stable", "draft-unstable"]),
        (["unstable", "unstable"], ["unstable"]),
        (
            ["draft", "draft-unstable", "unstable", "stable"],
            ["stable", "unstable", "draft", "draft-unstable"],
        ),
    ],
)
def test_dialects_are_found_by_name_in_the_tables_order(names: list[str], expected: list[str]) -> None:
    assert [dialect.name for dialect in dialects(names)] == expected


@pytest.mark.requirement("FK-DIALECT-07")
@pytest.mark.parametrize(
    ("spoken", "found"),
    [
        ((), "none"),
        (["stable"], "'stable'"),
        ("stable", "'s'"),
        (
            [*STABLE, Dialect(name="mine", request_members=("mine",), sync_member="own")],
            "Dialect(name='mine', ",
        ),
    ],
    ids=["none", "names", "a name", "one of its own"],
)
def test_what_is_not_in_the_table_cannot_be_spoken(spoken: Any, found: str) -> None:
    """Else uploads would be answered 200 and their fallback keys lost."""
    sentence = rf"^dialects spoken must be some of DIALECTS, not {re.escape(found)}"
    with pytest.raises(Misuse, match=sentence):
        upload_keys(EMPTY_STORE, "@alice:example.org", "A", {}, spoken=spoken)
    with pytest.raises(Misuse, match=sentence):
        sync_keys(EMPTY_STORE, "@alice:example.org", "A", spoken=spoken)


@pytest.mark.parametrize("names", [[], ["latest"], ["stable", ""], ["Stable"], ["stable", "drafts"]])
def test_a_name_without_dialect_or_no_name_is_the_callers_fault(names: list[str]) -> None:
    with pytest.raises(Misuse, match="stable, unstable, draft, draft-unstable"):
        dialects(names)
