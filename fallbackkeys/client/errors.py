"""What an embedder can do wrong: each class says which input, and leaves the state as it was.

What a *server* does wrong is no exception here but a `Report` among the outputs.
"""

import attrs

from fallbackkeys.errors import Misuse


@attrs.frozen(kw_only=True, eq=False, str=False)
class WrongInput(Misuse):
    """A field of an input or of a policy has a value that it cannot have."""

    field: str
    """The input's class and the field."""
    rule: str
    """Completes the sentence "*field* …"."""
    found: str
    """What stood there instead."""

    def __str__(self) -> str:
        return f"{self.field} {self.rule}; found {self.found}"


@attrs.frozen(kw_only=True, eq=False, str=False)
class UnknownAlgorithm(Misuse):
    """An input is about an algorithm that the policy does not name."""

    algorithm: str

    def __str__(self) -> str:
        return f"the policy names no algorithm {self.algorithm!r}"


@attrs.frozen(kw_only=True, eq=False, str=False)
class UnknownRequest(Misuse):
    """An answer, or a note of sending, is about an upload that was never asked for or never sent."""

    request: int
    reason: str

    def __str__(self) -> str:
        return f"upload request {self.request} {self.reason}"


@attrs.frozen(kw_only=True, eq=False, str=False)
class KeyReused(Misuse):
    """The library generated an id or a public key a second time: it was set back and the machine was not.

    Restore the account and the machine from one transaction (specs/client.md).
    """

    algorithm: str
    key_id: str
    public: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.key_id} with public key {self.public} contradicts an earlier key"
