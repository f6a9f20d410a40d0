"""The public API as one page: what `specs/stability.md` promises to keep, drawn from the sources.

Signatures and docstrings are read by griffe, which sees the docstrings of fields too. The page is the API's
snapshot as well: CI fails where it is not what the code says (tests/test_generated.py).
"""

from collections.abc import Iterator

import griffe

PUBLIC = (
    "fallbackkeys",
    "fallbackkeys.wire",
    "fallbackkeys.wire.decode",
    "fallbackkeys.wire.encode",
    "fallbackkeys.keystore",
    "fallbackkeys.snapshot",
    "fallbackkeys.sql",
    "fallbackkeys.signing",
    "fallbackkeys.client",
    "fallbackkeys.client.errors",
    "fallbackkeys.traces",
    "fallbackkeys.testing",
    "fallbackkeys.testing.strategies",
    "fallbackkeys.testing.examination",
    "fallbackkeys.testing.vectors",
    "fallbackkeys.testing.documents",
    "fallbackkeys.testing.html",
    "fallbackkeys.testing.known",
    "fallbackkeys.testing.http",
)
"""The modules whose names are public: those in `__all__`, else those without an underscore."""


def page() -> str:
    package = griffe.load("fallbackkeys", resolve_aliases=True)
    lines = [
        "<!-- Generated from the sources by `python -m tests.generate`. Do not edit. -->",
        "# The public API",
        "",
        "What is public, and for how long it stays, is in [stability.md](stability.md).",
    ]
    seen: set[str] = set()
    for name in PUBLIC:
        module = package if name == "fallbackkeys" else package[name.removeprefix("fallbackkeys.")]
        lines += ["", f"## `{name}`", "", _text(module)]
        for member in _members(module):
            target = member.final_target if isinstance(member, griffe.Alias) else member
            if target.path not in seen:
                seen.add(target.path)
                lines += _describe(member.name, target)
    return "\n".join(lines).rstrip() + "\n"


def _members(module: griffe.Object | griffe.Alias) -> Iterator[griffe.Object | griffe.Alias]:
    exported = module.exports
    names = sorted(str(name) for name in exported) if exported else sorted(_own(module))
    for name in names:
        yield module[name]


def _own(module: griffe.Object | griffe.Alias) -> Iterator[str]:
    for name, member in module.members.items():
        if not name.startswith("_") and not member.is_alias and not member.is_module:
            yield name


def _describe(name: str, member: griffe.Object) -> Iterator[str]:
    """Heading, signature, docstring; of a class its public fields, properties and methods too."""
    yield ""
    if isinstance(member, griffe.Function):
        yield f"### `{name}{_signature(member)}`"
    elif isinstance(member, griffe.Class):
        bases = ", ".join(str(base) for base in member.bases)
        yield f"### class `{name}{f'({bases})' if bases else ''}`"
    else:
        yield f"### `{name}`"
    if text := _text(member):
        yield ""
        yield text
    if isinstance(member, griffe.Class):
        yield from _class_members(member)


def _class_members(member: griffe.Class) -> Iterator[str]:
    rows = []
    for name, inner in member.members.items():
        if name.startswith("_") or not isinstance(inner, griffe.Attribute | griffe.Function):
            continue
        if isinstance(inner, griffe.Function):
            rows.append(f"- `{name}{_signature(inner)}`: {_summary(inner)}")
        elif inner.value is not None and "enum" in str(member.bases).lower():
            rows.append(f"- `{name} = {inner.value}`{_tail(inner)}")
        else:
            default = "" if inner.value is None or "property" in inner.labels else f" = {inner.value}"
            rows.append(f"- `{name}: {inner.annotation}{default}`{_tail(inner)}")
    if rows:
        yield ""
        yield from rows


def _signature(function: griffe.Function) -> str:
    parts: list[str] = []
    keyword_only = False
    for parameter in function.parameters:
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is griffe.ParameterKind.keyword_only and not keyword_only:
            keyword_only = True
            parts.append("*")
        default = "" if parameter.default is None else f" = {parameter.default}"
        parts.append(f"{parameter.name}: {parameter.annotation}{default}")
    return f"({', '.join(parts)}) -> {function.returns}"


def _text(member: griffe.Object | griffe.Alias) -> str:
    return member.docstring.value.strip() if member.docstring else ""


def _summary(member: griffe.Object) -> str:
    return _text(member).partition("\n\n")[0].replace("\n", " ")


def _tail(member: griffe.Object) -> str:
    text = _summary(member)
    return f": {text}" if text else ""
