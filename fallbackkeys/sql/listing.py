"""Lists as one parameter, so that a statement has one text however long the list is."""

import base64
import json
from collections.abc import Iterable
from typing import Any

from fallbackkeys.keys import Key
from fallbackkeys.sql.statement import Parameter, storable


def listed(fields: str, entries: Iterable[tuple[Parameter, ...]]) -> str:
    """Entries as JSON, their members named by letters (`portable.FIELDS`).

    Raises:
        Malformed: see `statement.storable`.
    """
    members = [dict(zip(fields, entry, strict=True)) for entry in entries]
    for entry in members:
        for value in entry.values():
            storable(value)
    return json.dumps(members, ensure_ascii=False)


def digest(key: Key) -> str:
    """A key's fingerprint as the column holds it: base64."""
    return base64.b64encode(key.fingerprint).decode()


def key_of(algorithm: str, columns: tuple[Any, ...]) -> Key:
    """A key from the columns `key_id`, `fingerprint` and `json`."""
    key_id, fingerprint, text = columns
    return Key(algorithm, key_id, text.encode(), base64.b64decode(fingerprint))
