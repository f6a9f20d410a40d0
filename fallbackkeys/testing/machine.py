"""The state machine: a topic's moves, generated and shrunk by Hypothesis, on any server.

    TestMyServer = state_machine(Lodging(MyAdapter()).stage).TestCase

Server authors run it with pytest or unittest; the conformance kit runs the same machine.
"""

from collections.abc import Callable, Collection
from typing import cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from fallbackkeys.testing.checks import COMMANDS
from fallbackkeys.testing.judge import Judge, Order
from fallbackkeys.testing.moves import sync
from fallbackkeys.testing.play import Play
from fallbackkeys.testing.topics import Topic
from fallbackkeys.traces.server import Server

ORDER = "claims.order"
"""The id of the topic that is about the order of claims."""


def state_machine(
    server_factory: Callable[[], Server], topic: Topic = COMMANDS, *, known: Collection[str] = ()
) -> type[RuleBasedStateMachine]:
    """A machine that plays one topic on a server and judges each answer by the core.

    Every answer that the rules permit is accepted: any key of the oldest upload, for example.

    Args:
        server_factory: gives a server without keys, in the names of traces, for each example; for an adapter,
            `Lodging(adapter).stage`.
        topic: what to look for; by default, every command there is. One whose `moves` the server cannot do
            raises `NotSupported`: leave them out with `attrs.evolve`.
        known: ids of topics that the server is known to fail.

    Returns:
        A class; its rule raises `Deviation` on an answer that no rule permits.
    """
    return playing(lambda: Play(server_factory(), judge_of(topic, known)), topic)


def judge_of(topic: Topic, known: Collection[str]) -> Judge:
    """The judge of one example; a server that is known to break the order is not judged by it."""
    return Judge(facets=topic.judged, order=Order.ANY if ORDER in known else Order.OLDEST_UPLOAD)


def playing(begin: Callable[[], Play], topic: Topic) -> type[RuleBasedStateMachine]:
    """The machine, over whatever `begin` sets up for each example."""

    class ServerAgainstCore(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.play = begin()

        @rule(data=st.data())
        def step(self, data: st.DataObject) -> None:
            move = data.draw(st.sampled_from(topic.moves))
            step = move(cast("st.DrawFn", data.draw), self.play)
            if step is not None:
                self.play.do(step)
                for device in topic.watched:
                    self.play.do(sync(device))

    return ServerAgainstCore
