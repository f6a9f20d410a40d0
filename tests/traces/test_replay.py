"""Playing traces: against the reference, and against servers that are broken on purpose."""

from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from fallbackkeys import EMPTY_STORE, PURE, Device, Policy, snapshot
from fallbackkeys.errors import JSON
from fallbackkeys.traces import Difference, ReferenceServer, Replayed, Step, replay
from fallbackkeys.wire import Response
from tests.builders import CURVE
from tests.traces.builders import (
    ALICE,
    claim,
    delete,
    expect,
    federation_claim,
    given,
    keys,
    pattern,
    raw_upload,
    sync,
    trace,
    upload,
)


def told(replayed: Replayed) -> list[tuple[int, str]]:
    """Step and path of every difference."""
    return [(step.number, difference.path) for step in replayed.failing for difference in step.differences]


class TestReference:
    def test_a_life_of_keys_as_it_should_be(self) -> None:
        story = trace(
            sync(),
            upload("k1", "k2", fallback="f", expected=expect(one_time_key_counts={"$counts": {CURVE: 2}})),
            sync(CURVE, signed_curve25519=2),
            claim(expected=given("k1")),
            federation_claim(expected=given("k2")),
            claim(expected=given("f", fallback=True)),
            claim(expected=given("f", fallback=True)),
            sync(),
            delete(),
            claim(expected=given()),
        )
        replayed = replay(story)
        assert replayed.failing == ()
        assert replayed.trace is story
        assert [step.number for step in replayed.steps] == list(range(1, 11))
        assert [step.step for step in replayed.steps] == list(story.steps)

    def test_a_wrong_expectation_is_told_and_the_rest_still_played(self) -> None:
        replayed = replay(trace(upload("k1"), claim(expected=given("k2")), sync(signed_curve25519=1), sync()))
        assert told(replayed) == [
            (2, f'body.one_time_keys["{ALICE}"].A["{CURVE}:k2"]'),
            (2, f'body.one_time_keys["{ALICE}"].A["{CURVE}:k1"]'),
            (3, "body.device_one_time_keys_count.signed_curve25519"),
        ]
        assert [step.number for step in replayed.failing] == [2, 3]
        assert replayed.failing[1].differences[0] == Difference(
            "body.device_one_time_keys_count.signed_curve25519", "1", "0"
        )

    def test_each_step_has_its_answer_and_the_store_after_it(self) -> None:
        first, second, third = replay(trace(upload("k1"), claim(), delete())).steps
        assert first.response == Response(status=200, body={"one_time_key_counts": {CURVE: 1}})
        assert [
            len(step.store.state(Device(ALICE, "A")).pool(CURVE)) for step in (first, second) if step.store
        ] == [
            1,
            0,
        ]
        assert third.store == EMPTY_STORE

    def test_the_same_every_time(self) -> None:
        story = trace(upload("k1", fallback="f"), claim(), claim(), claim())
        stores = [
            [snapshot.save_store(step.store) for step in replay(story).steps if step.store] for _ in "12"
        ]
        assert stores[0] == stores[1]
        assert len(stores[0]) == 4

    def test_the_policy_is_the_wires_unless_told_otherwise(self) -> None:
        many = trace(upload(*map(str, range(501))))
        assert told(replay(many)) == [(1, "status")]
        assert replay(many, PURE).failing == ()

    @pytest.mark.parametrize("step", [claim("A", "B"), federation_claim("A", "B")])
    def test_the_policy_holds_for_every_kind_of_claim(self, step: Step) -> None:
        assert replay(trace(step)).failing == ()
        assert told(replay(trace(step), Policy(max_devices_in_claim=1))) == [(1, "status")]

    def test_only_a_sync_may_leave_the_counts_out(self) -> None:
        class Terse(ReferenceServer):
            def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
                super().upload(user=user, device=device, body=body, dialects=dialects)
                return Response(status=200, body={})

            def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
                response = super().sync(user=user, device=device, dialects=dialects)
                del response.body["device_one_time_keys_count"]
                return response

        story = trace(upload(expected=expect(one_time_key_counts={"$counts": {}})), sync())
        assert told(replay(story, server=Terse("example.org"))) == [(1, "body.one_time_key_counts")]

    def test_a_refusal_that_was_expected(self) -> None:
        refused = expect(400, "M_BAD_JSON")
        assert replay(trace(raw_upload([], expected=refused), sync())).failing == ()
        assert told(replay(trace(raw_upload({}, expected=refused)))) == [(1, "status")]

    @pytest.mark.parametrize("name", ["stable", "unstable", "draft", "draft-unstable"])
    def test_a_step_speaks_its_dialect(self, name: str) -> None:
        stable = name in {"stable", "draft"}
        body = {"fallback_keys" if stable else "org.matrix.msc2732.fallback_keys": keys("f", fallback=True)}
        members = {
            "stable": "device_unused_fallback_key_types",
            "unstable": "org.matrix.msc2732.device_unused_fallback_key_types",
            "draft": "device_unused_fallback_keys",
            "draft-unstable": "org.matrix.msc2732.device_unused_fallback_keys",
        }
        shown = {member: [CURVE] if other == name else {"$absent": True} for other, member in members.items()}
        uploads = attrs.evolve(raw_upload(body), dialects=(name,))
        syncs = attrs.evolve(sync(), dialects=(name,), expect=pattern(shown))
        assert replay(trace(uploads, syncs)).failing == ()

    def test_several_dialects_at_once(self) -> None:
        members = {"device_unused_fallback_key_types": [CURVE], "device_unused_fallback_keys": [CURVE]}
        syncs = attrs.evolve(sync(), dialects=("stable", "draft"), expect=pattern(members))
        assert replay(trace(upload(fallback="f"), syncs)).failing == ()

    def test_other_servers_answer_as_the_trace_says(self) -> None:
        carol = "@carol:other.org"
        answer: Any = {"one_time_keys": {carol: {"A": keys("c")}}}
        asked = claim(user=carol, expected=expect(one_time_keys=answer["one_time_keys"], failures={}))
        answered = attrs.evolve(asked, remote={"other.org": answer})
        unreachable = expect(one_time_keys={}, failures={"other.org": {}})
        story = trace(
            answered,
            attrs.evolve(answered, expect=unreachable, remote={"other.org": "unreachable"}),
            attrs.evolve(answered, expect=unreachable, remote={}),
            attrs.evolve(answered, expect=unreachable, remote={"third.org": answer}),
        )
        assert replay(story).failing == ()

    def test_the_server_has_the_name_of_the_trace(self) -> None:
        asked = claim(expected=expect(failures={"example.org": {}}))
        assert replay(trace(asked, server_name="other.org")).failing == ()
        assert told(replay(trace(asked))) == [(1, 'body.failures["example.org"]')]

    def test_malformed_ids_are_answered_like_anything_else(self) -> None:
        step = attrs.evolve(upload("k"), user="alice\ud800", expect=expect(400, "M_INVALID_PARAM"))
        assert replay(trace(step, attrs.evolve(sync(), user="\x00", expect=expect(400)))).failing == ()


class TestNoOneTimeKeyTwice:
    def test_a_server_that_keeps_what_it_issued(self) -> None:
        class Forgetful(ReferenceServer):
            """Gives the first key of the pool and leaves it there."""

            def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
                before = self.store
                response = super().claim(user=user, body=body, remote=remote)
                self.store = before
                return response

        story = trace(upload("k1"), claim(), claim(), claim())
        replayed = replay(story, server=Forgetful("example.org"))
        place = f'body.one_time_keys["{ALICE}"].A["{CURVE}:k1"]'
        assert told(replayed) == [(3, place), (4, place)]
        assert replayed.failing[0].differences == (
            Difference(place, "a key that was not returned yet", "a one-time key of step 2 again"),
        )

    @pytest.mark.parametrize("second", ["k1", "another-id"])
    def test_a_server_that_takes_an_issued_key_anew(self, second: str) -> None:
        again = {f"{CURVE}:{second}": keys("k1")[f"{CURVE}:k1"]}
        story = trace(upload("k1"), claim(), raw_upload({"one_time_keys": again}), federation_claim())
        assert replay(story).failing == ()
        assert told(replay(story, server=Amnesiac("example.org"))) == [
            (4, f'body.one_time_keys["{ALICE}"].A["{CURVE}:{second}"]')
        ]

    def test_twice_in_one_answer(self) -> None:
        class Twin(ReferenceServer):
            def federation_claim(self, *, origin: str, body: JSON) -> Response:
                del origin, body
                twins: JSON = {f"{CURVE}:a": "same", f"{CURVE}:b": {"key": "same"}}
                return Response(status=200, body={"one_time_keys": {ALICE: {"A": twins}}})

        (step,) = replay(trace(upload("k1"), federation_claim()), server=Twin("example.org")).failing
        assert [difference.actual for difference in step.differences] == [
            "a one-time key of this answer again"
        ]

    def test_a_fallback_key_may_come_again(self) -> None:
        assert replay(trace(upload(fallback="f"), claim(), claim(), federation_claim())).failing == ()

    def test_a_key_of_both_kinds_may_come_once_as_each_and_then_as_fallback_key(self) -> None:
        body = {
            "one_time_keys": {f"{CURVE}:o": keys("k")[f"{CURVE}:k"]},
            "fallback_keys": {f"{CURVE}:f": keys("k", fallback=True)[f"{CURVE}:k"]},
        }
        assert replay(trace(raw_upload(body), claim(), claim(), claim())).failing == ()

    def test_a_fallback_key_of_a_refused_upload_is_none(self) -> None:
        refused = raw_upload(
            {"fallback_keys": keys("k1"), "one_time_keys": 3}, expected=expect(400, "M_BAD_JSON")
        )
        story = trace(refused, upload("k1"), claim(), upload("k1"), claim())
        assert replay(story).failing == ()
        assert [number for number, _ in told(replay(story, server=Amnesiac("example.org")))] == [5]

    def test_a_removed_device_begins_anew(self) -> None:
        story = trace(upload("k1"), claim(), delete(), upload("k1"), claim(expected=given("k1")))
        assert replay(story).failing == ()

    def test_what_a_removed_device_had_as_fallback_key_is_a_one_time_key_now(self) -> None:
        story = trace(upload(fallback="k1"), delete(), upload("k1"), claim(), upload("k1"), claim())
        assert replay(story).failing == ()
        assert [number for number, _ in told(replay(story, server=Amnesiac("example.org")))] == [6]

    def test_the_same_key_of_two_devices_is_two_keys(self) -> None:
        story = trace(upload("k1"), upload("k1", device="B"), claim("A", "B"))
        assert replay(story).failing == ()

    def test_the_same_public_key_of_two_algorithms_is_two_keys(self) -> None:
        body = {"one_time_keys": {"curve25519:a": "same", "other:a": "same"}}
        ask = [
            attrs.evolve(claim(), body={"one_time_keys": {ALICE: {"A": algorithm}}})
            for algorithm in ("curve25519", "other")
        ]
        assert replay(trace(raw_upload(body), *ask)).failing == ()

    def test_other_servers_keys_are_left_aside(self) -> None:
        carol = "@carol:other.org"
        asked = attrs.evolve(
            claim(user=carol), remote={"other.org": {"one_time_keys": {carol: {"A": keys("c")}}}}
        )
        assert replay(trace(asked, asked)).failing == ()

    def test_a_server_that_accepts_anything_is_no_reason_to_fail(self) -> None:
        class Agreeable(ReferenceServer):
            def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
                del user, device, body, dialects
                return Response(status=200, body={})

        bodies: list[Any] = [[], None, {"fallback_keys": 3}, {"fallback_keys": {"a": {}}}]
        for body in bodies:
            assert replay(trace(raw_upload(body)), server=Agreeable("example.org")).failing == ()

    @pytest.mark.parametrize(
        "answer", [None, 3, {"x": 3}, {"x": {"A": [1]}}, {"x": {"A": {"a:b": {"key": 3}}}}]
    )
    def test_an_answer_of_another_shape_is_no_reason_to_fail(self, answer: Any) -> None:
        class Odd(ReferenceServer):
            def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
                del user, body, remote
                return Response(status=200, body={"one_time_keys": answer})

        assert replay(trace(claim(), claim()), server=Odd("example.org")).failing == ()


class TestARefusalChangesNothing:
    def test_a_server_that_stores_half_of_what_it_refuses(self) -> None:
        class Hasty(ReferenceServer):
            """Stores the fallback key before it looks at the one-time keys."""

            def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
                if isinstance(body, dict):
                    half = {"fallback_keys": body.get("fallback_keys")}
                    super().upload(user=user, device=device, body=half, dialects=dialects)
                return super().upload(user=user, device=device, body=body, dialects=dialects)

        refused = raw_upload(
            {"fallback_keys": keys("f"), "one_time_keys": 3}, device="B", expected=expect(400, "M_BAD_JSON")
        )
        story = trace(upload("k1"), refused)
        assert replay(story).failing == ()
        (step,) = replay(story, server=Hasty("example.org")).failing
        assert step.number == 2
        assert step.differences[0] == Difference(
            f"next sync of {ALICE} B: body.device_unused_fallback_key_types",
            "[] in any order, as before the refusal",
            f'["{CURVE}"]',
        )

    def test_a_server_whose_refused_claim_takes_a_key_of_a_device_seen_only_later(self) -> None:
        class Greedy(ReferenceServer):
            """Takes the keys of the devices it has read so far before it refuses the body."""

            def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
                response = super().claim(user=user, body=body, remote=remote)
                if response.status != 200:
                    super().claim(user=user, body={"one_time_keys": {ALICE: {"A": CURVE}}}, remote={})
                return response

        bad = attrs.evolve(claim(), body={"one_time_keys": {ALICE: {"A": CURVE, "B": 3}}}, expect=expect(400))
        story = trace(upload("k1"), bad)
        assert replay(story).failing == ()
        replayed = replay(story, server=Greedy("example.org"))
        assert told(replayed) == [(2, f"next sync of {ALICE} A: body.device_one_time_keys_count.{CURVE}")]
        assert replayed.failing[0].differences[0].expected == "1, as before the refusal"

    def test_the_order_of_types_and_a_forced_zero_are_no_change(self) -> None:
        class Moody(ReferenceServer):
            """Says the same in other words each time."""

            syncs = 0

            def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
                del user, device, dialects
                Moody.syncs += 1
                odd = Moody.syncs % 2
                body: dict[str, JSON] = {
                    "device_unused_fallback_key_types": ["a", "b"] if odd else ["b", "a"]
                }
                if odd:
                    body["device_one_time_keys_count"] = {CURVE: 0}
                return Response(status=200, body=body)

        refused = raw_upload([], expected=expect(400, "M_BAD_JSON"))
        assert replay(trace(refused), server=Moody("example.org")).failing == ()
        assert Moody.syncs == 2

    def test_a_member_that_appears_is_a_change(self) -> None:
        class Growing(ReferenceServer):
            """Shows one dialect more after each upload."""

            shown = 1

            def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
                self.shown += 1
                return super().upload(user=user, device=device, body=body, dialects=dialects)

            def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
                return super().sync(user=user, device=device, dialects=dialects[: self.shown])

        refused = raw_upload([], expected=expect(400, "M_BAD_JSON"))
        refused = attrs.evolve(refused, dialects=("stable", "unstable"))
        (step,) = replay(trace(refused), server=Growing("example.org")).failing
        (difference,) = step.differences
        assert difference.expected == "nothing, as before the refusal"

    def test_a_sync_that_begins_or_ceases_to_be_refused_is_a_change(self) -> None:
        class Locking(ReferenceServer):
            """Locks everyone out after a refusal."""

            locked = False

            def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
                self.locked = not self.locked
                return super().upload(user=user, device=device, body=body, dialects=dialects)

            def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
                if self.locked:
                    return Response(status=403, body={"errcode": "M_FORBIDDEN"})
                return super().sync(user=user, device=device, dialects=dialects)

        refused = raw_upload([], expected=expect(400, "M_BAD_JSON"))
        replayed = replay(trace(refused, refused), server=Locking("example.org"))
        path = f"next sync of {ALICE} A: status"
        assert told(replayed) == [(1, path), (2, path)]


class TestAnyServer:
    def test_a_server_of_ones_own_is_asked_what_the_steps_say(self) -> None:
        asked: list[Any] = []
        synced: list[Any] = []

        class Recorder:
            def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
                asked.append(("upload", user, device, body, dialects))
                return Response(status=200, body={})

            def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
                asked.append(("claim", user, body, remote))
                return Response(status=200, body={})

            def federation_claim(self, *, origin: str, body: JSON) -> Response:
                asked.append(("federation_claim", origin, body))
                return Response(status=200, body={})

            def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
                synced.append((user, device, dialects))
                return Response(status=200, body={})

            def delete_device(self, *, user: str, device: str) -> Response:
                asked.append(("delete_device", user, device))
                return Response(status=200, body={})

        steps = raw_upload({"x": 1}), claim(remote="unreachable"), federation_claim(), sync(), delete()
        replayed = replay(trace(*steps), server=Recorder())
        assert asked == [
            ("upload", ALICE, "A", {"x": 1}, ("stable",)),
            ("claim", "@bob:example.org", steps[1].body, {"remote": "unreachable"}),
            ("federation_claim", "other.org", steps[2].body),
            ("delete_device", ALICE, "A"),
        ]
        assert set(synced) == {(ALICE, "A", ("stable",))}, "no other dialect than the trace speaks"
        assert all(step.store is None for step in replayed.steps)
        assert told(replayed) == [(4, "body.device_unused_fallback_key_types")]


class Amnesiac(ReferenceServer):
    """Takes one-time keys that it has issued before as new ones."""

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        if not self.store.state(Device(user, device)).pool(CURVE):
            self.store = self.store.with_state(Device(user, device), EMPTY_STORE.state(Device(user, device)))
        return super().upload(user=user, device=device, body=body, dialects=dialects)
