"""The word lists behind the checker: what may never be said, and what gives a person away.

Sources: learning.md, "Forbidden in anything published"; privacy.md, "The quote gate".
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from services.learning.wording import MONTHS

if TYPE_CHECKING:
    from collections.abc import Iterable


def _any(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(alternatives)})(?!\w)", re.IGNORECASE)


RANKING = _any(
    r"rank(?:s|ed|ing|ings)?",
    r"best",
    r"worst",
    r"top",
    r"bottom",
    r"leagues?",
    r"percentiles?",
    r"quartiles?",
    r"deciles?",
    r"(?:above|below|better than|worse than|than) (?:the )?average",
    r"averages?",
    r"out-?perform\w*",
    r"under-?perform\w*",
    r"benchmark\w*",
    r"leader ?boards?",
    r"scores?",
    r"(?:high|low)est",
    r"performers?",
    r"first of all",
    r"came (?:first|second|third|last)",
)
COMPARISON = _any(
    r"(?:other|another|neighbouring) (?:teams?|wards?|services?|hospitals?|organisations?|trusts?)",
    r"than (?:the )?others?",
    r"compared (?:with|to)",
    r"in comparison",
    r"elsewhere",
    r"(?:similar|comparable|neighbouring) (?:teams?|wards?|services?|hospitals?|organisations?|trusts?)",
    r"(?:ahead of|behind) (?:the|most|all|our|those)",
    r"(?:national|regional|trust) (?:mean|level|figure|norm)s?",
)
TURN = _any(r"but", r"however", r"although", r"though", r"except(?:ing)?", r"apart from", r"other than that")
"""Where a sentence turns from praise to criticism, or back."""

FRAGMENT = re.compile(r"^\W*(?:because|cos|cause|as|due to|so that|which|than|see above|yes|no)(?!\w)", re.IGNORECASE)
"""How an answer begins that makes no sense without its question."""

DENIED_PRAISE = _any(
    r"(?:not|never|(?:is|was|were)n.t) (?:(?:a|an|all|at all|so|very|that|too) )*"
    r"(?:good|great|nice|kind|helpful|happy|pleasant)",
    r"unfortunately",
    r"sadly",
)

_FILLER = """
nothing anything everything something none no nope na n a all above same as before ok okay fine good great well alright
happy satisfied think really know don't dont can't cant cannot couldn't sorry thank thanks you very much
i i'm im me my it it's its is was am the an and of to at for in on that this there what else say add comment comments
answer question moment now yes applicable have do just so
"""
EMPTY = frozenset(_FILLER.split())
"""Words that alone tell nobody anything, in lower case: what people write into a box that they wish to leave empty."""

TRAFFIC_LIGHT = _any(r"red", r"amber", r"green", r"rag[- ]rat\w*", r"traffic[- ]lights?")
CHANGE = re.compile(
    r"(?<!\w)(?:up|down|rose|fell|risen|fallen|increased?|decreased?|dropped|grew|more|fewer|less|higher|lower)"
    r"(?: by| from| to| than)? (?:about )?\d+(?:\.\d+)? ?(?:%|per ?cent|points?)"
    r"|\d+(?:\.\d+)? ?(?:%|per ?cent|points?) "
    r"(?:up|down|more|fewer|less|higher|lower|increase|decrease|rise|fall)(?!\w)"
    r"|(?:on|than|since|from|against) (?:last|the previous) (?:month|quarter|week|year)"
    r"|(?<!\w)(?:doubled|trebled|tripled|halved|(?:twice|half|times) as (?:many|much|often))(?!\w)",
    re.IGNORECASE,
)
JUDGEMENT = _any(
    r"should(?: not|n't)? have",
    r"should of",
    r"fail(?:s|ed|ing|ures?)?",
    r"could(?: not|n't)? have",
    r"could of",
    r"ought to",
    r"poor(?:ly)?",
    r"unacceptable",
    r"careless(?:ly|ness)?",
    r"negligen(?:t|ce|tly)",
    r"neglect(?:ed|ful)?",
    r"blam(?:e|ed|es|ing)",
    r"fault(?:s|y)?",
    r"incompeten(?:t|ce)",
    r"unprofessional",
    r"guilty",
    r"culprits?",
    r"shame(?:ful|fully|d)?",
    r"sloppy",
    r"let (?:\w+ )?down",
    r"(?:a|the|their|his|her|your|our) mistakes?",
    r"mistreat\w*",
)
INSULTS = _any(
    r"useless",
    r"lazy",
    r"stupid",
    r"idiots?",
    r"disgust\w*",
    r"disgrace\w*",
    r"rude(?:ly|ness)?",
    r"arrogant",
    r"liars?",
)
CAUSE = _any(
    r"because",
    r"due to",
    r"caused? by",
    r"as a result of",
    r"owing to",
    r"thanks to",
    r"led to",
    r"resulted in",
    r"the reasons? (?:is|was|for)",
    r"explained by",
    r"(?:is|are|was|were) why",
    r"stem(?:s|med|ming)? from",
    r"brought about",
)
ACTION = _any(
    r"(?:we|the team|staff|the ward|the service) (?:have|has) (?:already )?"
    r"(?:changed|introduced|started|stopped|put|begun|arranged|trained|hired|fixed|decided)",
    r"(?:we|the team|staff) will",
    r"action (?:has been )?taken",
    r"(?:was|were|has been|have been) (?:changed|introduced|put in place|hired|fixed)",
    r"as you asked",
)
EXHORTATION = _any(
    r"must",
    r"(?:you|staff|teams?|everyone|nurses|doctors) (?:should|need to|have to)",
    r"try harder",
    r"work harder",
    r"do better",
    r"make sure",
    r"ensure",
    r"zero tolerance",
    r"keep it up",
    r"remember to",
    r"please",
    r"let(?:['\u2019]s| us)",
    r"we (?:should|need to|have to)",
)
VERDICT_ON_CHANCE = _any(
    r"improv(?:e|ed|es|ing|ement|ements)",
    r"worse(?:n|ned|ning)?",
    r"deteriorat\w*",
    r"declin\w*",
    r"well done",
    r"congratulat\w*",
    r"(?:great|good|excellent|bad|terrible|awful) (?:job|work|result|month|week|quarter)",
    r"sadly",
    r"unfortunately",
    r"excellent",
    r"outstanding",
    r"worr(?:y|ying|ied|ies)",
    r"alarm(?:ing)?",
    r"concern(?:s|ed|ing)?",
    r"disappoint\w*",
    r"celebrat\w*",
    r"getting better",
    r"setbacks?",
    r"proud",
)
SINGLING_ROLE = _any(
    r"(?:the|my|our|her|his|their|your|a|one|this|that) (?:\w+ )?"
    r"(?:matron|manager|head of|director|chief executive|clinical lead|lead nurse|charge nurse|sister|consultant|"
    r"surgeon|registrar|chaplain|receptionist|supervisor|ward clerk|team leader|psychiatrist|midwife in charge|"
    r"nurse in charge)"
)

_NUMBER_WORDS = "one|two|three|four|five|six|seven|[1-7]"
_HEARD = "person|people|patients?|comments?|responses?|famil(?:y|ies)|carers?|voices?|mentions?|women|men|relatives?"
SMALL_COUNT = re.compile(
    rf"(?<![\w.,])(?:(?:{_NUMBER_WORDS}) (?:\w+ )?(?:of (?:the|our|these) )?(?:{_HEARD})|only (?:{_NUMBER_WORDS})|"
    r"a couple of)(?!\w)",
    re.IGNORECASE,
)

TITLED = re.compile(
    r"(?<!\w)(?:dr|doctor|mr|mrs|ms|miss|mx|sir|prof|professor|sister|nurse|matron|midwife|sr|rev|father)\.?\s+"
    r"(?!(?:and|or|in|on|at|to|who|that|was|is|were|are|has|had|with|from|for|of|the|a|an|as|but|came|did|could|would|"
    r"also|very|really|so|made|took|gave|told|said|explained|helped|visits?|calls?|appointments?|then|there|when|"
    r"which|i|my|we|he|she|they|me|us|it|this|just|led|team|staff|practitioner|practitioners|rang|called|looked|kept|"
    r"know|surgery|never|always|not|by|every|before|after|because|if|again|today)\b)[a-z]",
    re.IGNORECASE,
)
AGE = re.compile(
    r"(?<!\w)\d{1,3}[- ]?(?:years?|yrs?|months?|weeks?|days?)?[- ]?old(?!\w)|(?<!\w)aged? \d", re.IGNORECASE
)
CONTACT = re.compile(r"@\w|https?:|www\.|\S+\.(?:com|org|uk|net)\b|\d[\d ]{6,}\d|\[\w+\]", re.IGNORECASE)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DATE = re.compile(
    r"(?<!\w)\d{1,2}[/.-]\d{1,2}(?:[/.-]\d{2,4})?(?!\w)"
    rf"|(?<!\w)\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{'|'.join(m for m in sorted(MONTHS))})(?!\w)"
    rf"|(?<!\w)(?:{'|'.join(m for m in sorted(MONTHS))}) \d{{1,2}}(?:st|nd|rd|th)?(?!\w)"
    r"|(?<!\w)\d{1,2}(?:st|nd|rd|th)(?!\w)"
    rf"|(?<!\w)(?:{'|'.join(_WEEKDAYS)}|christmas|new year|easter|boxing day|yesterday|last night)(?!\w)",
    re.IGNORECASE,
)
PLACE = re.compile(
    r"(?<!\w)(?i:ward|bay|bed|room|floor|unit|clinic|theatre|station|cubicle) (?:\d+\w?|[A-Z]\b|[A-Z][a-z]+)"
    r"|(?<!\w)(?:in|at|from|near|to) [A-Z][a-z]+"
    r"|(?<!\w)[A-Z][a-z]+ (?i:ward|unit|hospital|clinic|surgery|house|lodge|centre|street|road)(?!\w)"
)

# Words that English writes with a capital and that are nobody's name.
CAPITALISED = frozenset(
    {
        *MONTHS,
        *_WEEKDAYS,
        "I",
        "I'm",
        "I've",
        "I'd",
        "I'll",
        "NHS",
        "OK",
        "A&E",
        "GP",
        "GPs",
        "TV",
        "Covid",
        "COVID",
        "English",
        "British",
        "Friends",
        "Family",
        "Test",
        "Care",
        "Opinion",
        "X",
        "YouTube",
        "Bluesky",
        "Mastodon",
        "Facebook",
        "Instagram",
        "LinkedIn",
        "TikTok",
        "Model",
        "Christmas",
        "Easter",
    }
)
# What English sentences about care begin with; anything else before a verb may be somebody's first name.
_SUBJECTS = frozenset(
    """
    i i've i'm i'd he she it it's we we've they they've you you've you'd this that these those there here who what
    which when where why how all both each every some most many much more none no nothing nobody anyone anybody someone
    everyone everybody everything something anything one ones mine my our ours your their his her its a an the not never
    always only also and but so or if as while although though now then once twice just really very well maybe perhaps
    sadly unfortunately luckily thankfully overall generally sometimes often usually could would should might may must
    was were is are has had have did does do am been being couldn't wouldn't didn't don't
    staff crew crews team teams people person patient patients doctor doctors nurse nurses midwife midwives driver
    drivers paramedic paramedics operator operators caller callers carer carers family husband wife mother father mum
    dad son daughter baby child children partner relative relatives lady man men woman women gentleman volunteer
    volunteers worker workers therapist therapists psychologist psychologists psychiatrists pharmacist pharmacists
    receptionists individuals adults parents
    service services care treatment ambulance ambulances hospital ward clinic department unit surgery practice pharmacy
    company transport taxi car food meals drinks water tea menu choice phone phones call calls line message messages
    letter letters email emails text texts website appointment appointments visit visits time times wait waiting
    timescale response delay delays queue discharge referral medication medicine medicines tablets pain help support
    advice information communication explanation questions answers equipment bed beds room rooms toilet toilets shower
    parking building place environment noise heating everything's experience experiences procedure procedures
    operation assessment assessments therapy group groups session sessions activities exercise exercises course
    discussions concerns messages issue issues problem problems demand speed attitude manner manners
    kindness covid dementia felt excellent great good lovely nice kind friendly professional helpful thank thanks
    """.split()  # noqa: SIM905 - a list of words is read as words
)
_SUBJECT_ENDINGS = ("ing", "tion", "ment", "ness", "ity", "ance", "ence", "ly")
_NAME_BEFORE_VERB = re.compile(
    r"(?:^|[.!?:;\n\u2026\"\u201c(-]\s*)([^\W\d_][\w'\u2019-]+),? "
    r"(?:was|is|were|are|has|had|have|who|went|made|makes|helped|helps|listened|listens|explained|explains|took|takes|"
    r"came|gave|gives|left|joined|retired|stayed|brought|wrote|asked|worked|rang|did|does|did?n't|always|really|treated|looked|kept|saw|told|said|spoke|called|never|"
    r"(?:and|&) [A-Z]\w+)(?!\w)"
)
_WORD = re.compile(r"[^\W\d_][\w'\u2019&-]*")
_PERHAPS_CAPITAL = re.compile("[^\\x00-@\\[-\\x7f\u2019\u201c\u201d\u2026]")
"""A capital letter, or what is not plain English; most lines have none after their first character."""
_SENTENCE_END = re.compile(r"[.!?:…\n•\-\u2013\u2014\"\u201c\u201d(]\s*$")


def capitalised_inside(text: str, allowed: Iterable[str] = ()) -> list[str]:
    """Words with a capital letter that do not start a sentence and are not known: each may be a name.

    Args:
        text: what to look at.
        allowed: names that are not people's: wards, sites, services.
    """
    if not _PERHAPS_CAPITAL.search(text, 1):
        return []
    known = _known(tuple(allowed))
    found = []
    for match in _WORD.finditer(text):
        word = match.group().replace("\u2019", "'")
        if not word[0].isupper() or word in known or word.removesuffix("'s") in known:
            continue
        before = text[: match.start()]
        if before.strip() and not _SENTENCE_END.search(before):
            found.append(word)
    return found


@lru_cache(maxsize=16)
def _known(allowed: tuple[str, ...]) -> frozenset[str]:
    return CAPITALISED | {word for name in allowed for word in name.split()}


def name_before_verb(text: str) -> bool:
    """Whether a sentence begins with a capital letter, a verb follows, and the word is no usual subject: "Asha was"."""
    for match in _NAME_BEFORE_VERB.finditer(text):
        word = match.group(1).replace("\u2019", "'")
        usual = word.casefold() in _SUBJECTS or word in CAPITALISED or word.endswith(_SUBJECT_ENDINGS)
        if word[0].isupper() and not usual:
            return True
    return False


def unprintable(text: str) -> bool:
    """Whether it holds control or invisible characters, which could change what a reader sees."""
    return not text.isprintable() and any(unicodedata.category(each) in {"Cc", "Cf", "Co", "Cs"} for each in text)


def words(text: str) -> list[str]:
    """Its words, in lower case."""
    if text.isascii():
        return _WORD.findall(text.lower())
    return [word.casefold().replace("\u2019", "'") for word in _WORD.findall(text)]
