"""Whether a text is English: by its script and its function words. Cheap, coarse, and only ever a flag.

The model was trained and measured on English. Feedback in another language is read all the same and never dropped; it
is marked `not-en`, counted, and not quoted. A short text without function words stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Set

ENGLISH = "en"
NOT_ENGLISH = "not-en"

_ENGLISH_TEXT = """
a about after all always an and any appointment are as at be because been before better brilliant but by can can't
care caring clean could did didn't do doctor doctors don't every everything excellent fantastic food for friendly
from good great had happy has have he helpful her his hospital how i i'm i've if in is it its just kind lovely me
more my n/a never nice no none not nothing nurse nurses of ok okay on only or our perfect professional satisfied
service she should so some staff than thank thanks that the their them then there these they this those time to too
us very wait waiting ward was we well were what when where which who why will with would yes you your
"""
_ENGLISH = frozenset(_ENGLISH_TEXT.split())
_OTHERS_TEXT = """
el los las y que por para con una pero muy gracias bien está le les et est pas pour avec dans très merci je nous
vous des du der das und ist nicht mit sehr danke ich wir ein eine auf il che di per molto grazie sono della è não
muito obrigado com um uma os bardzo dziękuję nie się jest na że w z było foarte și nu pentru este mulțumesc cu mi-a
diolch yn yr mae ddim iawn roedd i'r o'r gyda ve bir çok teşekkür için bu aad waad mahadsanid waxaan ilaa shukran
hindi ang ng mga po salamat det och är inte tack
"""
_OTHERS = frozenset(_OTHERS_TEXT.split())
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_LETTER = re.compile(r"[^\W\d_]")

_FEW = 4
"""Words below which function words decide nothing against English."""


def language_of(text: str, words: Set[str], given: str | None) -> str | None:
    """The language tag as given, else `en`, `not-en`, or None where the text does not tell.

    Args:
        text: the plain text.
        words: its distinct lower-case words.
        given: what the integration said; it is believed.
    """
    if given is not None:
        return given
    if not words:
        return None
    if not text.isascii() and len(_LATIN.findall(text)) * 2 < len(_LETTER.findall(text)):
        return NOT_ENGLISH
    english = len(words & _ENGLISH)
    others = len(words & _OTHERS)
    if others > english and others >= 2:
        return NOT_ENGLISH
    if english * 8 >= len(words):
        return ENGLISH
    return NOT_ENGLISH if len(words) >= 2 * _FEW and english * 16 < len(words) else None


def is_english_or_unknown(language: str | None) -> bool:
    """Not told and not found to be another language."""
    return language is None or language.lower().split("-")[0] == ENGLISH
