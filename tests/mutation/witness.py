"""A plugin of pytest that tells mutmut when tests were not run: `-p tests.mutation.witness`.

mutmut takes nearly every way in which pytest can fail for a mutant noticed: it would also take one that no
test has met, because pytest did not find the tests. A session that ends for another reason than the outcome
of its tests gets a status here that mutmut calls suspicious, and `run` then fails.
"""

import os

import pytest

SUSPICIOUS = 35


def pytest_sessionfinish(exitstatus: int) -> None:
    """Leave at once, unless every test was found and the first that failed ended the session."""
    trying = "__mutmut_" in os.environ.get("MUTANT_UNDER_TEST", "")
    if trying and exitstatus not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        os._exit(SUSPICIOUS)
