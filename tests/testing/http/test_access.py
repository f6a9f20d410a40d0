"""How accounts come to be, on a server that has or has not what is needed."""

import pytest

from fallbackkeys import Device
from fallbackkeys.errors import JSON
from fallbackkeys.testing.adapter import NotSupported, ServerLost
from fallbackkeys.testing.http import (
    Access,
    AccessTokens,
    Account,
    GivenAccounts,
    OpenRegistration,
    RegistrationToken,
    SharedSecret,
    Unusable,
    connect,
)
from tests.testing.http.homeserver import (
    OPEN,
    SECRET,
    STABLE,
    TOKEN,
    WITH_CAPTCHA,
    WITH_TOKEN,
    Fault,
    Homeserver,
    serve,
)

WRONG = "wrong"
KEY: JSON = {"one_time_keys": {"x:y": "z"}}


@pytest.mark.parametrize(
    ("access", "flows"),
    [
        (OpenRegistration(), [WITH_CAPTCHA, OPEN]),
        (RegistrationToken(token=TOKEN), [WITH_TOKEN]),
        (RegistrationToken(token=TOKEN), [OPEN]),
        (SharedSecret(secret=SECRET), []),
    ],
)
def test_devices_are_made_and_used(access: Access, flows: list[list[str]]) -> None:
    with serve(Homeserver(flows=flows)) as server, connect(server.url, access=access) as adapter:
        one = adapter.new_device(user="alice", device="ONE")
        two = adapter.new_device(user="alice", device="TWO")
        assert one.user_id == two.user_id
        assert (one.device_id, two.device_id) == ("ONE", "TWO")
        assert adapter.upload(user=one.user_id, device="ONE", body=KEY, dialects=STABLE).status == 200
        seen = adapter.sync(user=one.user_id, device="TWO", dialects=STABLE)
        assert set(seen.body) == {"device_one_time_keys_count", "device_unused_fallback_key_types"}
        claim: JSON = {"one_time_keys": {one.user_id: {"ONE": "x"}}}
        claimed = adapter.claim(user=one.user_id, body=claim, remote={})
        assert claimed.body["one_time_keys"] == {one.user_id: {"ONE": {"x:y": "z"}}}
        assert adapter.claim(user=None, body=claim, remote={}).body["one_time_keys"] == {}


@pytest.mark.parametrize(
    ("access", "flows", "told"),
    [
        (
            OpenRegistration(),
            [WITH_CAPTCHA, WITH_TOKEN],
            "m.login.recaptcha and m.login.terms or m.login.regist",
        ),
        (
            RegistrationToken(token=TOKEN),
            [WITH_CAPTCHA],
            "and we have m.login.dummy and m.login.registration_tok",
        ),
        (RegistrationToken(token=WRONG), [WITH_TOKEN], "registers nobody: 401 M_UNAUTHORIZED wrong token"),
        (OpenRegistration(), [], "only by a way that it does not name"),
        (SharedSecret(secret=WRONG), [OPEN], "registers nobody: 403 M_FORBIDDEN wrong MAC"),
        (AccessTokens(tokens=()), [], "no access token was given"),
        (AccessTokens(tokens=(WRONG,)), [], "knows no device of access token 1: 401 M_UNKNOWN_TOKEN"),
    ],
)
def test_a_server_that_gives_no_accounts(access: Access, flows: list[list[str]], told: str) -> None:
    with (
        serve(Homeserver(flows=flows)) as server,
        pytest.raises(Unusable) as refused,
        connect(server.url, access=access),
    ):
        pass
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(path="register", status=403, body=b'{"error": "closed"}'), "registers nobody: 403 closed"),
        (Fault(path="register", status=400, body=b"{}"), "the adapter cannot register a user"),
        (Fault(path="login", status=400, body=b"{}"), "the adapter cannot log in as a device CLAIMER: 400"),
    ],
)
def test_refusals_at_the_start(fault: Fault, told: str) -> None:
    with serve(Homeserver(faults=[fault])) as server, pytest.raises(Unusable) as refused, connect(server.url):
        pass
    assert told in str(refused.value)


def test_no_shared_secret_where_the_endpoint_is_not() -> None:
    unknown = Fault(path="/_synapse/admin/v1/register", status=404, body=b'{"errcode": "M_UNRECOGNIZED"}')
    with (
        serve(Homeserver(faults=[unknown])) as server,
        pytest.raises(Unusable, match="knows no registration by shared secret: 404 M_UNRECOGNIZED"),
        connect(server.url, access=SharedSecret(secret=SECRET)),
    ):
        pass


@pytest.mark.parametrize(
    "fault", [Fault(path="login", status=403), Fault(path="login", body=b'{"user_id": 1}')]
)
def test_a_login_that_fails_ends_the_run(fault: Fault) -> None:
    with (
        serve(Homeserver(faults=[fault])) as server,
        pytest.raises(ServerLost, match="logs nobody in"),
        connect(server.url),
    ):
        pass


def test_names_that_the_server_refuses_are_not_supported() -> None:
    with serve(Homeserver()) as server, connect(server.url) as adapter:
        with pytest.raises(NotSupported, match=r"register a user .*: 400 M_INVALID_USERNAME no such name"):
            adapter.new_device(user="a!", device="A")
        with pytest.raises(NotSupported, match=r"log in as a device 'A\\x00': 400 M_INVALID_PARAM"):
            adapter.new_device(user="alice", device="A\0")


def test_a_removed_device_comes_back_without_keys_and_with_a_sync_of_its_own() -> None:
    with serve(Homeserver()) as server, connect(server.url) as adapter:
        made = adapter.new_device(user="alice", device="A")
        user, device = made.user_id, made.device_id
        adapter.upload(user=user, device=device, body=KEY, dialects=STABLE)
        before = adapter.sync(user=user, device=device, dialects=STABLE)
        assert before.body["device_one_time_keys_count"] == {"signed_curve25519": 0, "x": 1}
        assert adapter.delete_device(user=user, device=device).status == 200
        after = adapter.sync(user=user, device=device, dialects=STABLE)
        assert after.body["device_one_time_keys_count"] == {"signed_curve25519": 0}


def test_what_is_answered_otherwise_is_handed_on() -> None:
    faults = [Fault(path="logout", status=403, body=b"{}"), Fault(path="sync", status=500, body=b"{}")]
    with serve(Homeserver(faults=faults)) as server, connect(server.url) as adapter:
        made = adapter.new_device(user="alice", device="A")
        assert adapter.delete_device(user=made.user_id, device="A").status == 403
        assert adapter.sync(user=made.user_id, device="A", dialects=STABLE).status == 500


def test_a_sync_without_next_batch_is_still_read() -> None:
    faults = [Fault(path="sync", body=b'{"device_one_time_keys_count": {"x": 7}}')]
    with serve(Homeserver(faults=faults)) as server, connect(server.url) as adapter:
        made = adapter.new_device(user="alice", device="A")
        answer = adapter.sync(user=made.user_id, device="A", dialects=STABLE)
        assert answer.body == {"device_one_time_keys_count": {"x": 7}}


def test_given_accounts_are_handed_out_and_get_devices_that_no_run_had_before() -> None:
    users = {"one": "first", "two": "second"}
    access = GivenAccounts(accounts=tuple(Account(name=one, password=users[one]) for one in users))
    made = []
    with serve(Homeserver(flows=[], users=users)) as server:
        for _ in range(2):
            with connect(server.url, access=access) as adapter:
                alice = adapter.new_device(user="alice", device="A")
                assert alice.user_id == adapter.new_device(user="alice", device="B").user_id
                assert adapter.new_device(user="bob", device="A").user_id != alice.user_id
                with pytest.raises(NotSupported, match="more users than the 2 that were given"):
                    adapter.new_device(user="carol", device="A")
                user, device = alice.user_id, alice.device_id
                assert adapter.upload(user=user, device=device, body=KEY, dialects=STABLE).status == 200
                claim: JSON = {"one_time_keys": {user: {device: "x"}}}
                assert adapter.claim(user=user, body=claim, remote={}).body["one_time_keys"]
                assert adapter.delete_device(user=user, device=device).status == 200
                made.append(alice)
    assert made[0].user_id == made[1].user_id
    assert made[0].device_id != made[1].device_id
    assert all(one.device_id.endswith("A") for one in made)


def test_given_devices_are_handed_out_in_turn() -> None:
    with serve(Homeserver(flows=[])) as server:
        tokens = [server.token("@a:x", "A1"), server.token("@b:x", "B1"), server.token("@a:x", "A2")]
        with connect(server.url, access=AccessTokens(tokens=tuple(tokens))) as adapter:
            handed = [
                adapter.new_device(user=user, device="ANY") for user in ("alice", "alice", "bob", "alice")
            ]
            assert handed == [Device("@a:x", "A1"), Device("@a:x", "A2"), Device("@b:x", "B1"), handed[0]]
            with pytest.raises(NotSupported, match="more users than the 2 that were given"):
                adapter.new_device(user="carol", device="ANY")
            assert adapter.upload(user="@b:x", device="B1", body=KEY, dialects=STABLE).status == 200
            assert adapter.sync(user="@b:x", device="B1", dialects=STABLE).status == 200
            for user in ("@a:x", None):
                claim: JSON = {"one_time_keys": {"@b:x": {"B1": "x"}}}
                assert adapter.claim(user=user, body=claim, remote={"far.test": "unreachable"}).status == 200
            many: JSON = {"one_time_keys": {f"x:{number}": f"{number}" for number in range(501)}}
            with pytest.raises(
                NotSupported, match="upload more to @b:x B1, which was given: 400 M_TOO_LARGE"
            ):
                adapter.upload(user="@b:x", device="B1", body=many, dialects=STABLE)
            with pytest.raises(NotSupported, match="remove @b:x B1, which was given"):
                adapter.delete_device(user="@b:x", device="B1")
            with pytest.raises(NotSupported, match="claim as another server"):
                adapter.federation_claim(origin="far.test", body={})


def test_what_the_api_does_not_offer() -> None:
    with serve(Homeserver()) as server, connect(server.url) as adapter:
        made = adapter.new_device(user="alice", device="A")
        with pytest.raises(NotSupported, match="choose the dialects"):
            adapter.upload(user=made.user_id, device="A", body={}, dialects=("unstable",))
        with pytest.raises(NotSupported, match="choose the dialects"):
            adapter.sync(user=made.user_id, device="A", dialects=("stable", "draft"))
        with pytest.raises(NotSupported, match="in the place of other servers"):
            adapter.claim(user=None, body={}, remote={"far.test": {}})
        with pytest.raises(NotSupported, match="claim as another server"):
            adapter.federation_claim(origin="far.test", body={})


def test_secrets_are_not_shown() -> None:
    shown = [
        RegistrationToken(token=TOKEN),
        SharedSecret(secret=SECRET),
        AccessTokens(tokens=(TOKEN,)),
        GivenAccounts(accounts=(Account(name="a", password=SECRET),)),
    ]
    assert not any(secret in repr(shown) for secret in (TOKEN, SECRET))
