"""What can go wrong, said in one shape: what we need, what we got, what to do."""

from __future__ import annotations


class SnaError(ValueError):
    """Base of every error raised on purpose; the command line prints it without a traceback.

    Parameters
    ----------
    need
        What the call needs, or the rule that was broken, as a sentence.
    got
        What was found instead.
    hint
        What to do about it.

    Examples
    --------
    >>> print(SchemaError("The posts table needs a column 'author_id'.", got="Found: 'user'.",
    ...                   hint='columns={"author_id": "user"}'))
    The posts table needs a column 'author_id'. Found: 'user'. Hint: columns={"author_id": "user"}
    """

    def __init__(self, need: str, *, got: str = "", hint: str = "") -> None:
        self.need, self.got, self.hint = need, got, hint
        super().__init__(" ".join(part for part in (need, got, f"Hint: {hint}" if hint else "") if part))


class SchemaError(SnaError):
    """A table lacks a column, or holds values its schema does not allow."""


class ReadError(SnaError):
    """An export cannot be read: missing, empty, damaged, encrypted, or larger than the limits allow."""


class FormatError(ReadError):
    """The export is not of a format we recognise."""


class ParameterError(SnaError):
    """An argument has a value the function cannot work with."""


class NotAnswerableError(SnaError):
    """The source cannot support this analysis: a needed signal is absent, or there is too little data."""


class MissingDependencyError(SnaError):
    """An optional package is needed and not installed."""


class SnaWarning(UserWarning):
    """A result is usable but something about it should be known."""
