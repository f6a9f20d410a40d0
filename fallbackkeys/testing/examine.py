"""The conformance kit: every topic in turn on a server, within a budget.

    for result in examine(adapter):
        print(result.check, result.ended, *result.findings)

`check` does the same for the topics of one kind and raises what it found, for use in any test runner.
"""

import time
from collections.abc import Iterator, Sequence


from fallbackkeys.testing.adapter import Adapter
from fallbackkeys.testing.checks import TOPICS
from fallbackkeys.testing.parallel import examine_parallel
from fallbackkeys.testing.report import CheckResult, Ended
from fallbackkeys.testing.search import Search
from fallbackkeys.testing.stage import Lodging
from fallbackkeys.testing.topics import Topic

EXAMPLES = 25
"""Examples of a topic, unless told otherwise."""

SECONDS = 240.0
"""The budget of a whole run, unless told otherwise."""


def examine(
    adapter: Adapter,
    *,
    topics: Sequence[Topic] = TOPICS,
    examples: int = EXAMPLES,
    seconds: float = SECONDS,
    seed: int = 0,
    tag: str = "",
) -> Iterator[CheckResult]:
    """Examine a server, topic by topic, and at last by parallel claims.

    A topic ends with its first finding, and topics that need it are passed over, so that each defect is found
    once. The budget is spread evenly over the topics that are left; with the same seed, and a budget that is
    not used up, the same examples are played.

    Args:
        adapter: the server under test.
        topics: what to look for; one that needs another comes after it.
        examples: how many sequences to generate for each topic.
        seconds: the budget for all of it.
        seed: any number.
        tag: of the run, see `Lodging`.

    Yields:
        The result of each topic as it ends. After `Ended.SERVER_LOST` there are no more.
    """
    lodging = Lodging(adapter, tag)
    failed: set[str] = set()
    end = time.monotonic() + seconds
    for index, topic in enumerate(topics):
        missing = [one for one in topic.needs if one in failed]
        if missing:
            failed.add(topic.id)
            yield _untried(topic, Ended.NOT_TELLABLE, f"the server fails {', '.join(missing)}")
            continue
        now = time.monotonic()
        search = Search(
            lodging=lodging,
            topic=topic,
            known=frozenset(failed),
            examples=examples,
            deadline=now + max(0.0, end - now) / (len(topics) + 1 - index),
        )
        result = search.run(seed)
        if result.findings:
            failed.add(topic.id)
        yield result
        if result.ended is Ended.SERVER_LOST:
            return
    yield examine_parallel(lodging, deadline=end, seed=seed)


def _untried(topic: Topic, ended: Ended, reason: str) -> CheckResult:
    return CheckResult(check=topic.id, examples=0, requirements=(), findings=(), ended=ended, reason=reason)
