"""What the databases do differently, as data: the text of every statement.

A statement about one device has the user id as its first parameter and compares it in each table it names, so
that a database sharded by user finds the one shard it needs (FK-SQL-04).
"""

from collections.abc import Iterator

import attrs

from fallbackkeys.sql.statement import Query


@attrs.frozen(kw_only=True)
class OneQueries:
    """The statements of a claim of one device: `$1` user, `$2` device, `$3` algorithm."""

    take: Query
    """Issue a key of the oldest upload that nobody has locked, found by index; no row if there is none such
    (FK-SQL-05)."""
    take_any: Query
    """The same of any upload."""
    look: Query
    """Whether a one-time key waits, and if so, wait until whoever has locked the first one commits or
    aborts; the fallback key (id, fingerprint, JSON, mark)."""
    use: Query
    """Mark the fallback key used if no one-time key waits; no row if it did not come true."""


@attrs.frozen(kw_only=True)
class ManyQueries:
    """The statements of a claim for many: `$1` entries as JSON."""

    lock: Query | None = None
    """Lock the devices, in the order of their names."""
    look: Query
    """Per entry: user, device, algorithm; whether a one-time key waits; the one that may be issued (id,
    fingerprint, JSON; null if others have locked every candidate); the fallback key (the same, and its
    mark)."""
    wait: Query | None = None
    """Wait until whoever has locked an entry's first waiting key commits or aborts."""
    issue: Query
    """Turn waiting keys into memory; returns the entries of which it came true."""
    use: Query
    """Mark fallback keys used where no one-time key waits; returns the entries of which it came true."""


@attrs.frozen(kw_only=True)
class Engine:
    """One database's dialect. Where a statement is None, the engine has no need of it."""

    name: str
    migrations: tuple[tuple[Query, ...], ...]
    """What leads from version n of the schema to n + 1, at index n."""
    create_version: Query
    begin_version: Query
    lock_version: Query
    read_version: Query
    write_version: Query

    add_device: Query
    """Lock a device, and make it known if it is not; returns its ordinal of uploads."""
    lock_device: Query
    """Lock a device; no row for one that is not known."""
    count_upload: Query
    state: Query
    """Per algorithm: keys that wait and keys in all; the fallback key with its mark."""
    matches: Query
    """The device's one-time keys that have an id or a fingerprint in common with those offered."""
    add_keys: Query
    empty_slots: Query
    """Take fallback keys out of their slots; returns each algorithm with its mark. Deleted and not changed:
    a claim that waits for a row that changes would keep its lock (FK-SQL-17)."""
    fill_slots: Query
    prune: Query
    """Forget the issued keys of an algorithm beyond a number, the first uploaded first."""

    view: Query
    views: Query
    load: Query
    lock_keys: Query | None = None
    """Lock a device's one-time keys: issued ones first, then the others in the order of claims. Whoever holds
    one then waits for none that this has locked (FK-SQL-17)."""
    remove_device: Query
    remove_slots: Query
    remove_keys: Query
    drop: Query

    claim_one: OneQueries | None
    """None where `claim_many` is as good."""
    claim_many: ManyQueries

    @property
    def version(self) -> int:
        """The version of the schema that the statements are written for."""
        return len(self.migrations)

    def __iter__(self) -> Iterator[tuple[str, Query]]:
        """Every statement of every operation with its name; not those of migrations."""
        values = [(field.name, getattr(self, field.name)) for field in attrs.fields(Engine)]
        for prefix, queries in (("claim_one", self.claim_one), ("claim_many", self.claim_many)):
            if queries is not None:
                values += [
                    (f"{prefix}.{field.name}", getattr(queries, field.name))
                    for field in attrs.fields(type(queries))
                ]
        for name, value in values:
            if isinstance(value, Query):
                yield name, value
