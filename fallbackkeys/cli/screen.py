"""What the commands write for people: on any terminal, into any pipe, whatever a trace holds.

Texts come from files that strangers wrote. They may hold lone surrogates, which no encoding can write, and
control characters, which a terminal would obey; and the terminal may know nothing but ASCII. So every text
goes through `Screen.text`, which escapes what cannot or must not be shown.
"""

import json

import attrs
import click
from rich.console import Console, RenderableType
from rich.text import Text

_IN_ASCII = str.maketrans({"✓": "+", "✗": "x", "▸": ">", "…": "...", "─": "-"})
"""Stand-ins for the signs that the commands draw with."""


@attrs.frozen
class Screen:
    """Standard output, for people."""

    console: Console = attrs.field(factory=Console)

    def text(self, text: str, style: str = "") -> Text:
        """A text that this terminal can show, with nothing in it that the terminal would obey.

        Nor would Rich: in a `Text` it looks for no markup, no emoji's name and no number to colour.
        """
        visible = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
        encoding = self.console.encoding
        if not encoding.startswith("utf"):
            visible = visible.translate(_IN_ASCII).encode(encoding, "backslashreplace").decode(encoding)
        return Text(visible, style)

    def line(self, *parts: str | tuple[str, str]) -> None:
        """Write one line, however long; a part is a text, or a text and its style."""
        texts = (self.text(part) if isinstance(part, str) else self.text(*part) for part in parts)
        self.console.print(Text.assemble(*texts), soft_wrap=True)

    def show(self, renderable: RenderableType) -> None:
        """Write something that fits itself to the width, such as a table."""
        self.console.print(renderable)


class Failure(click.ClickException):
    """The command cannot do what it was asked for: one line that says why, and status 2."""

    exit_code = 2


def write_json(document: object) -> None:
    """Write one JSON document, in ASCII."""
    click.echo(json.dumps(document, indent=2))
