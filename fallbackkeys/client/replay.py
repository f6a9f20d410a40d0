"""Which pre-key messages are replays (FK-CLIENT-11).

"An attacker can replay a message that was originally sent with a fallback key, and the receiving client will
accept it as a new message if the fallback key is still active" (MSC2732, security considerations): libraries
create a second session from it without a word. The memory that prevents it lives as long as the private half:
without that, the library refuses by itself.
"""

import enum

from fallbackkeys.client.state import ClientState


class Verdict(enum.Enum):
    """What to do with a pre-key message."""

    CREATE_SESSION = "create a session from it"
    USE_KNOWN_SESSION = "decrypt it with the session it names, or not at all"
    REFUSE_REPLAY = "refuse it: it was decrypted before"


def judge(state: ClientState, *, public: str, session: str, message: str, known_session: bool) -> Verdict:
    """Say what to do with a pre-key message before it is decrypted; then tell `step` with a `PreKey`.

    Args:
        state: the machine's.
        public: the public key of ours that the message names.
        session: the session's id, as the library computes it from the message.
        message: a hash of the message's ciphertext.
        known_session: whether the library has the session.
    """
    known = known_session
    for algorithm in state.policy.algorithms:
        for key in state.algorithms[algorithm].fallback_keys:
            if key.public == public:
                if message in key.messages:
                    return Verdict.REFUSE_REPLAY
                known = known or session in key.sessions
    return Verdict.USE_KNOWN_SESSION if known else Verdict.CREATE_SESSION
