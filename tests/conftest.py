"""How hard Hypothesis tries: `ci` by default, `HYPOTHESIS_PROFILE=long` for twenty times as many examples.

And the databases that tests may ask for (`tests/databases/fixtures.py`).
"""

import os

from hypothesis import HealthCheck, settings

from tests.databases.fixtures import new_postgres, postgres, postgres_installation, postgres_url

__all__ = ["new_postgres", "postgres", "postgres_installation", "postgres_url"]

# A slow machine is no reason to fail, neither for one example (deadline) nor for making them (health check).
settings.register_profile(
    "ci",
    max_examples=100,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("long", settings.get_profile("ci"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
