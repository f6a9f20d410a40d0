"""vodozemac 0.10.0, with real Olm accounts and sessions: first alone, then kept by the client machine."""

import enum
from collections.abc import Callable, Iterator

import attrs
import pytest
import vodozemac

from fallbackkeys import IssuedKeyIgnored, WaitingKeyKept
from fallbackkeys.client import MSC2732, ForgetPreviousFallbackKey, Tick, Topic, step
from tests.interop.homeserver import CURVE, Homeserver
from tests.interop.vodozemac_device import Clock, Letter, OlmDevice, write, write_on

HOUR = 3_600_000
DAY = 24 * HOUR


def no_key() -> pytest.RaisesExc[vodozemac.SessionCreationException]:
    """vodozemac has no private half for the key that a message names."""
    return pytest.raises(vodozemac.SessionCreationException, match="unknown one-time key")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def alice(server: Homeserver, clock: Clock) -> OlmDevice:
    """A device with a full pool and a fallback key on the server."""
    device = OlmDevice(server, clock)
    device.identify()
    device.settle()
    assert (server.counts(device.device), server.unused(device.device)) == ({CURVE: 50}, [CURVE])
    return device


@pytest.fixture(autouse=True)
def nothing_to_note(server: Homeserver) -> Iterator[None]:
    """Whatever happens, no fallback key lacks its flag, and no key comes twice but in a repeated upload."""
    yield
    unexpected = [
        notice for notice in server.notices if not isinstance(notice, WaitingKeyKept | IssuedKeyIgnored)
    ]
    assert unexpected == []


def fallback(device: OlmDevice) -> str:
    """The public fallback key that the server has."""
    key = device.server.fallback_key(device.device)
    assert key is not None
    return key.public_key


def rotated(device: OlmDevice) -> None:
    """Use up what the server has, and let the machine rotate."""
    device.server.drain(device.device)
    assert device.receive(write(device, b"use")) == b"use"
    device.clock.now += HOUR
    device.settle()


# --- The library alone: what an embedder has to avoid ---


def first_letter(account: vodozemac.Account, public: vodozemac.Curve25519PublicKey) -> Letter:
    stranger = vodozemac.Account()
    session = stranger.create_outbound_session(account.curve25519_key, public)
    return Letter(stranger.curve25519_key, session.encrypt(b"hello"))


def published(account: vodozemac.Account) -> vodozemac.Curve25519PublicKey:
    """A fallback key that the server has."""
    account.generate_fallback_key()
    (public,) = account.fallback_key.values()
    account.mark_keys_as_published()
    return public


def test_alone_it_accepts_a_replay_on_a_fallback_key() -> None:
    account = vodozemac.Account()
    letter = first_letter(account, published(account))
    sessions = [account.create_inbound_session(letter.sender, letter.message.to_pre_key()) for _ in range(2)]
    assert [text for _, text in sessions] == [b"hello", b"hello"]
    assert sessions[0][0].session_id == sessions[1][0].session_id


def test_alone_two_generates_evict_the_only_published_key() -> None:
    account = vodozemac.Account()
    letter = first_letter(account, published(account))
    account.generate_fallback_key()
    account.generate_fallback_key()
    with no_key():
        account.create_inbound_session(letter.sender, letter.message.to_pre_key())


def test_alone_it_marks_as_published_what_was_made_while_an_upload_was_in_flight() -> None:
    account = vodozemac.Account()
    account.generate_one_time_keys(1)
    in_flight = account.one_time_keys
    account.generate_one_time_keys(1)
    account.generate_fallback_key()
    assert len(account.one_time_keys) == 2 > len(in_flight)
    account.mark_keys_as_published()  # the answer to the first upload
    assert (account.one_time_keys, account.fallback_key) == ({}, {})


def test_alone_it_counts_the_ids_of_both_kinds_from_the_same_number() -> None:
    account = vodozemac.Account()
    account.generate_one_time_keys(1)
    account.generate_fallback_key()
    assert account.one_time_keys.keys() == account.fallback_key.keys()


def test_alone_it_cannot_forget() -> None:
    """In Rust there is `forget_fallback_key`; the day the binding has it, `can_forget` becomes true."""
    assert not hasattr(vodozemac.Account, "forget_fallback_key")


# --- Kept by the machine ---


@pytest.mark.requirement("FK-UPLOAD-15", "FK-CLIENT-07")
def test_one_name_for_both_kinds_is_uploaded_and_claimed_as_two_keys(alice: OlmDevice) -> None:
    _, body = alice.server.uploads[-1]
    both = body["one_time_keys"].keys() & body["fallback_keys"].keys()
    assert both == {f"{CURVE}:AAAAAAAAAAA"}
    claimed = {value["key"] for value in (alice.server.claim_one(alice.device)[1] for _ in range(51))}
    assert len(claimed) == 51


@pytest.mark.requirement("FK-CLIENT-02")
def test_two_senders_on_one_fallback_key_then_rotation_and_retention(alice: OlmDevice, clock: Clock) -> None:
    first = fallback(alice)
    alice.server.drain(alice.device)
    letters = [write(alice, text) for text in (b"from Bob", b"from Carol")]
    late, too_late = (write_on(alice, first, text) for text in (b"late", b"too late"))
    assert [alice.receive(letter) for letter in letters] == [b"from Bob", b"from Carol"]
    alice.settle()
    assert fallback(alice) == first  # not yet an hour after the key before it

    clock.now += HOUR
    alice.settle()
    second = fallback(alice)
    assert second != first
    assert alice.receive(late) == b"late"  # on the previous key

    # The new key is used at once. Its successor would evict the first one, so it waits for the hold: an hour
    # after the acknowledgement, and after the first use.
    alice.server.drain(alice.device)
    assert alice.receive(write(alice, b"on the second")) == b"on the second"
    clock.now += HOUR - 1
    alice.settle()
    assert fallback(alice) == second
    clock.now += 1
    alice.settle()
    third = fallback(alice)
    assert third not in (first, second)
    with no_key():
        alice.receive(too_late)
    assert alice.receive(write_on(alice, second, b"on the previous")) == b"on the previous"


@pytest.mark.requirement("FK-CLIENT-02")
def test_without_a_further_rotation_the_binding_keeps_the_previous_key(
    alice: OlmDevice, clock: Clock
) -> None:
    """What does not hold with this binding, and what would with one that can forget."""
    first = fallback(alice)
    rotated(alice)
    clock.now += 30 * DAY
    alice.settle()
    assert fallback(alice) != first
    assert alice.receive(write_on(alice, first, b"after a month")) == b"after a month"

    # The same facts, under a policy that says that the library can.
    able = attrs.evolve(alice.kept.state, policy=attrs.evolve(MSC2732, can_forget=True))
    outputs = step(able, Tick(), now=clock.now + 2 * HOUR).outputs
    assert [output for output in outputs if isinstance(output, ForgetPreviousFallbackKey)] == [
        ForgetPreviousFallbackKey(algorithm=CURVE, public=first)
    ]


def lose_sessions(device: OlmDevice) -> None:
    device.sessions.clear()


def reboot(device: OlmDevice) -> None:
    device.sessions.clear()
    device.boot()


def keep_all(_: OlmDevice) -> None:
    pass


@pytest.mark.requirement("FK-CLIENT-11")
@pytest.mark.parametrize("then", [keep_all, lose_sessions, reboot, rotated])
def test_a_replay_is_refused(alice: OlmDevice, then: Callable[[OlmDevice], None]) -> None:
    alice.server.drain(alice.device)
    letter = write(alice, b"once")
    assert alice.receive(letter) == b"once"
    then(alice)
    assert alice.receive(letter) is None


@pytest.mark.requirement("FK-CLIENT-11")
def test_a_replay_after_the_key_is_gone_is_refused_by_the_library(alice: OlmDevice) -> None:
    alice.server.drain(alice.device)
    letter = write(alice, b"once")
    assert alice.receive(letter) == b"once"
    for _ in range(3):
        rotated(alice)
    lose_sessions(alice)
    with no_key():
        alice.receive(letter)


@pytest.mark.requirement("FK-CLIENT-06")
def test_nothing_is_made_while_an_upload_is_in_flight(alice: OlmDevice, clock: Clock) -> None:
    """So marking everything as published marks what the server has, and nothing else."""
    alice.server.drain(alice.device)
    clock.now += HOUR
    alice.sync()
    sent = alice.send()
    assert sent is not None
    upload, response = sent
    made = (alice.kept.account.one_time_keys.keys(), alice.kept.account.fallback_key.keys())
    for _ in range(3):
        clock.now += HOUR // 100
        alice.server.drain(alice.device)
        alice.sync(device_unused_fallback_key_types=[])
    assert (alice.kept.account.one_time_keys.keys(), alice.kept.account.fallback_key.keys()) == made
    alice.kept.answered(upload, response.status, response.body)
    alice.settle()
    assert alice.kept.account.fallback_key == {}
    current = alice.kept.state.algorithms[CURVE].current
    assert current is not None
    assert current.public == fallback(alice)
    on_server = {
        value["key"] for _, body in alice.server.uploads for value in body.get("one_time_keys", {}).values()
    }
    assert len(on_server) == 3 * 50  # of the fixture, of the upload in flight, and of the one after it


@pytest.mark.requirement("FK-CLIENT-14")
def test_a_late_answer_settles_the_repetition_too(alice: OlmDevice, clock: Clock) -> None:
    alice.server.drain(alice.device)
    clock.now += HOUR
    alice.sync()
    sent = alice.send()
    assert sent is not None
    for _ in range(2):  # given up, and asked for again
        clock.now += HOUR
        alice.sync()
    upload, response = sent
    assert alice.kept.upload == upload
    alice.kept.answered(upload, response.status, response.body)
    assert alice.upload() is None


@pytest.mark.requirement("FK-CLIENT-05", "FK-CLIENT-14")
def test_what_the_list_says_decides(alice: OlmDevice, clock: Clock) -> None:
    """An unused key stays; a used one is replaced within the hour, not after a week."""
    first = fallback(alice)
    for _ in range(5):
        clock.now += 30 * DAY
        alice.settle()
    assert fallback(alice) == first
    alice.server.drain(alice.device)
    write(alice, b"under way")
    alice.settle()
    assert fallback(alice) != first


@pytest.mark.requirement("FK-CLIENT-01")
def test_the_only_published_key_is_never_evicted(alice: OlmDevice, clock: Clock) -> None:
    """Uploads get lost for a month, and the server says all along that its key is used."""
    first = fallback(alice)
    alice.server.drain(alice.device)
    clock.now += HOUR
    for _ in range(60):
        alice.sync(device_unused_fallback_key_types=[])
        upload = alice.kept.take_upload()
        if upload is not None:
            alice.kept.answered(upload, None, {})
        clock.now += DAY // 2
    assert fallback(alice) == first
    assert alice.receive(write(alice, b"still there")) == b"still there"
    alice.settle()
    assert fallback(alice) != first
    assert alice.receive(write_on(alice, first, b"even now")) == b"even now"


class Death(enum.Enum):
    """When the process is killed."""

    SAVING_NEW_KEYS = enum.auto()
    BEFORE_SENDING = enum.auto()
    BEFORE_THE_ANSWER = enum.auto()
    SAVING_THE_ANSWER = enum.auto()


@pytest.mark.requirement("FK-CLIENT-07")
@pytest.mark.parametrize("death", Death)
def test_an_id_stands_for_one_key_whenever_the_process_dies(
    alice: OlmDevice, clock: Clock, death: Death
) -> None:
    class KilledError(Exception):
        pass

    def die() -> None:
        raise KilledError

    alice.server.drain(alice.device)
    clock.now += HOUR
    if death is Death.SAVING_NEW_KEYS:
        alice.kept.save = die
        with pytest.raises(KilledError):
            alice.sync()
    else:
        alice.sync()
    if death in (Death.BEFORE_THE_ANSWER, Death.SAVING_THE_ANSWER):
        sent = alice.send()
        assert sent is not None
        upload, response = sent
        if death is Death.SAVING_THE_ANSWER:
            alice.kept.save = die
            with pytest.raises(KilledError):
                alice.kept.answered(upload, response.status, response.body)
    alice.boot()
    clock.now += HOUR
    alice.settle()
    assert_one_key_per_id(alice.server)
    assert alice.server.counts(alice.device) == {CURVE: 50}
    for _ in range(51):
        assert alice.receive(write(alice, b"fine")) == b"fine"


def assert_one_key_per_id(server: Homeserver) -> None:
    for member in ("one_time_keys", "fallback_keys"):
        pairs = {
            (name, value["key"]) for _, body in server.uploads for name, value in body.get(member, {}).items()
        }
        assert len(pairs) == len({name for name, _ in pairs}) == len({key for _, key in pairs})


@pytest.mark.requirement("FK-CLIENT-08", "FK-CLIENT-14")
def test_a_device_set_back_to_a_backup_recovers(alice: OlmDevice, clock: Clock) -> None:
    """Account and snapshot of a week ago: the server has other keys under the ids that come next."""
    backup = alice.disk
    rotated(alice)
    alice.disk = backup
    alice.boot()
    for _ in range(30):
        alice.server.claim_one(alice.device)
    clock.now += HOUR
    alice.sync(device_unused_fallback_key_types=[])
    assert alice.upload() == 400
    assert [report.topic for report in alice.kept.reports] == [Topic.CONFLICT]
    # The fallback key does not wait for the one-time keys.
    assert alice.upload() == 200
    assert list(alice.server.uploads[-1][1]) == ["fallback_keys"]
    for _ in range(3):
        clock.now += HOUR
        alice.settle()
    assert alice.server.counts(alice.device) == {CURVE: 50}
    alice.server.drain(alice.device)
    assert alice.receive(write(alice, b"on the new fallback key")) == b"on the new fallback key"
