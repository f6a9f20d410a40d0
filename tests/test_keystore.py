"""Many devices in one store: kept apart, claimed in bulk, split and merged over servers, removed."""

from functools import reduce

import pytest

from fallbackkeys import (
    EMPTY,
    EMPTY_STORE,
    WIRE,
    Device,
    DeviceEvent,
    DeviceRemoved,
    DeviceState,
    FallbackKeyNotFlagged,
    FallbackKeyReplaced,
    FallbackKeyUsed,
    IssuedKeyForgotten,
    Key,
    KeyName,
    Limit,
    OneTimeKeyAdded,
    OneTimeKeyConflict,
    OneTimeKeyDropped,
    OneTimeKeyIssued,
    Policy,
    Refusal,
    SeveralFallbackKeys,
    TooLarge,
    Upload,
    Wanted,
    sync,
)
from fallbackkeys.keystore import (
    UNREACHABLE,
    StoreClaimed,
    Stored,
    claim,
    drop,
    merge,
    remove_device,
    split,
    upload,
)
from fallbackkeys.persistent import Map
from tests.builders import (
    ALICE,
    CURVE,
    claimed_ids,
    fallback_key,
    one_time_key,
    stored,
    uploaded,
    with_event,
)

ALICE2 = Device("@alice:example.org", "ALICE2")
BOB = Device("@bob:example.org", "ALICE1")
CAROL = Device("@carol:remote.net", "CAROL1")
DAVE = Device("@dave:other.net:8448", "DAVE1")

# Devices that a server confuses which looks keys up by a prefix, or by ids run together.
LOOKALIKES = [
    Device("@alice:example.org", "AB"),
    Device("@alice:example.org", "ABC"),
    Device("@alice:example.org", "A"),
    Device("@alice:example.org", ""),
    Device("@alice:example.org", "ab"),
    Device("@alice:example.orgA", "B"),
    Device("@alice:example.or", "gAB"),
    Device("@alice:example.org:8448", "AB"),
    Device("@alice:EXAMPLE.org", "AB"),
    Device("@alic:example.org", "AB"),
]


def ids(keys: Map[Wanted, Key]) -> dict[Device, str]:
    return {wanted.device: key.key_id for wanted, key in keys.items()}


class TestStore:
    def test_a_device_never_seen_is_empty(self) -> None:
        assert EMPTY_STORE.state(ALICE) is EMPTY
        assert list(EMPTY_STORE) == []

    def test_devices_come_sorted_by_user_and_device(self) -> None:
        store = EMPTY_STORE
        for device in (BOB, ALICE2, CAROL, ALICE):
            store = stored("a", device=device, store=store)
        assert list(store) == [(device, uploaded("a")) for device in (ALICE, ALICE2, BOB, CAROL)]

    @pytest.mark.requirement("FK-DEVICE-01")
    def test_an_empty_state_leaves_neither_device_nor_user_behind(self) -> None:
        both = stored("b", device=ALICE2, store=stored("a"))
        empty = DeviceState(EMPTY.pools, EMPTY.slots, EMPTY.uploads)
        assert both.with_state(ALICE2, EMPTY) == stored("a")
        assert both.with_state(ALICE2, empty) == stored("a"), "whichever object says that it is empty"
        assert both.with_state(ALICE2, EMPTY).with_state(ALICE, EMPTY) == EMPTY_STORE
        assert both == stored("b", device=ALICE2, store=stored("a")), "the old store is as it was"

    @pytest.mark.parametrize("device", [ALICE2, BOB])
    def test_an_empty_state_of_a_device_never_seen_changes_nothing(self, device: Device) -> None:
        store = stored("a")
        assert store.with_state(device, EMPTY) is store

    @pytest.mark.parametrize(
        ("user_id", "server_name"),
        [
            ("@alice:example.org", "example.org"),
            ("@alice:example.org:8448", "example.org:8448"),
            ("@alice:[1234:5678::abcd]:5678", "[1234:5678::abcd]:5678"),
        ],
    )
    def test_a_users_server_is_what_follows_the_first_colon(self, user_id: str, server_name: str) -> None:
        assert Device(user_id, "D").server_name == server_name


class TestUpload:
    def test_it_says_what_happened_to_which_device(self) -> None:
        a, f = one_time_key("a"), one_time_key("f")
        command = Upload(one_time_keys=(a,), fallback_keys=(f,))
        assert upload(EMPTY_STORE, ALICE, command) == Stored(
            store=stored("a", fallback=f),
            events=(
                DeviceEvent(ALICE, OneTimeKeyAdded(a, 0)),
                DeviceEvent(ALICE, FallbackKeyReplaced(f, used=False)),
            ),
            woken=frozenset({ALICE}),
            notices=(FallbackKeyNotFlagged(f),),
        )

    @pytest.mark.requirement("FK-UPLOAD-05")
    def test_one_that_changes_nothing_gives_the_very_same_store(self) -> None:
        store = stored("a")
        result = upload(store, ALICE, Upload())
        assert result.store is store
        assert (result.events, result.woken) == ((), frozenset())

    @pytest.mark.requirement("FK-UPLOAD-17")
    @pytest.mark.parametrize(
        ("command", "policy", "refusal"),
        [
            (Upload(one_time_keys=(one_time_key("a", "other"),)), Policy(), OneTimeKeyConflict),
            (Upload(fallback_keys=(fallback_key("f"), fallback_key("g"))), Policy(), SeveralFallbackKeys),
            (Upload(one_time_keys=(one_time_key("b"),)), Policy(max_pool=1), TooLarge),
        ],
    )
    def test_a_refusal_goes_through(self, command: Upload, policy: Policy, refusal: type[Refusal]) -> None:
        store = stored("a")
        with pytest.raises(refusal):
            upload(store, ALICE, command, policy=policy)
        assert store == stored("a")


class TestApart:
    @pytest.mark.requirement("FK-DEVICE-03")
    @pytest.mark.parametrize(
        "other", LOOKALIKES[1:], ids=lambda device: f"{device.user_id} {device.device_id}"
    )
    def test_no_device_sees_claims_or_removes_anothers_keys(self, other: Device) -> None:
        device = LOOKALIKES[0]
        store = stored("mine", fallback=fallback_key("f"), device=device)
        assert store.state(other) is EMPTY
        assert claim(store, [Wanted(other, CURVE)]).keys == Map()
        assert remove_device(store, other).store is store

        both = stored("theirs", device=other, store=store)
        assert both.state(device) == store.state(device)
        assert ids(claim(both, [Wanted(device, CURVE)]).keys) == {device: "mine"}
        assert remove_device(both, other).store == store
        assert drop(both, other, [KeyName(CURVE, "mine")]).events == ()

    @pytest.mark.requirement("FK-DEVICE-03", "FK-UPLOAD-03")
    def test_the_same_names_and_keys_may_stand_under_every_device(self) -> None:
        store = EMPTY_STORE
        for device in LOOKALIKES:
            command = Upload(one_time_keys=(one_time_key("a"),), fallback_keys=(fallback_key("f"),))
            store = upload(store, device, command).store
        claimed = claim(store, [Wanted(device, CURVE) for device in LOOKALIKES])
        assert ids(claimed.keys) == dict.fromkeys(LOOKALIKES, "a")
        again = claim(claimed.store, [Wanted(LOOKALIKES[0], CURVE)])
        assert ids(again.keys) == {LOOKALIKES[0]: "f"}
        unused = [sync(again.store.state(device)).unused_fallback_key_types for device in LOOKALIKES]
        assert unused == [(), *[(CURVE,)] * 9]


class TestClaim:
    @pytest.mark.requirement("FK-CLAIM-07", "FK-SYNC-04")
    def test_every_entry_is_answered_on_its_own(self) -> None:
        x = one_time_key("x25519:x")
        store = upload(stored("a", "b"), ALICE, Upload(one_time_keys=(x,))).store
        store = stored(fallback=fallback_key("f"), device=ALICE2, store=store)
        store = stored("c", device=BOB, store=store)
        wanted = [
            Wanted(BOB, CURVE),
            Wanted(ALICE, CURVE),
            Wanted(ALICE, "x25519"),
            Wanted(ALICE2, CURVE),
            Wanted(BOB, "x25519"),
        ]
        assert claim(store, wanted) == StoreClaimed(
            store=reduce(
                with_event,
                [
                    DeviceEvent(BOB, OneTimeKeyIssued(one_time_key("c"))),
                    DeviceEvent(ALICE, OneTimeKeyIssued(one_time_key("a"))),
                    DeviceEvent(ALICE, OneTimeKeyIssued(x)),
                    DeviceEvent(ALICE2, FallbackKeyUsed(fallback_key("f"))),
                ],
                store,
            ),
            keys=Map(
                {
                    Wanted(BOB, CURVE): one_time_key("c"),
                    Wanted(ALICE, CURVE): one_time_key("a"),
                    Wanted(ALICE, "x25519"): x,
                    Wanted(ALICE2, CURVE): fallback_key("f"),
                }
            ),
            events=(
                DeviceEvent(BOB, OneTimeKeyIssued(one_time_key("c"))),
                DeviceEvent(ALICE, OneTimeKeyIssued(one_time_key("a"))),
                DeviceEvent(ALICE, OneTimeKeyIssued(x)),
                DeviceEvent(ALICE2, FallbackKeyUsed(fallback_key("f"))),
            ),
            woken=frozenset({ALICE, ALICE2, BOB}),
        )

    @pytest.mark.requirement("FK-CLAIM-05")
    @pytest.mark.parametrize(
        "wanted",
        [
            Wanted(Device("@nobody:example.org", "ALICE1"), CURVE),
            Wanted(Device("@alice:example.org", "NONE"), CURVE),
            Wanted(ALICE, "x25519"),
            Wanted(ALICE2, CURVE),
        ],
        ids=["user", "device", "algorithm", "exhausted"],
    )
    def test_what_is_unknown_or_exhausted_gets_nothing_and_changes_nothing(self, wanted: Wanted) -> None:
        store = claim(stored("b", device=ALICE2, store=stored("a")), [Wanted(ALICE2, CURVE)]).store
        assert claim(store, [wanted]) == StoreClaimed(store=store, keys=Map(), events=(), woken=frozenset())
        assert claim(store, [wanted]).store is store
        assert ids(claim(store, [wanted, Wanted(ALICE, CURVE)]).keys) == {ALICE: "a"}

    @pytest.mark.requirement("FK-SYNC-04", "FK-CLAIM-04")
    def test_a_used_fallback_key_wakes_nobody(self) -> None:
        wanted = [Wanted(ALICE, CURVE)]
        first = claim(stored(fallback=fallback_key("f")), wanted)
        assert first.woken == {ALICE}
        second = claim(first.store, wanted)
        assert ids(second.keys) == {ALICE: "f"}
        assert second.store is first.store
        assert (second.events, second.woken) == ((), frozenset())

    @pytest.mark.requirement("FK-CLAIM-06", "FK-CLAIM-01")
    def test_of_the_oldest_upload_the_first_in_body_order_is_taken(self) -> None:
        store = stored("b", store=stored("z", "a", "m"))
        taken = []
        for _ in range(4):
            claimed = claim(store, [Wanted(ALICE, CURVE)])
            taken.append(ids(claimed.keys)[ALICE])
            store = claimed.store
        assert taken == ["z", "a", "m", "b"]

    @pytest.mark.requirement("FK-LIMIT-05")
    def test_more_devices_than_allowed_take_no_key(self) -> None:
        store = stored("b", device=ALICE2, store=stored("a"))
        wanted = [Wanted(ALICE, CURVE), Wanted(ALICE2, CURVE)]
        assert len(claim(store, wanted, policy=Policy(max_devices_in_claim=2)).keys) == 2
        with pytest.raises(TooLarge) as refused:
            claim(store, wanted, policy=Policy(max_devices_in_claim=1))
        assert refused.value.limit is Limit.DEVICES_IN_CLAIM
        assert (refused.value.allowed, refused.value.actual) == (1, 2)
        assert ids(claim(store, wanted).keys) == {ALICE: "a", ALICE2: "b"}

    @pytest.mark.requirement("FK-CLAIM-02", "FK-LIMIT-05")
    def test_asking_twice_is_asking_once(self) -> None:
        """An answer has one place for an entry: a second key would be issued and lost."""
        wanted = [Wanted(ALICE, CURVE), Wanted(ALICE, CURVE)]
        claimed = claim(stored("a", "b"), wanted, policy=Policy(max_devices_in_claim=1))
        assert claimed.events == (DeviceEvent(ALICE, OneTimeKeyIssued(one_time_key("a"))),)
        assert claimed_ids(claimed.store.state(ALICE), 2) == ["b", None]

    @pytest.mark.requirement("FK-UPLOAD-14")
    def test_the_policy_bounds_the_memory_too(self) -> None:
        store = claim(stored("a", "b"), [Wanted(ALICE, CURVE)]).store
        policy = Policy(max_pool=1, max_remembered=1)
        claimed = claim(store, [Wanted(ALICE, CURVE)], policy=policy)
        assert claimed.events == (
            DeviceEvent(ALICE, OneTimeKeyIssued(one_time_key("b"))),
            DeviceEvent(ALICE, IssuedKeyForgotten(CURVE, one_time_key("a").fingerprint)),
        )


class TestRemoval:
    @pytest.mark.requirement("FK-DEVICE-01", "FK-DEVICE-02", "FK-SYNC-04")
    def test_a_removed_device_is_one_never_seen(self) -> None:
        store = stored("b", device=ALICE2, store=stored("a", "c", fallback=fallback_key("f")))
        store = claim(store, [Wanted(ALICE, CURVE)]).store
        assert remove_device(store, ALICE) == Stored(
            store=stored("b", device=ALICE2),
            events=(DeviceEvent(ALICE, DeviceRemoved()),),
            woken=frozenset({ALICE}),
        )
        removed = remove_device(store, ALICE).store
        assert removed.state(ALICE) is EMPTY
        assert claim(removed, [Wanted(ALICE, CURVE)]).keys == Map()
        assert claimed_ids(stored("a", store=removed).state(ALICE), 2) == ["a", None]

    @pytest.mark.requirement("FK-DEVICE-01")
    def test_removing_a_device_never_seen_changes_nothing(self) -> None:
        store = stored("a")
        result = remove_device(store, BOB)
        assert result.store is store
        assert (result.events, result.woken) == ((), frozenset())

    @pytest.mark.requirement("FK-DEVICE-04", "FK-SYNC-04")
    def test_dropped_keys_are_neither_issued_nor_remembered(self) -> None:
        store = stored("a", "b")
        names = [KeyName(CURVE, "a"), KeyName(CURVE, "unknown")]
        result = drop(store, ALICE, names)
        assert result.events == (DeviceEvent(ALICE, OneTimeKeyDropped(one_time_key("a"))),)
        assert result.woken == {ALICE}
        assert claimed_ids(result.store.state(ALICE), 2) == ["b", None]
        assert claimed_ids(stored("a", store=result.store).state(ALICE), 3) == ["b", "a", None]
        again = drop(result.store, ALICE, names)
        assert again.store is result.store
        assert (again.events, again.woken) == ((), frozenset())


def test_the_events_of_a_life_give_the_same_store() -> None:
    store = EMPTY_STORE
    replayed = EMPTY_STORE
    for step in (
        lambda store: upload(store, ALICE, Upload(one_time_keys=(one_time_key("a"), one_time_key("b")))),
        lambda store: upload(store, BOB, Upload(fallback_keys=(fallback_key("f"),)), policy=WIRE),
        lambda store: claim(store, [Wanted(BOB, CURVE), Wanted(ALICE, CURVE)]),
        lambda store: upload(store, ALICE, Upload(one_time_keys=(one_time_key("c"),))),
        lambda store: drop(store, ALICE, [KeyName(CURVE, "b")]),
        lambda store: upload(store, BOB, Upload(fallback_keys=(fallback_key("g", "f"),))),
        lambda store: remove_device(store, ALICE),
    ):
        done: Stored | StoreClaimed = step(store)
        assert done.events
        replayed = reduce(with_event, done.events, replayed)
        store = done.store
        assert replayed == store
    assert [(device, sync(state).unused_fallback_key_types) for device, state in store] == [(BOB, ())]


class TestFederation:
    @pytest.mark.requirement("FK-FED-01")
    def test_a_claim_is_split_by_server_in_its_order(self) -> None:
        carol2 = Wanted(Device("@carla:remote.net", "C"), CURVE)
        wanted = [
            Wanted(CAROL, CURVE),
            Wanted(BOB, CURVE),
            Wanted(DAVE, "x25519"),
            carol2,
            Wanted(ALICE, CURVE),
        ]
        local, remote = split(wanted, "example.org")
        assert local == (Wanted(BOB, CURVE), Wanted(ALICE, CURVE))
        assert dict(remote) == {
            "remote.net": (Wanted(CAROL, CURVE), carol2),
            "other.net:8448": (Wanted(DAVE, "x25519"),),
        }

    @pytest.mark.requirement("FK-FED-01")
    @pytest.mark.parametrize(
        "server_name", ["EXAMPLE.org", "example.org.", "example.org:8448", "org", "xample.org", ""]
    )
    def test_server_names_are_compared_character_by_character(self, server_name: str) -> None:
        """Appendices, "Server Name": they "must be treated case-sensitively"."""
        local, remote = split([Wanted(ALICE, CURVE)], server_name)
        assert local == ()
        assert dict(remote) == {"example.org": (Wanted(ALICE, CURVE),)}

    @pytest.mark.requirement("FK-FED-01")
    def test_a_server_without_an_answer_fails_and_the_others_stand(self) -> None:
        eve = Wanted(Device("@eve:again.net", "E"), CURVE)
        asked = Map(
            {
                "remote.net": (Wanted(CAROL, CURVE),),
                "other.net:8448": (Wanted(DAVE, CURVE),),
                "again.net": (eve,),
            }
        )
        local = Map({Wanted(ALICE, CURVE): one_time_key("a")})
        keys, failures = merge(
            local, asked, {"remote.net": {Wanted(CAROL, CURVE): one_time_key("c")}, "again.net": UNREACHABLE}
        )
        assert ids(keys) == {ALICE: "a", CAROL: "c"}
        assert failures == ("again.net", "other.net:8448")

    @pytest.mark.requirement("FK-FED-02", "FK-CLAIM-05")
    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {Wanted(CAROL, "x25519"): one_time_key("x25519:c")},
            {Wanted(CAROL, CURVE): one_time_key("x25519:c")},
            {Wanted(Device("@carol:remote.net", "OTHER"), CURVE): one_time_key("c")},
            {Wanted(DAVE, CURVE): one_time_key("c")},
            {Wanted(ALICE, CURVE): one_time_key("c")},
        ],
        ids=["nothing", "asked under another", "another algorithm", "device", "server's user", "local user"],
    )
    def test_what_was_not_asked_for_is_not_kept(self, answer: dict[Wanted, Key]) -> None:
        asked = Map({"remote.net": (Wanted(CAROL, CURVE),)})
        local = Map({Wanted(ALICE, CURVE): one_time_key("a")})
        assert merge(local, asked, {"remote.net": answer}) == (local, ())

    @pytest.mark.requirement("FK-FED-02")
    def test_nor_is_the_answer_of_a_server_that_was_not_asked(self) -> None:
        asked = Map({"remote.net": (Wanted(CAROL, CURVE),)})
        answers = {"remote.net": {}, "other.net:8448": {Wanted(CAROL, CURVE): one_time_key("c")}}
        assert merge(Map(), asked, answers) == (Map(), ())
