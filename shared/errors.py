"""The three kinds of failure that Heed tells apart, and the one line that each becomes."""


class HeedError(Exception):
    """A failure that a person can act on.

    Its text is one line: what is wrong, where, and what to do. It never holds a patient's words.
    """


class UsageError(HeedError):
    """The call or its input is wrong; the command line exits with 2."""


class InvalidRecord(HeedError):  # noqa: N818 - the name arroyo gave this idea
    """A record that no retry can mend: it goes to the dead-letter topic at once.

    Args:
        reason: a short code in snake_case, safe to put into a header and a metric label.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"record refused: {reason}")
        self.reason = reason


class TransientFault(HeedError):  # noqa: N818 - a fault, not an error of ours
    """A database, broker or bucket is away for a while: back off and try again, never dead-letter."""
