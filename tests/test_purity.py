"""No clock, randomness, I/O, logging or globals in the core and the wire; values that cannot change."""

import ast
import inspect
import os
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import cast

import attrs
import pytest

import fallbackkeys
import fallbackkeys.client
import fallbackkeys.snapshot
import fallbackkeys.wire
from fallbackkeys.persistent import Map

ABOVE_THE_CORE = {"__main__", "catalogue", "cli", "signing", "specdata", "testing", "traces"}
ALLOWED_IMPORTS = {
    "abc", "attrs", "base64", "binascii", "canonicaljson", "collections.abc", "contextlib", "enum",
    "fallbackkeys", "functools", "hashlib", "immutables", "itertools", "json", "operator", "re", "typing",
}  # fmt: skip
IMMUTABLE = (int, str, bytes, bool, type(None), Map, frozenset)


def pure_modules() -> list[ModuleType]:
    names = [info.name for info in pkgutil.walk_packages(fallbackkeys.__path__, "fallbackkeys.")]
    return [import_module(name) for name in names if name.split(".")[1] not in ABOVE_THE_CORE]


MODULES = pure_modules()
by_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)


def tree(module: ModuleType) -> ast.Module:
    return ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))


def test_the_rooms_are_looked_at() -> None:
    names = {module.__name__ for module in MODULES}
    assert {"fallbackkeys.transitions", "fallbackkeys.keystore", "fallbackkeys.wire.endpoints"} <= names


@by_module
def test_nothing_impure_is_imported(module: ModuleType) -> None:
    imported = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
    assert {name if name == "collections.abc" else name.split(".")[0] for name in imported} <= ALLOWED_IMPORTS


@by_module
def test_no_module_keeps_state(module: ModuleType) -> None:
    """No `global`, no caches, no mutable module-level value that anything changes; no printing or opening."""
    for node in ast.walk(tree(module)):
        assert not isinstance(node, ast.Global | ast.Nonlocal)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {
                "open",
                "print",
                "input",
                "exec",
                "eval",
                "setattr",
                "delattr",
                "cache",
            }
    for name, value in vars(module).items():
        mutable = isinstance(value, list | set | bytearray) or (isinstance(value, dict) and name != "_SHARED")
        assert not mutable or name.startswith("__"), name


@by_module
def test_every_value_is_frozen(module: ModuleType) -> None:
    classes = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    for cls in classes:
        if attrs.has(cls):
            assert cls.__setattr__ is not object.__setattr__, cls
            assert hasattr(cls, "__slots__"), cls


def test_a_state_is_immutable_all_the_way_down() -> None:
    """Every object that a full store reaches is a frozen class, a tuple, a map or an atom."""
    key = fallbackkeys.Key.parse(
        "signed_curve25519:a", {"key": "k", "signatures": {"@a:b": {}}, "x": [{"y": 1}]}
    )
    command = fallbackkeys.Upload(one_time_keys=(key,), fallback_keys=(key,))
    device = fallbackkeys.Device("@alice:example.org", "A")
    done = fallbackkeys.keystore.upload(fallbackkeys.EMPTY_STORE, device, command)
    claimed = fallbackkeys.keystore.claim(done.store, [fallbackkeys.Wanted(device, "signed_curve25519")])
    started = fallbackkeys.client.ClientState.start(fallbackkeys.client.MSC2732)
    made = fallbackkeys.client.Generated(
        kind=fallbackkeys.client.Kind.FALLBACK, algorithm="signed_curve25519", key_id="a", public="k"
    )
    stepped = fallbackkeys.client.step(started, made, now=0)
    pending: list[object] = [done, claimed, command, fallbackkeys.sync(done.store.state(device)), stepped]
    seen = 0
    while pending:
        value = pending.pop()
        seen += 1
        if isinstance(value, tuple | frozenset):
            pending += value
        elif isinstance(value, Map):
            pending += [*value.keys(), *value.values()]
        elif attrs.has(type(value)):
            names = [field.name for field in attrs.fields(cast("type[attrs.AttrsInstance]", type(value)))]
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                setattr(value, names[0], None)
            pending += [getattr(value, name) for name in names]
        else:
            assert isinstance(value, IMMUTABLE), value
    assert seen > 30


def test_the_callers_objects_are_neither_kept_nor_changed() -> None:
    extra = [1]
    value = {"key": "k", "signatures": {"@a:b": {"ed25519:D": "s"}}, "extra": extra}
    key = fallbackkeys.Key.parse("signed_curve25519:a", value)
    before = key.json
    extra.append(2)
    assert key.json == before
    assert key.value is not key.value


def test_importing_loads_no_heavy_library() -> None:
    """What a homeserver pays for at start-up (and PyNaCl alone would be 50 to 90 ms)."""
    script = (
        "import sys, fallbackkeys.client, fallbackkeys.sql, fallbackkeys.wire, fallbackkeys.snapshot;"
        "print(*sys.modules)"
    )
    # A measurement of coverage would load its own libraries into the child.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-c", script]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    loaded = {name.split(".")[0] for name in shown.split()}
    assert "fallbackkeys" in loaded
    assert not loaded & {
        "signedjson",
        "nacl",
        "click",
        "httpx",
        "hypothesis",
        "jinja2",
        "rich",
        "jsonschema",
        "asyncio",
        "logging",
        "socket",
        "sqlite3",
    }
