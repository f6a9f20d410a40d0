"""Everything that is generated: every topic in turn, then parallel claims, within a budget.

    for result in examine(adapter):
        print(result.id, result.ended, *result.findings)

`assertions` does the same for the topics of one kind and raises what was found, for use in any test runner;
`examination` plays the vectors before it.
"""

import time
from collections.abc import Iterator, Sequence

from fallbackkeys.testing.adapter import Adapter
from fallbackkeys.testing.checks import TOPICS
from fallbackkeys.testing.effort import DEFAULT_EFFORT, Effort
from fallbackkeys.testing.parallel import NEEDED, examine_parallel
from fallbackkeys.testing.report import CUT_SHORT, CheckResult, Ended
from fallbackkeys.testing.search import Search, untried
from fallbackkeys.testing.stage import Lodging
from fallbackkeys.testing.topics import Topic


def examine(
    adapter: Adapter,
    *,
    topics: Sequence[Topic] = TOPICS,
    effort: Effort = DEFAULT_EFFORT,
    tag: str = "",
) -> Iterator[CheckResult]:
    """Examine a server, topic by topic, and at last by parallel claims.

    A topic ends with its first finding, and topics that need it are passed over: each defect is found once,
    and none hides another.

    Args:
        adapter: the server under test.
        topics: what to look for; one that needs another comes after it.
        effort: how hard to look.
        tag: of the run, see `Lodging`.

    Yields:
        The result of each topic as it ends. After one that was cut short there are no more.
    """
    lodging = Lodging(adapter, tag)
    end = time.monotonic() + effort.seconds
    goes_on = True
    for result in examine_topics(lodging, topics, effort):
        goes_on &= result.ended not in CUT_SHORT and not (result.id == NEEDED and result.findings)
        yield result
    if goes_on:
        yield examine_parallel(lodging, deadline=end, seed=effort.seed)


def examine_topics(lodging: Lodging, topics: Sequence[Topic], effort: Effort) -> Iterator[CheckResult]:
    """The sequential part of an examination; see `examine`."""
    failed: set[str] = set()
    end = time.monotonic() + effort.seconds
    for index, topic in enumerate(topics):
        # A share is left over for what comes after the topics.
        share = max(0.0, end - time.monotonic()) / (len(topics) + 1 - index)
        result = _examine_topic(lodging, topic, failed, effort, time.monotonic() + share)
        if result.findings or result.ended is Ended.NOT_TELLABLE:
            failed.add(topic.id)
        yield result
        if result.ended in CUT_SHORT:
            return


def _examine_topic(
    lodging: Lodging, topic: Topic, failed: set[str], effort: Effort, deadline: float
) -> CheckResult:
    missing = [one for one in topic.needs if one in failed]
    if missing:
        return untried(topic, Ended.NOT_TELLABLE, f"the server fails {', '.join(missing)}")
    search = Search(
        lodging=lodging, topic=topic, known=frozenset(failed), examples=effort.examples, deadline=deadline
    )
    return search.run(effort.seed)
