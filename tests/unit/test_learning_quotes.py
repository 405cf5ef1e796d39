from __future__ import annotations

from services.learning.quotes import Candidate, pick, usable

LONG = Candidate(
    "1", "Hours on a plastic chair with a sore ankle. They rang my neighbour so that nobody had to worry.", 4, ("t",)
)
PART = Candidate("2", "Hours on a plastic chair with a sore ankle.", 4, ("t",))
OTHER = Candidate("3", "The waiting room was too cold for small children.", 4, ("t",))


def test_a_quote_that_another_one_holds_is_not_quoted_beside_it() -> None:
    voices = {candidate.source: candidate for candidate in usable([LONG, PART, OTHER], (), ())}
    assert voices.keys() == {"1", "2", "3"}
    second = pick([voices["2"], voices["3"]], [voices["1"]], theme="t", sentiments=(4,))
    assert second == voices["3"]
    assert pick([voices["1"]], [voices["2"]], theme="t", sentiments=(4,)) is None
