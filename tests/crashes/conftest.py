"""How often something is killed, and where the counts go."""

import os
from collections.abc import Callable

import pytest

_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


@pytest.fixture
def kills() -> int:
    """Workers killed in the middle of an operation, on each engine: 100, and ten times as many when long."""
    return 1000 if _LONG else 100


@pytest.fixture
def server_kills() -> int:
    """How often a server is killed: 20, and 200 with `HYPOTHESIS_PROFILE=long`."""
    return 200 if _LONG else 20


@pytest.fixture
def fail_overs() -> int:
    """How often a primary is killed and its standby promoted: 5, and 50 when long."""
    return 50 if _LONG else 5


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """Print what was killed (`pytest -s`), and keep it for `pytest --junit-xml`."""

    def tell(what: str, counts: str) -> None:
        record_property(what, counts)
        print(f"\n{what}: {counts}")  # noqa: T201 - the point

    return tell
