"""Statements without a driver: SQL with numbered markers, and how each driver wants it written."""

import enum
import re
from collections.abc import Generator, Sequence
from typing import Any, Self, TypeAlias, TypeVar

import attrs

from fallbackkeys.errors import Errcode, Malformed, Rule, quote
from fallbackkeys.keys import check_unicode

T = TypeVar("T")
Parameter: TypeAlias = str | int | bool | None
Row: TypeAlias = Sequence[Any]
"""One row of an answer, by position: a tuple, or what behaves like one. Its columns have different names."""


class Style(enum.Enum):
    """How a driver marks parameters (PEP 249, `paramstyle`)."""

    QMARK = "?"
    """sqlite3, aiosqlite."""
    FORMAT = "%s"
    """psycopg."""
    DOLLAR = "$"
    """asyncpg, psycopg's raw cursors, PostgreSQL itself: `$1`."""


def storable(parameter: Parameter) -> None:
    """Refuse text that is not the same in every database (FK-FORM-10).

    SQLite ends a text at its NUL where it reads JSON, so that a device would be taken for another; PostgreSQL
    has no NUL; and a lone surrogate has no UTF-8.

    Raises:
        Malformed: `M_INVALID_PARAM`; no statement was run.
    """
    if isinstance(parameter, str):
        if "\0" in parameter:
            found = quote(parameter)
            raise Malformed(member=_NAME, rule=Rule.NO_NUL, found=found, errcode=Errcode.INVALID_PARAM)
        check_unicode(parameter, _NAME, Errcode.INVALID_PARAM)


_NAME = "a name"
_MARK = re.compile(r"\$(\d+)")


@attrs.frozen
class Query:
    """SQL text, rendered once for every style. Build one with `of`; call it to bind parameters."""

    text: str
    """With markers `$1`, `$2`, …, each as often as it is needed."""
    _qmark: str
    _format: str
    _order: tuple[int, ...]
    has_rows: bool
    """Whether there are rows to fetch. Not every driver can say so once it has run (psycopg's pipelines)."""

    @classmethod
    def of(cls, text: str) -> Self:
        """Read the text's markers."""
        text = "\n".join(line.rstrip() for line in text.strip().splitlines())
        order = tuple(int(number) - 1 for number in _MARK.findall(text))
        qmark, format_ = (_MARK.sub(style.value, text) for style in (Style.QMARK, Style.FORMAT))
        return cls(text, qmark, format_, order, has_rows=text.startswith("SELECT") or "RETURNING" in text)

    def __call__(self, *parameters: Parameter) -> "Statement":
        """The statement with these parameters, `$1` first.

        Raises:
            Malformed: see `storable`.
        """
        for parameter in parameters:
            storable(parameter)
        return Statement(self, parameters)

    def rendered(self, style: Style, parameters: tuple[Parameter, ...]) -> tuple[str, tuple[Parameter, ...]]:
        """Text and parameters as a driver of this style takes them."""
        if style is Style.DOLLAR:
            return self.text, parameters
        text = self._qmark if style is Style.QMARK else self._format
        return text, tuple([parameters[index] for index in self._order])


@attrs.frozen
class Statement:
    """What a program asks its runner to execute."""

    query: Query
    parameters: tuple[Parameter, ...]

    def rendered(self, style: Style) -> tuple[str, tuple[Parameter, ...]]:
        """Text and parameters as a driver of this style takes them."""
        return self.query.rendered(style, self.parameters)


Program: TypeAlias = Generator[Statement, Sequence[Row], T]
"""An operation: yields statements, is sent the rows of each, and returns its result.

It begins and ends no transaction. It may be run once.
"""
