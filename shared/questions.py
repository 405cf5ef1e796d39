"""What kind of question a comment answers: "Nothing." means opposite things under praise and under improvement."""

from __future__ import annotations

from shared.events import QuestionType

_TYPES = {
    "what was good": QuestionType.WHAT_GOOD,
    "what could we do better": QuestionType.COULD_IMPROVE,
    "how could we improve": QuestionType.COULD_IMPROVE,
}


def question_type(question: str | None) -> QuestionType:
    """Tell the type of a survey's question, whatever its case, white space and closing mark.

    Only the Friends and Family Test's own wordings are known; every other question, and none, is nonspecific.
    """
    return _TYPES.get(" ".join((question or "").split()).rstrip("?. ").casefold(), QuestionType.NONSPECIFIC)
