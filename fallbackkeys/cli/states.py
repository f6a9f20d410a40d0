"""The state of every device as a table."""

from itertools import groupby

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fallbackkeys.cli.screen import Screen
from fallbackkeys.keystore import KeyStore
from fallbackkeys.state import FallbackSlot, Pool

_MOST_KEYS = 10
"""Keys of one upload that are shown by name."""

_MOST_UPLOADS = 10
"""Uploads that are shown."""

NEXT = "▸"
"""Marks the key that the next claim takes."""


def show_states(screen: Screen, store: KeyStore, indent: int) -> None:
    """Write what a store knows of each device: its pools by upload, its slots."""
    devices = list(store)
    if not devices:
        screen.line(" " * indent, ("no device has keys", "dim"))
    for device, state in devices:
        screen.line(" " * indent, (f"{device.user_id} {device.device_id}", "bold"))
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("algorithm", overflow="fold")
        table.add_column("waiting, by upload", overflow="fold")
        table.add_column("issued", justify="right", min_width=6)
        table.add_column("fallback key", overflow="fold")
        for algorithm in sorted(state.algorithms):
            pool = state.pool(algorithm)
            table.add_row(
                screen.text(algorithm),
                _waiting(screen, pool),
                str(pool.remembered),
                _slot(screen, state.slots.get(algorithm)),
            )
        screen.show(Padding(table, (0, 0, 0, indent + 2)))


def _waiting(screen: Screen, pool: Pool) -> Text:
    """The waiting keys, a line for each upload, the oldest first."""
    if pool.first is None:
        return screen.text("none", "dim")
    lines: list[Text] = []
    uploads = [(upload, list(keys)) for upload, keys in groupby(pool, key=lambda waiting: waiting.upload)]
    for upload, keys in uploads[:_MOST_UPLOADS]:
        names = [
            screen.text(f"{NEXT}{waiting.key.key_id}", "bold green")
            if waiting is pool.first
            else screen.text(waiting.key.key_id)
            for waiting in keys[:_MOST_KEYS]
        ]
        more = f" and {len(keys) - _MOST_KEYS} more" if len(keys) > _MOST_KEYS else ""
        lines.append(Text.assemble((f"{upload}: ", "dim"), Text(" ").join(names), (more, "dim")))
    if len(uploads) > _MOST_UPLOADS:
        lines.append(Text(f"and {len(uploads) - _MOST_UPLOADS} more uploads", "dim"))
    return Text("\n").join(lines)


def _slot(screen: Screen, slot: FallbackSlot | None) -> Text:
    if slot is None:
        return screen.text("none", "dim")
    used = screen.text("used", "yellow") if slot.used else screen.text("unused", "green")
    return Text.assemble(screen.text(slot.key.key_id), ", ", used)
