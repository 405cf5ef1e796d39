from __future__ import annotations

import pytest

from shared.events import QuestionType
from shared.questions import question_type


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What was good?", QuestionType.WHAT_GOOD),
        (" what\u00a0was  GOOD ", QuestionType.WHAT_GOOD),
        ("What could we do better?", QuestionType.COULD_IMPROVE),
        ("How could we improve?", QuestionType.COULD_IMPROVE),
        ("FFT Why?", QuestionType.NONSPECIFIC),
        ("What was not good?", QuestionType.NONSPECIFIC),
        ("", QuestionType.NONSPECIFIC),
        (None, QuestionType.NONSPECIFIC),
    ],
)
def test_type_of_a_question(question: str | None, expected: QuestionType) -> None:
    assert question_type(question) is expected
