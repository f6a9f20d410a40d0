"""A server per test, and one Node process for all OlmMachines."""

from collections.abc import Iterator

import pytest

from tests.interop.homeserver import Homeserver
from tests.interop.node_machine import Node, node


@pytest.fixture
def server() -> Homeserver:
    return Homeserver()


@pytest.fixture(scope="session")
def process() -> Iterator[Node]:
    with node() as started:
        yield started
