"""The written forms of identifiers, as expressions over plain text (see `normalised`).

Sources of the forms: UK postcodes and their areas, Royal Mail PAF; National Insurance numbers, HMRC NIM39110 (format
only: a wrong prefix is still somebody's number); NMC PINs, the NMC register; plates, DVLA INF104.
"""

from __future__ import annotations

import re

_I = re.IGNORECASE

_AREAS = """
AB AL B BA BB BD BF BH BL BN BR BS BT BX CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN DT DY E EC EH EN EX FK
FY G GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP NR
NW OL OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS TW UB W WA WC
WD WF WN WR WS WV YO ZE
"""
POSTCODE_AREAS = frozenset(_AREAS.split())

DIGIT_WORDS = frozenset(
    ("zero", "oh", "nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double", "triple")
)
BED_WORDS = frozenset({"bed", "bay", "room", "cubicle", "bedspace", "sideroom"})
_NETWORKS = "twitter insta instagram ig tiktok snapchat snap facebook fb youtube mastodon bluesky discord"
NETWORKS = frozenset(_NETWORKS.split())
BIRTH_WORDS = frozenset({"dob", "ob", "b", "born", "birth", "birthday", "birthdate"})
_REFERENCES = (
    "reference ref case complaint incident datix ticket claim booking job log enquiry pals order invoice policy"
    " membership passport account acc"
)
REFERENCES = frozenset(_REFERENCES.split())
POLICE_WORDS = frozenset({"pc", "pcso", "wpc"})
MRN_WORDS = frozenset({"mrn", "crn", "m"})
HOME_WORDS = frozenset({"address", "live", "lives", "lived", "living"})
WELSH_STREETS = frozenset({"heol", "ffordd", "stryd", "lon", "l\u00f4n", "clos", "rhodfa", "cwrt", "maes", "bryn"})
VEHICLE_WORDS = frozenset({"car", "van", "taxi", "cab", "lorry", "bus", "minibus"})
PLATE_WORDS = frozenset({"reg", "registration", "plate", "numberplate"})
POSTCODE_WORDS = frozenset({"postcode", "post", "postal", "postalcode"})

_CONFUSED = str.maketrans("OoIl", "0011")
_LETTERS_FOR_DIGITS = re.compile(
    r"[OoIl](?:(?<=\d[OoIl])[OoIl]{0,3}(?![^\W\d_])|(?<![^\W\d_][OoIl])[OoIl]{0,3}(?=\d)"
    r"|(?<=\d[ -][OoIl])[OoIl]{1,3}(?=[ -]\d))"
)
_UNDERLINE = re.compile(r"(?<![^\s(\"'\[])_{1,2}|_{1,2}(?![^\s.,;:!?)\"'\]])")
_DIGIT = re.compile(r"[0-9]")
_SIGNS = r"(?:[^\w.,!?£$€%+]|_|\.{2,4}){0,4}"
_NUMBER_WORD = r"(?:\s{0,2}(?:is|was|are|said|says|reads|no|num|number|id|ref|pin|code)\b\.?)"
_NUMBERED = rf"{_NUMBER_WORD}{{0,3}}{_SIGNS}"
_VALUE = rf"(?:{_NUMBER_WORD}{{1,3}}{_SIGNS}|\s{{0,2}}[:#=-]?\s{{0,2}})"
"""What stands between a label and its value. "Good job (10/10)" and "staff, 2020" are neither: signs other than a colon
need a word such as "number" before them, in the label (`_NUMBERED`) or behind it."""


def count_digits(text: str) -> int:
    """How many digits the text has."""
    return len(_DIGIT.findall(text)) if _DIGIT.search(text) else 0


def legible(text: str) -> str:
    """The text of the same length with digits for O, I and l beside digits, and without the lines under words."""
    if "_" in text:
        text = _UNDERLINE.sub(lambda match: " " * len(match.group()), text)
    return _LETTERS_FOR_DIGITS.sub(lambda match: match.group().translate(_CONFUSED), text)


_MAIL_HOST = r"(?:gmail|hotmail|yahoo|outlook|icloud|btinternet|nhs|live|aol|sky)"
EMAIL = re.compile(
    r"(?<![\w.+%'-])[\w.+%'-]++"
    rf"(?: ?@ ?[\w-]++(?:\.[\w-]++| ?\. ?(?:com|net|org|co|uk)\b)++|@{_MAIL_HOST}\b(?!-))",
    _I,
)
EMAIL_IN_WORDS = re.compile(
    r"(?<![\w.+-])[\w.+-]++(?: dot [\w-]++){0,2}"
    r"(?: ?[\[(] ?at ?[\])] ?[\w-]++(?: ?(?:\.|[\[(] ?dot ?[\])]|\bdot\b) ?[a-z]{2,12}\b){1,3}"
    r"| at [\w-]++(?: dot [a-z]{2,12}\b){1,3}"
    rf"| at {_MAIL_HOST}(?:\.[a-z]{{2,12}}){{1,2}}\b)",
    _I,
)
_TLD = r"(?:com|net|org|info|uk|eu|io|gov|wales|scot|london)"
_URL_END = r"[^\s.,;:!?)\]}'\"<>]"
URL = re.compile(
    rf"(?:\bhttps?:/?/?|\bwww\.)\S*{_URL_END}"
    rf"|(?<![\w@.-])(?:[a-z0-9-]++\.){{1,6}}{_TLD}\b(?:/\S*{_URL_END}|/)?"
    rf"|(?<![\w@.-])(?:[a-z0-9-]++\.){{1,6}}[a-z]{{2,6}}/\S*{_URL_END}",
    _I,
)
LINK_MARK = re.compile(r"\.[^\W_]|://", _I)
"""What every link holds: a dot inside a word, or the mark after its scheme."""
URL_IN_WORDS = re.compile(
    r"(?<![\w-])(?:www dot )?[\w-]++ dot (?:com|org|net|co dot uk|nhs dot uk)\b(?: slash [\w-]++){0,4}", _I
)

HANDLE = re.compile(r"(?<![\w.@])@[\w.-]{1,60}\w")
_NETWORK = rf"(?:{_NETWORKS.replace(' ', '|')})"
HANDLE_IN_CONTEXT = re.compile(
    rf"\b{_NETWORK}(?: (?:name|handle|account|username))?"
    r"(?:(?: is|:| as) ?(?=[a-z._]{0,30}[\d_])| (?=[a-z.]{1,30}_|[a-z]{1,20}\.[a-z]{0,20}\d))(?P<value>[\w.]{3,40})",
    _I,
)
HANDLE_BEFORE = re.compile(
    r"\b(?:follow|find|message|add|tag|i'?m|i am|me|as) (?P<value>(?=[a-z.]{1,30}[\d_])[\w.]{3,40})"
    rf" on {_NETWORK}\b",
    _I,
)

NHS_NUMBER = re.compile(
    r"(?<![\d_+])(?:[0-9]{3}(?P<a>[ ./-]{1,2})[0-9]{3}(?P<b>[ ./-]{1,2})[0-9]{4}"
    r"|[0-9]{10}|(?P<odd>[0-9]{3}[ ./-][0-9]{7}|[0-9]{6}[ ./-][0-9]{4}|[0-9]{4}[ ./-][0-9]{3}[ ./-][0-9]{3}))(?!\w)"
)
"""The `odd` layouts are as likely of a phone number: they need a context."""

_APART = r"(?: ?[-.,/|;] ?| )"
IN_PARTS = re.compile(
    rf"(?<![\w+])(?:\d{{3,6}}(?:{_APART}\d{{2,6}}){{1,4}}|\d\d(?:{_APART}\d\d){{4,7}}|\d(?:{_APART}\d){{9,15}})(?!\w)"
)
"""A number as it is dictated: "943, 476, 5919", "9 - 4 - 3". Without its label it may be anything."""

_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?)"
)
_YEAR = r"(?:'\d\d|(?:18|19|20)?\d\d)"
_DATE = (
    # Nothing else begins one: looked at first, as trying each month at every letter takes three times as long.
    r"(?=\d|[jfmasond][aepuco][nbrylgptvc])"
    rf"(?:(?:\d{{1,2}}{_APART}){{2}}{_YEAR}|{_YEAR}[./-]\d{{1,2}}[./-]\d{{1,2}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?(?: of)?[ ./-]?{_MONTH}[., /-]{{0,2}}{_YEAR}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? {_YEAR}|\d{{6}}|\d{{8}})(?!\d)"
)
DATE = re.compile(
    rf"(?<!\d)(?:\d{{1,2}}[./-]\d{{1,2}}[./-]{_YEAR}(?!\d)|\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}\b"
    rf"|\b{_MONTH} (?:the )?\d{{1,2}}(?:st|nd|rd|th)?\b)",
    _I,
)
"""Any calendar date, for the quote gate."""
_ORDINAL = (
    "(?:(?:twenty[ -]|thirty[ -])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|tenth|eleventh|twelfth"
    "|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth)"
)
_BIRTH = r"\b(?:d\.? ?o\.? ?b(?![^\W\d_])\.?|(?:date of birth|birth ?da(?:te|y)|born)(?![^\W\d_]))"
_IS = r"(?:[\s:=,(-]{1,3}(?:is|was|on|the|d{1,2}\Wm{1,3}\Wy{2,4})\b){0,3}(?:[^\w.!?]|_|\.{2,4}){0,4}"
_UNIT_NUMBER = r"(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_SPOKEN_YEAR = (
    rf"(?:nineteen|twenty|two thousand)(?:[ -](?:and|hundred|oh|one|{_UNIT_NUMBER}|\w{{3,6}}teen|\w{{3,5}}ty)\b){{0,3}}"
)
DOB = re.compile(rf"{_BIRTH}{_IS}(?P<value>{_DATE})", _I)
DOB_IN_WORDS = re.compile(
    rf"{_BIRTH}{_IS}(?P<value>(?:\d{{1,2}}(?:st|nd|rd|th)?|{_ORDINAL})(?: of)? {_MONTH}\b"
    rf"(?:[.,\s]{{1,2}}(?:{_YEAR}(?!\d)|{_SPOKEN_YEAR}))?"
    rf"|{_MONTH} (?:the )?(?:\d{{1,2}}(?:st|nd|rd|th)?\b|{_ORDINAL}\b))",
    _I,
)
"""The day may be a word, and the year left out: that a child was born on the fifth of May is its birthday."""
DOB_AFTER = re.compile(rf"(?<!\d)(?P<value>{_DATE})[ ,]{{0,2}}\(?(?:d\.? ?o\.? ?b\b|date of birth)", _I)

NINO = re.compile(rf"\b(?!on[ -])[A-Z]{{2}}(?:{_APART}?\d{{2}}){{3}}{_APART}?[A-D]\b", _I)

STAFF_ID = re.compile(
    r"\b(?:(?:nmc|gmc|hcpc|gphc|gdc)(?: (?:pin|registration|reg))?|(?:(?:his|her|their|nurse|staff) )?pin"
    r"|(?:staff|employee|payroll|warrant|collar|badge|i\.?d\.? ?badge|crew|driver|operator|call ?sign)"
    r"(?: (?:id|i\.d\.|badge|card|pin|code|ref))?"
    r"|(?:nurse|doctor|midwife|paramedic|porter|carer|hca)(?:'s)? (?:id|badge|no|number)\b)"
    rf"{_VALUE}(?P<value>(?:(?-i:[A-Z]{{1,3}} )|[A-Z]{{0,3}}-?)"
    r"(?=[A-Z]{0,2}\d[A-Z]?\d[A-Z]?\d)[0-9A-Z]{4,12})\b",
    _I,
)
POLICE_ID = re.compile(r"\b(?:PC|PCSO|WPC) \d{3,5}\b")
NMC_PIN = re.compile(r"\b\d{2}[A-L]\d{4}[A-Z]\b", _I)

HOSPITAL_NO = re.compile(
    r"\b(?:(?:hospital|hosp|patient|unit|district|case ?note|clinic|medical|my record)(?: record)?"
    r"(?: ?(?:no|number|num|id|ref|identifier)\b\.?|#)|m\.?r\.?n\b\.?|crn\b|pas (?:no|number))"
    rf"{_NUMBERED}(?P<value>[A-Z]{{0,3}}[ /-]?(?=[\d ]{{5,12}})\d(?: ?\d){{4,10}}[A-Z]?)\b",
    _I,
)

MRN = re.compile(rf"\b(?:m\.?r\.?n|crn)\b\.?{_NUMBERED}(?P<value>[A-Z]{{0,3}}\d{{3,10}}[A-Z]?)\b", _I)
HOSPITAL_NO_BARE = re.compile(r"\b[A-Z]{1,3}\d{6,8}\b")

REF_NO = re.compile(
    rf"\b(?:{_REFERENCES.replace(' ', '|')})\b\.?"
    rf"(?: (?:reference|ref|no|number|num|id)\b\.?|#){{0,2}}{_VALUE}"
    r"(?P<value>(?:[A-Z]{1,6}[-/]?\d|\d\d)[\d/-]{3,14}[A-Z]{0,2})\b",
    _I,
)
REF_NO_BARE = re.compile(r"\b(?:(?:PALS|DATIX|INC|REF|CAS|WEB)[-/ #]{0,2}\d{4,12}|[A-Z]{2,6}-\d{5,12})\b")

SORT_CODE = re.compile(rf"\bsort ?code\b{_NUMBERED}(?P<value>\d\d(?:{_APART}?\d\d){{2}})(?!\w)", _I)
CARD = re.compile(
    r"(?<![\w-])(?!(?:(?:19|20)\d\d[ -]?){4})\d{4}(?:[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}|[ -]?\d{6}[ -]?\d{5})(?![\w-])"
)
"""A payment card's sixteen digits, or fifteen as American Express prints them; a mistyped one, too."""

_PHONE_START = r"(?:(?<![\w+])(?<!\d[.,])|(?<=[A-Za-z])(?=0[1237]))"
PHONE = re.compile(
    rf"{_PHONE_START}(?P<number>(?:\+ ?|\()?(?=[0-9])"
    r"(?:[0-9]|[ ().\-/](?=[ (]?[0-9])|\((?=[0-9])){6,24}(?<=[0-9]))"
    r"(?: ?(?:x|ext\.?) ?[0-9]{1,6})?(?!\w)"
)
PHONE_BEFORE_A_NUMBER = re.compile(
    rf"{_PHONE_START}(?P<number>\(?0[1235789](?:[ ().\-/]{{0,2}}[0-9]){{8,9}})(?= [0-9])"
)
"""As in "07700 900123 24 hours a day", which `PHONE` takes for one number that is too long."""
PHONE_ON_TWO_LINES = re.compile(
    r"(?<![\w+.,])(?P<number>0[1235789](?:[ -]?[0-9]){1,8}\n[0-9](?:[ -]?[0-9]){2,7})(?! ?\w)"
)
_SPOKEN = "(?:zero|oh|o|nought|one|two|three|four|five|six|seven|eight|nine|hundred|double|triple)"
PHONE_IN_WORDS = re.compile(rf"\b{_SPOKEN}(?:[ ,-]{{1,2}}{_SPOKEN}\b){{6,14}}", _I)

POSTCODE = re.compile(
    r"(?<![\w-])(?P<area>[A-Z]{1,2})(?:(?-i:(?<=[A-Z]) ))?[0-9][A-Z0-9]?[ .-]{0,2}"
    r"(?P<inward>[0-9][ABD-HJLNP-UW-Z]{2})(?!\w)",
    _I,
)
POSTCODE_IN_CONTEXT = re.compile(
    r"\bpost(?:al)? ?code(?: is| was|:)? ?(?!(?:is|was)\b)"
    r"(?P<value>[A-Z] (?:[A-Z] )?[0-9] (?:[0-9A-Z] )?[0-9] [A-Z] [A-Z]"
    r"|[A-Z]{1,2}[ -]?[0-9O][0-9A-Z]?(?:[ .-]{0,2}[0-9O][ -]?[A-Z]{2})?)(?!\w)",
    _I,
)

_SURE_STREET = "street|road|avenue|lane|terrace|crescent|gardens|grove|mews|villas|cottages"
_LIKELY_STREET = (
    "st|rd|ave|ln|close|drive|way|walk|court|place|square|row|park|hill|view|rise|green|parade|bank|croft|house|gate|wynd"
    "|side|vale|heights|chase|garth|meadows?|cres|gdns|dr|tce|terr|cl|sq|pl|paddocks?|leys|brae|knowe"
)
ADDRESS = re.compile(
    r"(?<![\w/.:£$%-])(?P<flat>(?:flat|apartment|apt|unit) ?\d{1,3}(?:/\d{1,2}|[a-z])?,? )?"
    r"(?P<number>\d{1,4} ?[a-z]?(?P<to>-\d{1,4}[a-z]?)?),? "
    r"(?P<name>(?:[^\W\d_][\w'.-]{1,24} ){1,3}?)"
    rf"(?P<street>(?P<sure>{_SURE_STREET})|{_LIKELY_STREET})\b\.?",
    _I,
)
_NOT_A_STREET_TEXT = """
a about across after ago along am an and are around as at away bad bay be bed beds been before between but by day
days different doctors doors down each every floors for from good had has have her his hour hours hours' hr hrs in
into is km long main men metre metres mile mile's miles min mins minute minute's minutes minutes' month months more
my nd nurses of off old on one or other our past patients people per percent pm rd room same second seconds short so
staff stars steps th that the their then these this those three till time times to total two until up ward wards
was way week weeks were when with women x yard yards year years your
"""
_NOT_A_STREET = frozenset(_NOT_A_STREET_TEXT.split())
_AT_HOME = re.compile(
    r"\b(?:live[sd]?|living|address|home|reside\w*|house|come to|we are|i'?m|moved to|at)\b[^\d]{0,18}$", _I
)


def is_address(match: re.Match[str]) -> bool:
    """A number and a street, not "10 minutes down the road"; doubtful street words need capitals or "I live at"."""
    words = match["name"].lower().split()
    at_home = _AT_HOME.search(match.string[max(0, match.start() - 32) : match.start()]) is not None
    named = (match["name"].istitle() or match["name"].isupper()) and match["street"][0].isupper()
    if words == ["the"]:  # "27 The Grove"
        return bool(match["flat"]) or at_home or (bool(match["sure"]) and named)
    if not _NOT_A_STREET.isdisjoint(words):
        return False
    return bool(match["sure"] or match["flat"]) or at_home or (named and not match["to"])


ADDRESS_IN_CONTEXT = re.compile(
    r"\b(?:address(?: (?:is|was)|(?=:))|live[sd]?(?: alone)? at|living at)(?: |: ?)"
    r"(?P<value>\d{1,4} ?[a-z]?,? (?-i:(?:The )?[A-Z][\w'-]+(?: [A-Z][\w'-]+)?))",
    _I,
)
WELSH_ADDRESS = re.compile(
    r"(?<![\w/.:£$%-])\d{1,4} ?[a-z]?,? (?:(?:heol|ffordd|stryd|l[o\u00f4]n|clos|rhodfa|cwrt)(?: yr?)? [\w'-]{2,}"
    r"|(?-i:(?:Maes|Bryn)(?: [Yy]r?)? [A-Z][\w'-]+))",
    _I,
)

VEHICLE = re.compile(r"(?<![\w-])[A-HJ-PR-Y]{2}(?P<gap> ?)[0-9]{2}[ -]?[A-HJ-PR-Z]{3}(?!\w)", _I)
VEHICLE_CONTEXT = re.compile(
    r"\b(?:reg(?:istration)?|number ?plate|plate|vehicle|car|van|ambulance|taxi|cab|lorry|bus)\b"
    r"(?: (?:no|number|is|was|reg)\b\.?){0,3}[: *_\"'(\[]{1,4}$",
    _I,
)
NORTHERN_IRISH_VEHICLE = re.compile(rf"\b(?i:{'|'.join(sorted(VEHICLE_WORDS))}) (?P<value>[A-Z]{{3}} \d{{4}})(?!\w)")
OLD_VEHICLE = re.compile(
    r"\b(?:reg(?:istration)?|number ?plate|plate)\b(?: (?:no|number|is|was|plate)\b\.?){0,3}[: ]{1,2}"
    r"(?P<value>[A-Z]\d{1,3} ?[A-Z]{3}|[A-Z]{3} ?\d{1,3}[A-Z]?|[A-Z]{1,3} ?\d{1,4})(?!\w)",
    _I,
)

_COUNTED = (
    r"(?! ?(?:hours?|hrs?|h|days?|weeks?|wks?|mins?|minutes?|seconds?|nights?|times?|months?|years?|yrs?|x|am|pm|%"
    rf"|people|patients|beds|bedded|ppl|o'?clock|other|or|stars?|(?:of|to) (?:us|them|\d+|{_UNIT_NUMBER}))\b"
    r"|[-:/.]\d|%|\d)"
)
_PLACE = r"(?:bed ?space|bed|bay|side[ -]?room|room|cubicle)"
_PLACE_NUMBER = rf"(?:[A-Z]?\d{{1,3}}[A-Z]?|{_UNIT_NUMBER})"
BED = re.compile(
    rf"\b{_PLACE}(?: (?:no\.?|number)|:)?(?: |-(?!\w+-))?"
    rf"(?:{_PLACE_NUMBER}|one(?=,? bed)|(?-i:[A-H])(?![\w/&+*-]))\b{_COUNTED}"
    rf"(?:[ ,/-]{{0,3}}(?:and |in )?{_PLACE}[ -]?(?:number )?(?:{_PLACE_NUMBER}|one)\b{_COUNTED}){{0,2}}",
    _I,
)
