"""Parallel claims: what ends them, and servers that fail under them."""

from collections.abc import Mapping
from typing import Any

from fallbackkeys.errors import JSON
from fallbackkeys.testing import Ended, ReferenceAdapter, examine
from fallbackkeys.testing.parallel import ROUNDS, SIZES
from fallbackkeys.wire import Response
from tests.testing.servers import EFFORT


def parallel(server: ReferenceAdapter) -> Any:
    [result] = examine(server, topics=(), effort=EFFORT)
    return result


def test_the_rounds_of_a_right_server() -> None:
    result = parallel(ReferenceAdapter())
    assert (result.ended, result.examples, result.findings) == (Ended.COMPLETE, ROUNDS * len(SIZES), ())


def test_a_server_that_fails_under_parallel_claims() -> None:
    class Fails(ReferenceAdapter):
        def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
            if "unknown" in str(body):
                return super().claim(user=user, body=body, remote=remote)
            return Response(status=500, body={})

    [finding] = parallel(Fails()).findings
    assert (finding.id, finding.requirements) == ("parallel.claims.failed", ("FK-FORM-11",))
    assert finding.differences[0].actual == "2 times a status of 500 or more"


def test_an_answer_of_another_form_counts_as_nothing() -> None:
    class AnswersLists(ReferenceAdapter):
        def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
            return Response(status=200, body={"one_time_keys": [user, body, dict(remote)]})

    [finding] = parallel(AnswersLists()).findings
    assert finding.id == "parallel.claims.fallback-early"
    assert "times nothing" in finding.differences[0].actual
