"""How long the concurrency tests run."""

import os

import pytest


@pytest.fixture
def rounds() -> int:
    """How many times as long: 1, and 20 with `HYPOTHESIS_PROFILE=long`."""
    return 20 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 1
