"""What a server may do instead of answering, each on a real one."""

import pytest

from fallbackkeys.errors import JSON
from fallbackkeys.testing import Lodging
from fallbackkeys.testing.adapter import ServerLost
from fallbackkeys.testing.http import Limits, Unusable, connect
from fallbackkeys.testing.http.connection import Connection
from fallbackkeys.wire import Response
from tests.testing.http.homeserver import STABLE, Fault, Homeserver, serve, unused_port

QUICK = Limits(answer=0.3, rate=0.5)
UPLOAD = "/_matrix/client/v3/keys/upload"
HTML = b"<html>It works!\n\n  Apache</html>"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(body=HTML), "answered 200 with the body '<html>It works! Apache</html>': no Matrix server"),
        (Fault(body=HTML, status=500), "answered 500 with the body '<html>"),
        (Fault(body=b'{"errcode": "M_UNKNOWN"}', status=500), "answered 500 with"),
        (Fault(body=b'{"versions": "v1.1"}'), "no Matrix server"),
        (Fault(body=b"[" * 100_000), "no Matrix server"),
        (Fault(body=b" "), "an empty body: no Matrix server"),
        (Fault(body=b'{"versions": ["v', half=True), "gave no whole answer: peer closed connection"),
        (Fault(hang=True), "gave no answer within 0.3 s"),
        (Fault(drip=True), "gave no answer within 0.3 s"),
        (
            Fault(status=301, headers=(("Location", "https://matrix.test/_matrix/client/versions"),)),
            "answered 301 and sends on to https://matrix.test/_matrix/client/versions: give the URL",
        ),
        (Fault(body=b"no gzip", headers=(("Content-Encoding", "gzip"),)), "gave no whole answer"),
    ],
)
def test_what_is_no_matrix_server_is_said_at_once(fault: Fault, told: str) -> None:
    with (
        serve(Homeserver(faults=[fault])) as server,
        pytest.raises(Unusable) as refused,
        connect(server.url, limits=QUICK),
    ):
        pass
    assert str(refused.value).startswith(f"{server.url}/_matrix/client/versions ")
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_port_that_nothing_listens_on() -> None:
    with (
        pytest.raises(Unusable, match=r"gave no whole answer: .*refused"),
        connect(f"http://127.0.0.1:{unused_port()}"),
    ):
        pass


@pytest.mark.parametrize(
    "url", ["localhost:8008", "ftp://localhost", "http://", "http://[::1", "", "http://h:port"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(Unusable, match="is no URL"), connect(url):
        pass


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        (Fault(path="upload", body=HTML, status=500), 500, "500 with the body"),
        (Fault(path="upload", body=HTML), 502, "200 with the body"),
        (Fault(path="upload", body=b'{"half": ', half=True), 502, "no whole answer"),
        (Fault(path="upload", body=b"[]"), 502, "200 with the body []"),
        (Fault(path="upload", hang=True), 504, "no answer within 0.3 s"),
    ],
)
def test_one_request_that_a_server_cannot_bear_is_an_answer_of_its_own(
    fault: Fault, status: int, told: str
) -> None:
    with serve(Homeserver(faults=[fault])) as server, Connection(server.url, QUICK) as connection:
        answer = connection.request("POST", UPLOAD, body={})
    assert answer.status == status
    assert told in str(answer.body["error"])


@pytest.mark.parametrize(
    "fault", [Fault(body=HTML, after=1), Fault(half=True, after=1), Fault(hang=True, after=1)]
)
def test_a_server_that_answers_nothing_any_more_is_lost(fault: Fault) -> None:
    with serve(Homeserver(faults=[fault])) as server, Connection(server.url, QUICK) as connection:
        connection.check()
        with pytest.raises(
            ServerLost, match=r"POST /_matrix/client/v3/keys/upload: .*; then http://.*/versions "
        ):
            connection.request("POST", UPLOAD, body={})


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 20}', ()),
        (b'{"retry_after_ms": 20000}', (("Retry-After", "0"),)),
        (b'{"retry_after_ms": -5}', (("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"),)),
    ],
)
def test_a_rate_limit_is_waited_out(body: bytes, headers: tuple[tuple[str, str], ...]) -> None:
    limited = Fault(path="versions", status=429, body=body, headers=headers, times=2)
    with serve(Homeserver(faults=[limited])) as server, Connection(server.url, QUICK) as connection:
        answer = connection.request("GET", "/_matrix/client/versions")
        assert answer == Response(status=200, body={"versions": ["v1.13"]})
        assert len(server.requests) == 3


LIMITED = b'{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 5}'


def test_a_rate_limit_met_now_and_then_changes_no_answer_on_any_path() -> None:
    paths = ("register", "login", "upload", "claim", "sync", "logout")
    faults = [
        Fault(path=path, status=429, body=LIMITED, after=after, times=1)
        for path in paths
        for after in (0, 2, 5)
    ]
    seen = []
    for met in ([], faults):
        with serve(Homeserver(faults=met)) as server, connect(server.url, limits=QUICK) as adapter:
            stage = Lodging(adapter).fresh()
            alice = {"user": "@alice:example.org", "device": "ALICE"}
            body: JSON = {"one_time_keys": {"x:a": "k", "x:b": "l"}}
            wanted: JSON = {"one_time_keys": {"@alice:example.org": {"ALICE": "x"}}}
            for _ in range(3):
                seen.append(stage.upload(**alice, body=body, dialects=STABLE))
                seen.append(stage.claim(user="@bob:example.org", body=wanted, remote={}))
                seen.append(stage.sync(**alice, dialects=STABLE))
                seen.append(stage.delete_device(**alice))
            assert set(paths) <= {path.rpartition("/")[2] for path in server.requests}
    half = len(seen) // 2
    assert seen[:half] == seen[half:]
    assert [one.status for one in seen[:half]] == [200] * half


def test_a_server_that_only_limits_the_rate_of_the_question_whether_it_lives_is_not_lost() -> None:
    faults = [
        Fault(path="upload", body=HTML, status=500),
        Fault(path="versions", status=429, body=LIMITED, after=1),
    ]
    with serve(Homeserver(faults=faults)) as server, Connection(server.url, QUICK) as connection:
        connection.check()
        assert connection.request("POST", UPLOAD, body={}).status == 500


def test_no_proxy_of_the_environment_answers_in_the_place_of_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    with serve(Homeserver()) as server, Connection(server.url, QUICK) as connection:
        connection.check()


@pytest.mark.parametrize(
    "body", [b"{}", b'{"retry_after_ms": 200000}', b'{"retry_after_ms": NaN}', b"slow down"]
)
def test_a_rate_limit_without_end_ends_the_run(body: bytes) -> None:
    limited = Fault(path="upload", status=429, body=body)
    with serve(Homeserver(faults=[limited])) as server, Connection(server.url, QUICK) as connection:
        with pytest.raises(ServerLost, match=r"upload is rate-limited: the server asks to wait \d+ s"):
            connection.request("POST", UPLOAD, body={})
        assert len(server.requests) == 1
