"""The numbers of the two policies, and which policies cannot be."""

from typing import Any

import attrs
import pytest

from fallbackkeys import PURE, WIRE, Errcode, Limit, Misuse, Policy, TooLarge
from fallbackkeys.policy import check_limit

LIMITS = [field.name for field in attrs.fields(Policy) if field.name.startswith("max_")]


def limits(name: str, value: int) -> dict[str, Any]:
    return {name: value}


def test_the_pure_policy_has_no_limit() -> None:
    assert LIMITS
    assert {getattr(PURE, name) for name in LIMITS} == {None}
    assert PURE.conflict_errcode == "M_UNKNOWN"


@pytest.mark.requirement(
    "FK-LIMIT-01", "FK-LIMIT-02", "FK-LIMIT-03", "FK-LIMIT-04", "FK-LIMIT-05", "FK-UPLOAD-14", "FK-FORM-12"
)
def test_the_limits_at_the_wire() -> None:
    assert attrs.asdict(WIRE) == {
        "max_keys_in_upload": 500,
        "max_pool": 500,
        "max_algorithms": 16,
        "max_value_bytes": 16_384,
        "max_value_depth": 16,
        "max_devices_in_claim": 10_000,
        "max_remembered": 5_000,
        "max_keys_per_device": 5,
        "conflict_errcode": "M_UNKNOWN",
    }


@pytest.mark.parametrize("name", LIMITS)
def test_no_limit_is_negative(name: str) -> None:
    with pytest.raises(Misuse, match=f"{name} .*-1"):
        Policy(**limits(name, -1))


@pytest.mark.parametrize("name", sorted(set(LIMITS) - {"max_remembered", "max_keys_per_device"}))
def test_a_limit_may_be_zero(name: str) -> None:
    assert getattr(Policy(**limits(name, 0)), name) == 0


@pytest.mark.requirement("FK-MULTI-02")
def test_a_claim_for_several_may_not_be_capped_to_none() -> None:
    """It would give the fallback key alone while one-time keys wait."""
    with pytest.raises(Misuse, match="max_keys_per_device must be at least 1"):
        Policy(max_keys_per_device=0)


@pytest.mark.requirement("FK-UPLOAD-14")
@pytest.mark.parametrize("pool", [{"max_pool": 5}, {}], ids=["a smaller pool", "a pool without limit"])
def test_the_memory_of_issued_keys_is_no_smaller_than_the_pool(pool: dict[str, Any]) -> None:
    """Else a client that retries the upload of a whole pool has some of it issued twice."""
    with pytest.raises(Misuse, match="max_remembered"):
        Policy(max_remembered=4, **pool)


@pytest.mark.parametrize(("memory", "pool"), [(5, 5), (6, 5), (0, 0), (None, 5), (None, None)])
def test_it_may_be_as_large_larger_or_without_bound(memory: int | None, pool: int | None) -> None:
    policy = Policy(max_remembered=memory, max_pool=pool)
    assert (policy.max_remembered, policy.max_pool) == (memory, pool)


@pytest.mark.requirement("FK-FORM-12")
@pytest.mark.parametrize("errcode", Errcode)
def test_a_conflict_is_unknown_or_a_duplicate(errcode: Errcode) -> None:
    if errcode is Errcode.UNKNOWN or "DUPLICATE" in errcode:
        assert Policy(conflict_errcode=errcode).conflict_errcode is errcode
    else:
        with pytest.raises(Misuse, match="conflict_errcode"):
            Policy(conflict_errcode=errcode)


@pytest.mark.parametrize(("allowed", "actual"), [(None, 10**9), (0, 0), (3, 2), (3, 3)])
def test_up_to_a_limit_all_is_well(allowed: int | None, actual: int) -> None:
    check_limit("a claim", Limit.DEVICES_IN_CLAIM, allowed, actual)


@pytest.mark.parametrize(("allowed", "actual"), [(0, 1), (3, 4)])
def test_beyond_it_both_numbers_are_named(allowed: int, actual: int) -> None:
    with pytest.raises(TooLarge) as refused:
        check_limit("a claim", Limit.DEVICES_IN_CLAIM, allowed, actual)
    assert (refused.value.member, refused.value.limit) == ("a claim", Limit.DEVICES_IN_CLAIM)
    assert (refused.value.allowed, refused.value.actual) == (allowed, actual)
    assert refused.value.errcode is Errcode.TOO_LARGE
