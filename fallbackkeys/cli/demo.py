"""`fallbackkeys demo`: the life of a few keys, told with real requests and answers."""

from textwrap import wrap

import click

from fallbackkeys.cli.layout import layout
from fallbackkeys.cli.screen import Screen
from fallbackkeys.cli.states import show_states
from fallbackkeys.cli.story import STORY, StoryStep
from fallbackkeys.errors import JSON
from fallbackkeys.keystore import EMPTY_STORE
from fallbackkeys.traces import ClaimStep, Trace, UploadStep, replay
from fallbackkeys.wire import Response

_WIDTH = 76
"""Of a request or an answer, in characters; with the margin it fits a terminal of 80 columns."""

_MARGIN = "   "


@click.command()
def demo() -> None:
    """Tell the story of one-time keys and a fallback key, request by request.

    Every answer is the reference's own. Long strings and signatures are cut.
    """
    screen = Screen()
    steps = tuple(step for act in STORY for step in act.steps)
    played = iter(replay(Trace(id="demo", title="Demo", steps=steps)).steps)
    store = EMPTY_STORE
    for number, act in enumerate(STORY, 1):
        screen.line((f"{number}. {act.title}", "bold"))
        for line in wrap(act.words, _WIDTH):
            screen.line(_MARGIN, line)
        screen.line()
        for step in act.steps:
            replayed = next(played)
            _show_step(screen, step, replayed.response)
            store = replayed.store or store
        show_states(screen, store, indent=3)
        screen.line()
    screen.line("Traces of your own: fallbackkeys replay -v PATH")


def _show_step(screen: Screen, step: StoryStep, response: Response) -> None:
    match step:
        case UploadStep():
            screen.line(_MARGIN, (f"POST /keys/upload by {step.user} {step.device}", "cyan"))
            _show_json(screen, step.body)
        case ClaimStep():
            screen.line(_MARGIN, (f"POST /keys/claim by {step.user}", "cyan"))
            _show_json(screen, step.body)
        case _:
            screen.line(_MARGIN, (f"GET /sync by {step.user} {step.device}", "cyan"))
    screen.line(_MARGIN, (str(response.status), "cyan"))
    _show_json(screen, response.body)
    screen.line()


def _show_json(screen: Screen, body: JSON) -> None:
    for line in layout(body, _WIDTH):
        screen.line(_MARGIN, line)
