"""Reading trace files, good and bad."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallbackkeys.errors import FallbackKeysError
from fallbackkeys.traces import (
    ClaimStep,
    DeleteDeviceStep,
    Expectation,
    FederationClaimStep,
    InvalidTrace,
    SyncStep,
    Trace,
    UploadStep,
    parse_trace,
    read_trace,
    replay,
)
from tests.builders import CURVE
from tests.traces.documents import ALICE, MINIMAL, TRACE, changed, encoded


def invalid(data: bytes | str) -> tuple[str, str]:
    """Place and reason why this is no trace."""
    with pytest.raises(InvalidTrace) as caught:
        parse_trace(data.encode() if isinstance(data, str) else data, "some.json")
    assert caught.value.path == "some.json"
    return caught.value.place, caught.value.reason


class TestGood:
    def test_every_member_and_every_kind_of_step(self) -> None:
        upload, claim, federation_claim, sync, delete_device = TRACE["steps"]
        assert parse_trace(encoded(TRACE), "some.json") == Trace(
            id="one-key",
            title="One key is claimed",
            why="Somebody waits for it.",
            level="spec",
            source="CS POST /keys/claim",
            requirements=("FK-CLAIM-01",),
            server_name="example.org",
            steps=(
                UploadStep(
                    user=ALICE,
                    device="A",
                    body=upload["body"],
                    dialects=("stable",),
                    expect=Expectation(status=200, body={"one_time_key_counts": {"$counts": {CURVE: 1}}}),
                ),
                ClaimStep(
                    user="@bob:example.org",
                    body=claim["body"],
                    remote={"other.org": "unreachable", "third.org": {"one_time_keys": {}}},
                    expect=Expectation(body=claim["expect"]["body"]),
                ),
                FederationClaimStep(
                    origin="other.org",
                    body=federation_claim["body"],
                    expect=Expectation(status=400, errcodes=("M_INVALID_PARAM", "M_BAD_JSON")),
                ),
                SyncStep(
                    user=ALICE,
                    device="A",
                    dialects=("stable", "draft"),
                    expect=Expectation(body=sync["expect"]["body"]),
                ),
                DeleteDeviceStep(user=ALICE, device="A", expect=Expectation()),
            ),
        )
        assert delete_device["do"] == "delete_device"
        assert replay(parse_trace(encoded(TRACE), "")).failing == ()

    def test_what_may_be_left_out(self) -> None:
        trace = parse_trace(encoded(MINIMAL), "some.json")
        assert (trace.why, trace.level, trace.source, trace.requirements) == (None, None, None, ())
        assert trace.server_name == "example.org"

    def test_a_claim_by_anyone_and_an_errcode_alone(self) -> None:
        document = changed("steps", 1, "user")
        document["steps"][1]["expect"] = {"status": 400, "errcode": "M_UNKNOWN"}
        step = parse_trace(encoded(document), "").steps[1]
        assert isinstance(step, ClaimStep)
        assert step.user is None
        assert step.expect == Expectation(status=400, errcodes=("M_UNKNOWN",))

    @pytest.mark.parametrize(
        ("literal", "value"),
        [
            ('"\\ud800"', "\ud800"),
            ("-0", -0.0),
            ("0", 0),
            ("1e10", 1e10),
            ("1" * 5000, 1 << 65),
            ("null", None),
            ("[]", []),
            ('{"$set": 3}', {"$set": 3}),
            ('{"\\u0000": {"\\udfff": 1}}', {"\0": {"\udfff": 1}}),
        ],
    )
    def test_a_body_may_be_any_json(self, literal: str, value: Any) -> None:
        data = json.dumps(changed("steps", 0, "body", to="BODY")).replace('"BODY"', literal)
        step = parse_trace(data.encode(), "").steps[0]
        assert isinstance(step, UploadStep)
        assert repr(step.body) == repr(value)

    def test_a_body_deeper_than_a_server_must_read(self) -> None:
        body: Any = {}
        for _ in range(150):
            body = {"a": body}
        trace = parse_trace(encoded(changed("steps", 0, "body", to=body)), "")
        (step, *_) = replay(trace).steps
        assert step.response.body == {"one_time_key_counts": {CURVE: 0}}

    def test_from_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "é.json"
        file.write_bytes(encoded(MINIMAL))
        assert read_trace(file) == parse_trace(encoded(MINIMAL), "")


class TestNoJson:
    @pytest.mark.parametrize(
        ("data", "place", "reason"),
        [
            (b"", "line 1, column 1", "is not JSON: Expecting value"),
            (b'{"format": 1,\n "id": }', "line 2, column 8", "is not JSON: Expecting value"),
            (b"{} {}", "line 1, column 4", "is not JSON: Extra data"),
            (
                b"\xef\xbb\xbf{}",
                "line 1, column 1",
                "is not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig)",
            ),
            (b'{"id": "\xff"}', "", "is not UTF-8: invalid start byte at byte 8"),
            ("{}".encode("utf-16"), "", "is not UTF-8: invalid start byte at byte 0"),
            (b'{"id": NaN}', "id", "is not JSON: it holds NaN"),
            (b'{"id": [-Infinity]}', "id[0]", "is not JSON: it holds -Infinity"),
            (b'{"id": {"a": 1, "b": 2, "a": 1}}', "id", "names the member a twice in one object"),
        ],
    )
    def test_names_the_place_where_there_is_one(self, data: bytes, place: str, reason: str) -> None:
        assert invalid(data) == (place, reason)

    @pytest.mark.parametrize("deep", ["[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000])
    def test_nested_10000_deep(self, deep: str) -> None:
        data = json.dumps(changed("steps", 0, "body", to="BODY")).replace('"BODY"', deep)
        for nested in (deep, data):
            assert invalid(nested) == ("", "is nested deeper than 200 levels")

    def test_the_deepest_that_is_read(self) -> None:
        # The document, the list of steps and the step are three levels.
        for depth, good in ((197, True), (198, False)):
            body = "[" * depth + "]" * depth
            data = json.dumps(changed("steps", 0, "body", to="BODY")).replace('"BODY"', body).encode()
            if good:
                assert parse_trace(data, "").id == "one-key"
            else:
                assert invalid(data) == ("", "is nested deeper than 200 levels")

    def test_the_deepest_pattern_is_compared(self) -> None:
        document = changed("steps", 3, "expect", "body", to="PATTERN")
        pattern = '{"device_unused_fallback_key_types":' + "[" * 38 + "]" * 38 + "}"
        data = json.dumps(document).replace('"PATTERN"', pattern).encode()
        (step,) = replay(parse_trace(data, "")).failing
        assert step.differences[0].path == "body.device_unused_fallback_key_types"
        deeper = data.replace(b"[" * 38, b"[" * 39).replace(b"]" * 38, b"]" * 39)
        assert invalid(deeper) == ("steps[3].expect", "is nested deeper than 40 levels")


class TestUnreadable:
    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidTrace) as caught:
            read_trace(tmp_path / "none.json")
        assert caught.value.reason == "cannot be read: No such file or directory"
        assert str(caught.value) == f"{tmp_path / 'none.json'}: cannot be read: No such file or directory"

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidTrace, match="cannot be read: Is a directory"):
            read_trace(tmp_path)

    def test_is_an_error_of_this_package(self) -> None:
        assert issubclass(InvalidTrace, FallbackKeysError)


class TestFormat:
    @pytest.mark.parametrize(("number", "shown"), [(2, "2"), (0, "0"), (-1, "-1"), (1.5, "1.5")])
    def test_another_version_is_named_before_anything_else(self, number: Any, shown: str) -> None:
        document = {"format": number, "steps": "in a form that nobody knows yet"}
        assert invalid(encoded(document)) == (
            "format",
            f"is the number {shown}; this version of fallbackkeys reads format 1 only",
        )

    def test_no_version(self) -> None:
        assert invalid(encoded(changed("format"))) == ("", "lacks the member format")

    def test_a_version_that_python_takes_for_one(self) -> None:
        assert invalid(encoded(changed("format", to=True)))[0] == "format"


class TestStructure:
    @pytest.mark.parametrize("document", [[], None, 3, "x", [TRACE]])
    def test_no_object(self, document: Any) -> None:
        place, reason = invalid(encoded(document))
        assert place == ""
        assert reason.startswith("must be an object, not ")

    @pytest.mark.parametrize("member", ["id", "title", "steps"])
    def test_required_members(self, member: str) -> None:
        assert invalid(encoded(changed(member))) == ("", f"lacks the member {member}")

    @pytest.mark.parametrize(
        ("path", "value", "place", "reason"),
        [
            (("title",), 3, "title", "must be a string, not the number 3"),
            (("requirements", 0), 3, "requirements[0]", "must be a string, not the number 3"),
            (("steps",), {}, "steps", "must be a list, not an object of 0 members"),
            (("steps", 1), 3, "steps[1]", "must be an object, not the number 3"),
            (
                ("steps", 2, "expect", "status"),
                "x",
                "steps[2].expect.status",
                "must be an integer, not the string x",
            ),
            (
                ("steps", 2, "expect", "status"),
                400.5,
                "steps[2].expect.status",
                "must be an integer, not the number 400.5",
            ),
            (("steps", 2, "expect", "state"), 1, "steps[2].expect", "has the unknown member state"),
            (("steps", 0, "user"), 3, "steps[0].user", "must be a string, not the number 3"),
            (("steps", 0, "users"), 3, "steps[0]", "has the unknown member users"),
            (("steps", 4, "body"), 3, "steps[4]", "has the unknown member body"),
            (("steps", 1, "dialect"), "stable", "steps[1]", "has the unknown member dialect"),
            (("\ud800",), 3, "", "has the unknown member '\\ud800'"),
        ],
    )
    def test_the_place_and_a_reason_for_people(
        self, path: tuple[str | int, ...], value: Any, place: str, reason: str
    ) -> None:
        assert invalid(encoded(changed(*path, to=value))) == (place, reason)

    @pytest.mark.parametrize(
        ("path", "place", "member"),
        [
            (("steps", 0, "do"), "steps[0]", "do"),
            (("steps", 0, "device"), "steps[0]", "device"),
            (("steps", 1, "body"), "steps[1]", "body"),
            (("steps", 2, "origin"), "steps[2]", "origin"),
            (("steps", 3, "user"), "steps[3]", "user"),
            (("steps", 4, "device"), "steps[4]", "device"),
        ],
    )
    def test_what_each_kind_of_step_requires(
        self, path: tuple[str | int, ...], place: str, member: str
    ) -> None:
        assert invalid(encoded(changed(*path))) == (place, f"lacks the member {member}")

    @pytest.mark.parametrize(
        ("path", "value", "words"),
        [
            (("level",), "law", ("spec", "choice", "proposal", "law")),
            (
                ("steps", 0, "do"),
                "fly",
                ("upload", "claim", "federation_claim", "sync", "delete_device", "fly"),
            ),
            (("steps", 3, "dialect"), "klingon", ("stable", "draft-unstable", "klingon")),
            (("steps", 3, "dialect", 1), "klingon", ("stable", "draft-unstable", "klingon")),
            (("steps", 2, "expect", "errcode"), 3, ("a string", "a list", "3")),
        ],
    )
    def test_choices_are_listed(
        self, path: tuple[str | int, ...], value: Any, words: tuple[str, ...]
    ) -> None:
        place, reason = invalid(encoded(changed(*path, to=value)))
        expected_place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
        assert place == expected_place.removeprefix(".")
        assert reason.startswith("must be ")
        for word in words:
            assert word in reason

    @pytest.mark.parametrize(
        "pattern",
        [
            {"$set": 3},
            {"$any_of": {}},
            {"$counts": []},
            {"$counts": {"a": "1"}},
            {"$absent": False},
            {"$x": 1},
        ],
    )
    def test_a_pattern_that_is_none(self, pattern: Any) -> None:
        document = changed("steps", 3, "expect", "body", to={"device_unused_fallback_key_types": pattern})
        place, reason = invalid(encoded(document))
        assert place.startswith("steps[3].expect.body.device_unused_fallback_key_types")
        assert "oneOf" not in reason
        assert "valid under" not in reason

    def test_an_empty_list_of_dialects(self) -> None:
        assert invalid(encoded(changed("steps", 3, "dialect", to=[]))) == (
            "steps[3].dialect",
            "must not be shorter than 1, and is a list of 0",
        )


PLACES: list[tuple[str | int, ...]] = []
"""The path of every value in `TRACE`."""


def _collect(value: Any, path: tuple[str | int, ...]) -> None:
    PLACES.append(path)
    steps: Any = (
        value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for step in steps:
        _collect(value[step], (*path, step))


_collect(TRACE, ())

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 600) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$set", "$any_of", "do", "user", "body"]) | st.text(), inner, max_size=3
        )
    ),
    max_leaves=5,
)


@given(st.sampled_from(PLACES), json_values)
def test_whatever_stands_anywhere_in_a_trace_it_is_played_or_refused(
    path: tuple[str | int, ...], value: Any
) -> None:
    document: Any = {"root": copy.deepcopy(TRACE)}
    target: Any = document
    last: str | int = "root"
    for step in path:
        target, last = target[last], step
    target[last] = value
    try:
        trace = parse_trace(encoded(document["root"]), "")
    except InvalidTrace:
        return
    replay(trace)
