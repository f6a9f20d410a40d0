"""Which answers match which patterns, and what is said of those that do not."""

from typing import Any

import pytest

from fallbackkeys.traces import Difference, Expectation, compare_answer
from fallbackkeys.wire import Response


def differences(pattern: Any, body: Any, *, sync: bool = False) -> tuple[Difference, ...]:
    return compare_answer(Expectation(body=pattern), Response(status=200, body=body), sync=sync)


def of_member(pattern: Any, value: Any) -> tuple[Difference, ...]:
    """Compare below the open top level."""
    return differences({"member": pattern}, {"member": value})


class TestExactly:
    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            False,
            0,
            1,
            -1,
            2**60,
            1.0,
            -0.0,
            1e300,
            "",
            "é\ud800",
            [],
            {},
            [1, [2]],
            {"a": {"b": []}},
        ],
    )
    def test_a_value_matches_itself_and_no_other(self, value: Any) -> None:
        assert of_member(value, value) == ()
        for other in ("other", 17, None if value is not None else 3, [value], {"a": value}):
            assert of_member(value, other) != ()

    @pytest.mark.parametrize(
        ("pattern", "value"),
        [
            (True, 1),
            (1, True),
            (False, 0),
            (1, 1.0),
            (0, -0.0),
            (0.0, -0.0),
            (1, "1"),
            (None, False),
            ([], {}),
            ({}, []),
            ("", None),
        ],
    )
    def test_what_python_or_a_reader_may_take_for_equal_is_not(self, pattern: Any, value: Any) -> None:
        assert of_member(pattern, value) != ()

    def test_members_of_an_object_have_no_order(self) -> None:
        assert of_member({"a": 1, "b": 2}, {"b": 2, "a": 1}) == ()

    def test_items_of_a_list_have(self) -> None:
        assert of_member([1, 2], [2, 1]) == (
            Difference("body.member[0]", "1", "2"),
            Difference("body.member[1]", "2", "1"),
        )

    def test_lists_of_other_length_differ_as_a_whole(self) -> None:
        assert of_member([1], [1, 2]) == (Difference("body.member", "[1]", "[1, 2]"),)

    def test_below_the_top_level_a_member_too_many_and_one_too_few_differ(self) -> None:
        assert of_member({"a": {"b": 1}}, {"a": {"c": 1}}) == (
            Difference("body.member.a.b", "1", "nothing"),
            Difference("body.member.a.c", "nothing", "1"),
        )

    def test_every_difference_is_told(self) -> None:
        assert len(differences({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 0, "b": {"c": 0, "d": 0}})) == 3

    def test_an_object_of_one_member_without_dollar_is_no_pattern(self) -> None:
        assert of_member({"set": []}, {"set": []}) == ()
        assert of_member({"$set": [], "a": 1}, {"$set": [], "a": 1}) == ()


class TestTopLevel:
    def test_what_the_pattern_lacks_is_not_compared(self) -> None:
        assert differences({"a": 1}, {"a": 1, "b": 2}) == ()

    def test_what_the_answer_lacks_differs(self) -> None:
        assert differences({"a": 1}, {"b": 2}) == (Difference("body.a", "1", "nothing"),)

    def test_without_a_pattern_nothing_is_compared(self) -> None:
        assert differences(None, {"a": 1}) == ()

    def test_a_body_that_is_a_pattern_is_compared_as_a_whole(self) -> None:
        pattern = {"$any_of": [{"a": 1}, {"b": {"$set": [2, 1]}}]}
        assert differences(pattern, {"a": 1}) == ()
        assert differences(pattern, {"b": [1, 2]}) == ()
        (difference,) = differences(pattern, {"a": 1, "c": 0})
        assert difference.path == "body"
        assert difference.expected == '{"a": 1} or {"b": {"$set": [2, 1]}}'

    @pytest.mark.parametrize("pattern", [[], 3, "x"])
    def test_a_body_is_an_object(self, pattern: Any) -> None:
        (difference,) = differences(pattern, {})
        assert (difference.path, difference.actual) == ("body", "{}")

    def test_a_pattern_for_another_kind_of_value_matches_no_body(self) -> None:
        assert differences({"$set": [1]}, {}) == (Difference("body", "[1] in any order", "{}"),)


class TestCounts:
    @pytest.mark.parametrize(
        ("counts", "answer"),
        [
            ({}, {}),
            ({}, {"signed_curve25519": 0}),
            ({"signed_curve25519": 0}, {}),
            ({"a": 1}, {"a": 1, "b": 0}),
            ({"a": 1, "b": 0}, {"a": 1}),
        ],
    )
    def test_left_out_is_zero(self, counts: Any, answer: Any) -> None:
        assert of_member({"$counts": counts}, answer) == ()

    def test_the_algorithm_that_differs_is_named(self) -> None:
        assert of_member({"$counts": {"a": 1, "b": 2}}, {"a": 1, "c": 3}) == (
            Difference("body.member.b", "2", "0"),
            Difference("body.member.c", "0", "3"),
        )

    def test_false_is_no_zero(self) -> None:
        assert of_member({"$counts": {}}, {"a": False}) == (Difference("body.member.a", "0", "false"),)

    @pytest.mark.parametrize("answer", [None, 0, [], "0"])
    def test_anything_but_a_map_differs(self, answer: Any) -> None:
        (difference,) = of_member({"$counts": {"a": 1}}, answer)
        assert difference.expected == 'the counts {"a": 1}'

    def test_a_sync_may_leave_the_whole_map_out(self) -> None:
        pattern: Any = {"device_one_time_keys_count": {"$counts": {}}}
        assert differences(pattern, {}, sync=True) == ()
        assert differences({"device_one_time_keys_count": {"$counts": {"a": 0}}}, {}, sync=True) == ()
        assert differences({"device_one_time_keys_count": {"$counts": {"a": 1}}}, {}, sync=True) == (
            Difference("body.device_one_time_keys_count.a", "1", "0"),
        )
        assert (
            differences({"device_one_time_keys_count": {"$any_of": [{"$counts": {}}]}}, {}, sync=True) == ()
        )

    def test_but_then_it_is_no_empty_object(self) -> None:
        assert len(differences({"device_one_time_keys_count": {}}, {}, sync=True)) == 1
        assert differences({"device_one_time_keys_count": {"$absent": True}}, {}, sync=True) == ()
        assert (
            len(
                differences(
                    {"device_one_time_keys_count": {"$absent": True}},
                    {"device_one_time_keys_count": {}},
                    sync=True,
                )
            )
            == 1
        )

    def test_nor_may_anything_else_be_left_out(self) -> None:
        assert differences({"device_unused_fallback_key_types": {"$set": []}}, {}, sync=True) == (
            Difference("body.device_unused_fallback_key_types", "[] in any order", "nothing"),
        )

    def test_an_upload_may_not(self) -> None:
        assert differences({"one_time_key_counts": {"$counts": {}}}, {}) == (
            Difference("body.one_time_key_counts", "the counts {}", "nothing"),
        )
        assert differences({"device_one_time_keys_count": {"$counts": {}}}, {}) != ()


class TestSet:
    def test_order_does_not_matter(self) -> None:
        assert of_member({"$set": ["b", "a", {"x": 1}]}, [{"x": 1}, "a", "b"]) == ()

    @pytest.mark.parametrize("answer", [["a"], ["a", "b", "b"], ["a", "a"], [], None, {"a": 0, "b": 0}, "ab"])
    def test_members_and_their_number_do(self, answer: Any) -> None:
        assert len(of_member({"$set": ["a", "b"]}, answer)) == 1

    def test_exactly(self) -> None:
        assert of_member({"$set": [1, True]}, [True, 1]) == ()
        assert of_member({"$set": [{"a": 1, "b": 2}]}, [{"b": 2, "a": 1}]) == ()
        assert of_member({"$set": [1, 1]}, [True, 1]) == (
            Difference("body.member", "[1, 1] in any order", "[true, 1]"),
        )


class TestAnyOf:
    def test_any_alternative_will_do(self) -> None:
        pattern = {"$any_of": [1, {"$set": [2, 3]}, {"$absent": True}]}
        assert of_member(pattern, 1) == ()
        assert of_member(pattern, [3, 2]) == ()
        assert differences({"member": pattern}, {}) == ()

    def test_all_are_named_if_none_does(self) -> None:
        assert of_member({"$any_of": [1, 2]}, 3) == (Difference("body.member", "1 or 2", "3"),)

    def test_no_alternative_matches_nothing(self) -> None:
        assert len(of_member({"$any_of": []}, 3)) == 1

    def test_inside_each_other_and_inside_objects(self) -> None:
        pattern = {"a": {"$any_of": [{"$any_of": [1, 2]}, {"b": {"$any_of": [3]}}]}}
        assert of_member(pattern, {"a": 2}) == ()
        assert of_member(pattern, {"a": {"b": 3}}) == ()
        assert of_member(pattern, {"a": {"b": 4}}) != ()


class TestAbsent:
    def test_matches_a_member_that_is_not_there(self) -> None:
        assert differences({"a": {"$absent": True}, "b": {"c": {"$absent": True}}}, {"b": {}}) == ()

    @pytest.mark.parametrize("value", [None, {}, [], 0])
    def test_and_none_that_is(self, value: Any) -> None:
        (difference,) = differences({"a": {"$absent": True}}, {"a": value})
        assert (difference.path, difference.expected) == ("body.a", "nothing")


class TestFailures:
    def test_absent_and_empty_are_the_same(self) -> None:
        for pattern in ({}, {"$absent": True}):
            assert differences({"failures": pattern}, {}) == ()
            assert differences({"failures": pattern}, {"failures": {}}) == ()

    def test_what_stands_under_a_server_is_its_own(self) -> None:
        assert differences({"failures": {"a.org": {}}}, {"failures": {"a.org": {"status": 503}}}) == ()
        assert differences({"failures": {"a.org": {"x": 1}}}, {"failures": {"a.org": None}}) == ()

    def test_the_servers_are_compared(self) -> None:
        (difference,) = differences({"failures": {"a.org": {}}}, {})
        assert (difference.path, difference.actual) == ('body.failures["a.org"]', "nothing")
        (difference,) = differences({"failures": {}}, {"failures": {"a.org": {}}})
        assert (difference.path, difference.expected) == ('body.failures["a.org"]', "nothing")

    def test_one_of_several(self) -> None:
        pattern = {"failures": {"$any_of": [{}, {"a.org": {"status": 1}}]}}
        assert differences(pattern, {}) == ()
        assert differences(pattern, {"failures": {"a.org": {"status": 2}}}) == ()
        assert differences(pattern, {"failures": {"b.org": {}}}) != ()

    def test_no_object_differs(self) -> None:
        assert len(differences({"failures": {}}, {"failures": []})) == 1


class TestStatusAndErrcode:
    def test_a_wrong_status_says_what_was_answered_and_nothing_else(self) -> None:
        body: Any = {"errcode": "M_BAD_JSON", "error": "one_time_keys must be an object\x1b[31m"}
        expect = Expectation(body={"one_time_key_counts": {}})
        assert compare_answer(expect, Response(status=400, body=body)) == (
            Difference("status", "200", "400 M_BAD_JSON one_time_keys must be an object\\x1b[31m"),
        )

    def test_the_status_alone(self) -> None:
        assert compare_answer(Expectation(status=400), Response(status=200, body={})) == (
            Difference("status", "400", "200"),
        )

    def test_any_allowed_errcode_will_do(self) -> None:
        expect = Expectation(status=400, errcodes=("M_UNKNOWN", "M_BAD_JSON"))
        assert compare_answer(expect, Response(status=400, body={"errcode": "M_BAD_JSON"})) == ()

    @pytest.mark.parametrize("body", [{"errcode": "M_OTHER", "error": "no"}, {}, {"errcode": 1}])
    def test_another_one_differs(self, body: Any) -> None:
        expect = Expectation(status=400, errcodes=("M_UNKNOWN", "M_BAD_JSON"))
        (difference,) = compare_answer(expect, Response(status=400, body=body))
        assert difference.path == "body.errcode"
        assert difference.expected == '"M_UNKNOWN" or "M_BAD_JSON"'
        assert difference.actual == {0: "nothing", 1: "1", 2: "M_OTHER no"}[len(body)]

    def test_messages_are_not_compared(self) -> None:
        response = Response(status=400, body={"errcode": "M_UNKNOWN", "error": "whatever"})
        assert compare_answer(Expectation(status=400), response) == ()


class TestDifferencesAreReadable:
    def test_names_that_could_be_misread_are_quoted(self) -> None:
        (difference,) = differences(
            {"a": {"@alice:example.org": {"b c": [0]}}}, {"a": {"@alice:example.org": {"b c": [1]}}}
        )
        assert difference.path == 'body.a["@alice:example.org"]["b c"][0]'

    def test_everything_is_printable_ascii(self) -> None:
        (difference,) = differences({"é\ud800\x1b": {"ü": "\u202e"}}, {"é\ud800\x1b": {"ü": "\x07"}})
        for text in (difference.path, difference.expected, difference.actual):
            assert text.isascii()
            assert text.isprintable()

    def test_long_values_are_cut_where_they_begin_to_differ(self) -> None:
        (difference,) = of_member("a" * 5000 + "b" + "c" * 5000, "a" * 5000 + "d")
        assert len(difference.expected) < 200
        assert difference.expected.startswith("...aaa")
        assert "ab" in difference.expected
        assert difference.expected.endswith("c...")
        assert "ad" in difference.actual

    def test_long_names_are_cut(self) -> None:
        (difference,) = of_member({"x" * 5000: 1}, {})
        assert len(difference.path) < 200


class TestDepth:
    def test_an_answer_far_deeper_than_the_pattern(self) -> None:
        deep: Any = 1
        for _ in range(100_000):
            deep = [deep]
        for pattern in ([1], {"a": 1}, 1, {"$set": [1]}, {"$any_of": [1, [2], {"$set": [3]}]}):
            (difference,) = of_member(pattern, deep)
            assert difference.actual
        while isinstance(deep, list):  # taken apart by hand: the interpreter would recurse
            (deep,) = deep

    def test_a_pattern_as_deep_as_a_trace_may_be(self) -> None:
        pattern: Any = 1
        answer: Any = 2
        for _ in range(95):
            pattern, answer = {"$any_of": [[pattern]]}, [answer]
        (difference,) = of_member(pattern, answer)
        assert difference.path == "body.member"
