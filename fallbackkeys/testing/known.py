"""Findings that a server's author knows of and accepts: a list that holds both ways.

    not_tested = ["FK-FED-02", "federation.given"]

    [[known]]
    id = "#123"
    reason = "The last of two fallback keys wins."
    findings = ["fallback.two-at-once"]
    sometimes = ["parallel.claims.twice"]

The list is strict. What is found and not listed is a problem, and so is what is listed and no longer found: a
list that may be too long hides what comes back.
"""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import attrs

from fallbackkeys.errors import FallbackKeysError, quote
from fallbackkeys.testing.assertions import Strictness
from fallbackkeys.testing.report import Ended, Report, Verdict


@attrs.frozen(kw_only=True, eq=False, str=False)
class KnownError(FallbackKeysError):
    """A list of known findings cannot be read."""

    file: Path
    fault: str
    """What is wrong with it, in words."""

    def __str__(self) -> str:
        return f"{self.file}: {self.fault}"


@attrs.frozen(kw_only=True)
class Known:
    """One thing that a server is known to do otherwise."""

    id: str
    """A name for it, for example of an issue."""
    reason: str
    """Why it is accepted."""
    findings: tuple[str, ...]
    """Ids of what every run reports of it."""
    sometimes: tuple[str, ...] = ()
    """Ids of what a run may report of it, by chance, as of a race."""


@attrs.frozen(kw_only=True)
class KnownList:
    """Everything that is known of a server."""

    entries: tuple[Known, ...] = ()
    not_tested: frozenset[str] | None = None
    """Ids of the requirements and checks of which nothing can be tried; None if that is not compared."""

    def problems(self, report: Report, strictness: Strictness = Strictness.SPECIFICATION) -> Iterator[str]:
        """Compare the list with what a run has found.

        Args:
            report: of a run that was not cut short.
            strictness: which findings must be listed; those that are must be found, whatever they are.

        Yields:
            Each difference, as a line.
        """
        always = {finding: one.id for one in self.entries for finding in one.findings}
        listed = always.keys() | {finding for one in self.entries for finding in one.sometimes}
        found = {finding.id for finding in report.findings}
        for finding in report.findings:
            if finding.id not in listed and finding.verdict in strictness.value:
                yield f"found, and not known: {finding.id}: {finding.title}"
        for finding_id in sorted(always.keys() - found):
            yield f"known, and no longer found: {finding_id} ({always[finding_id]}); take it off the list"
        for result in report.results:
            if result.ended is Ended.OUT_OF_TIME:
                yield f"out of time, so that nothing can be said: {result.id}; give a larger budget"
        if self.not_tested is not None:
            untested = _not_tested(report)
            for one in sorted(untested - self.not_tested):
                yield f"not tested, and not known to be: {one}"
            for one in sorted(self.not_tested - untested):
                yield f"known as not tested, and now tested: {one}; take it off the list"


def _not_tested(report: Report) -> set[str]:
    requirements = {one.id for one, verdict in report.verdicts() if verdict is Verdict.NOT_TESTED}
    return requirements | {result.id for result in report.results if not result.examples}


def read_known(files: Iterable[Path]) -> KnownList:
    """Read lists of known findings as one.

    Args:
        files: in TOML; an id of a finding may be in one entry of one file.

    Raises:
        KnownError: a file cannot be read, or is no such list.
    """
    entries: list[Known] = []
    not_tested: frozenset[str] | None = None
    for file in files:
        document = _document(file)
        met = {finding for one in entries for finding in (*one.findings, *one.sometimes)}
        for number, entry in enumerate(_list(file, document, "known"), 1):
            known = _known(file, entry, f"entry {number} of known")
            for finding in (*known.findings, *known.sometimes):
                if finding in met:
                    raise KnownError(file=file, fault=f"{quote(finding)} is listed twice")
                met.add(finding)
            entries.append(known)
        if "not_tested" in document:
            not_tested = (not_tested or frozenset()) | set(_texts(file, document, "not_tested", "it"))
    return KnownList(entries=tuple(entries), not_tested=not_tested)


def _document(file: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise KnownError(file=file, fault=error.strerror or "cannot be read") from None
    except (ValueError, RecursionError) as error:
        raise KnownError(file=file, fault=f"is no TOML: {error}") from None
    _only(file, document, {"known", "not_tested"}, "it")
    return document


def _known(file: Path, entry: object, place: str) -> Known:
    if not isinstance(entry, dict):
        raise KnownError(file=file, fault=f"{place} must be a table, [[known]]")
    _only(file, entry, {"id", "reason", "findings", "sometimes"}, place)
    for name in ("id", "reason"):
        if not isinstance(entry.get(name), str) or not entry[name].strip():
            raise KnownError(file=file, fault=f"{place} must have {name!r}, a text")
    findings = tuple(_texts(file, entry, "findings", place))
    sometimes = tuple(_texts(file, entry, "sometimes", place))
    if not findings and not sometimes:
        raise KnownError(file=file, fault=f"{place} must name at least one finding")
    return Known(id=entry["id"], reason=entry["reason"], findings=findings, sometimes=sometimes)


def _only(file: Path, table: dict[str, Any], names: set[str], place: str) -> None:
    for name in table.keys() - names:
        raise KnownError(file=file, fault=f"{place} must not have {quote(name)}")


def _list(file: Path, table: dict[str, Any], name: str, place: str = "it") -> Sequence[object]:
    value = table.get(name, [])
    if not isinstance(value, list):
        raise KnownError(file=file, fault=f"{name!r} in {place} must be a list")
    return value


def _texts(file: Path, table: dict[str, Any], name: str, place: str) -> Sequence[str]:
    values = _list(file, table, name, place)
    if not all(isinstance(value, str) for value in values):
        raise KnownError(file=file, fault=f"{name!r} in {place} must be a list of texts")
    return cast("Sequence[str]", values)
