"""How hard Hypothesis tries: `ci` by default, `HYPOTHESIS_PROFILE=long` for twenty times as many examples."""

import os

from hypothesis import HealthCheck, settings

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
