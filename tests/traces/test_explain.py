"""One place and one reason, whatever way a schema is written in."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fallbackkeys.traces.explain import explain

BY_ONE_OF = {
    "properties": {
        "steps": {
            "items": {
                "oneOf": [
                    {
                        "properties": {
                            "do": {"const": "upload"},
                            "user": {"type": "string"},
                            "dialect": {"$ref": "#/$defs/dialect"},
                        },
                        "required": ["do", "user"],
                        "additionalProperties": False,
                    },
                    {
                        "properties": {
                            "do": {"const": "claim"},
                            "body": True,
                            "timeout": {"type": "integer"},
                        },
                        "required": ["do", "body"],
                        "additionalProperties": False,
                    },
                ]
            }
        }
    },
    "$defs": {
        "dialect": {
            "oneOf": [{"$ref": "#/$defs/name"}, {"type": "array", "items": {"$ref": "#/$defs/name"}}]
        },
        "name": {"enum": ["stable", "draft"]},
    },
}

BY_CONDITIONS = {
    "properties": {
        "steps": {
            "items": {
                "required": ["do"],
                "properties": {"do": {"enum": ["upload", "claim"]}},
                "allOf": [
                    {
                        "if": {"properties": {"do": {"const": "upload"}}, "required": ["do"]},
                        "then": {
                            "properties": {
                                "user": {"type": "string"},
                                "dialect": {"$ref": "#/$defs/dialect"},
                            },
                            "required": ["user"],
                        },
                    },
                    {
                        "if": {"properties": {"do": {"const": "claim"}}, "required": ["do"]},
                        "then": {
                            "properties": {"body": True, "timeout": {"type": "integer"}},
                            "required": ["body"],
                        },
                    },
                ],
                "unevaluatedProperties": False,
            }
        }
    },
    "$defs": {
        "dialect": {
            "anyOf": [{"$ref": "#/$defs/name"}, {"type": "array", "items": {"$ref": "#/$defs/name"}}]
        },
        "name": {"enum": ["stable", "draft"]},
    },
}


def explained(schema: Any, document: Any) -> tuple[str, str]:
    return explain(Draft202012Validator(schema).iter_errors(document))


@pytest.mark.parametrize("schema", [BY_ONE_OF, BY_CONDITIONS])
@pytest.mark.parametrize(
    ("step", "place", "reason"),
    [
        ({"do": "upload"}, "steps[1]", "lacks the member user"),
        ({"do": "upload", "user": 3}, "steps[1].user", "must be a string, not the number 3"),
        ({"do": "upload", "user": "a", "x": 1}, "steps[1]", "has the unknown member x"),
        ({"do": "upload", "body": 1}, "steps[1]", "lacks the member user"),
        ({"do": "claim"}, "steps[1]", "lacks the member body"),
        ({"do": "claim", "body": 1, "user": "a"}, "steps[1]", "has the unknown member user"),
        (
            {"do": "claim", "body": 1, "timeout": "x"},
            "steps[1].timeout",
            "must be an integer, not the string x",
        ),
        ({"do": "fly"}, "steps[1].do", "must be upload or claim, not the string fly"),
        ({"do": 3}, "steps[1].do", "must be upload or claim, not the number 3"),
        ({}, "steps[1]", "lacks the member do"),
        (
            {"do": "upload", "user": "a", "dialect": "other"},
            "steps[1].dialect",
            "must be stable or draft or a list, not the string other",
        ),
        (
            {"do": "upload", "user": "a", "dialect": ["draft", "other"]},
            "steps[1].dialect[1]",
            "must be stable or draft, not the string other",
        ),
        (
            {"do": "upload", "user": "a", "dialect": 3},
            "steps[1].dialect",
            "must be stable or draft or a list, not the number 3",
        ),
    ],
)
def test_the_branch_that_was_meant(schema: Any, step: Any, place: str, reason: str) -> None:
    document = {"steps": [{"do": "claim", "body": None}, step, {"do": "claim", "body": 1}]}
    assert explained(schema, document) == (place, reason)


@pytest.mark.parametrize("schema", [BY_ONE_OF, BY_CONDITIONS])
def test_the_first_of_several_errors(schema: Any) -> None:
    steps = [{"do": "claim", "body": 1}] * 12
    steps[2] = {"do": "upload", "user": 3}
    steps[10] = {"do": "upload", "user": 4}
    assert explained(schema, {"steps": steps}) == ("steps[2].user", "must be a string, not the number 3")


@pytest.mark.parametrize(
    ("schema", "value", "reason"),
    [
        ({"type": ["string", "null"]}, [], "must be a string or null, not a list of 0"),
        ({"const": 1}, 2, "must be 1, not the number 2"),
        ({"enum": ["a", None]}, "b", "must be a or null, not the string b"),
        ({"pattern": "^FK-"}, "x", "must match ^FK-, and is the string x"),
        ({"minItems": 1}, [], "must not be shorter than 1, and is a list of 0"),
        ({"minLength": 1}, "", "must not be shorter than 1, and is the string ''"),
        ({"minimum": 100}, 7, "must not be less than 100, and is the number 7"),
        ({"maximum": 5}, 7, "must not be more than 5, and is the number 7"),
        ({"multipleOf": 5}, 7, "must have multipleOf 5, and is the number 7"),
        ({"uniqueItems": True}, [1, 1], "must not hold anything twice"),
        ({"not": {"type": "string"}}, "x", "must be anything but a string, not the string x"),
        ({"not": {"const": 1}}, 1, 'must be anything but what matches {"const": 1}, not the number 1'),
        ({"anyOf": [{"required": ["a"], "minProperties": 1}, {"required": ["b"]}]}, {}, "lacks the member b"),
        ({"anyOf": [{"required": ["a"]}, {"required": ["b"], "minProperties": 1}]}, {}, "lacks the member a"),
        (
            {"anyOf": [{"const": "unreachable"}, {"not": {"type": "string"}}]},
            "down",
            "must be unreachable or anything but a string, not the string down",
        ),
        ({"additionalProperties": False}, {"\ud800\n": 1}, "has the unknown member '\\ud800\\n'"),
        ({"type": "object"}, "x" * 10_000, f"must be an object, not the string {'x' * 77}..."),
    ],
)
def test_reasons(schema: Any, value: Any, reason: str) -> None:
    assert explained({"properties": {"x": schema}}, {"x": value}) == ("x", reason)


def test_a_member_that_must_not_be_there() -> None:
    schema = {"properties": {"x": {"properties": {"y": False}}}}
    assert explained(schema, {"x": {"y": 7}}) == ("x", "has a member that must not be there: the number 7")


def test_the_document_itself_is_the_empty_place() -> None:
    assert explained({"type": "object"}, []) == ("", "must be an object, not a list of 0")
