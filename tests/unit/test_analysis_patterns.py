"""Identifiers: what is found, what is left alone, and that no text takes more than linear work."""
# ruff: noqa: RUF001 - look-alikes are what is tested

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analysis.normalised import normalise
from services.analysis.patterns import PATTERNS, Kind, Span, identifiers, is_nhs_number, merged
from services.analysis.words import words_of


def found(text: str) -> list[tuple[str, str]]:
    plain = normalise(text)
    spans = identifiers(plain.text, words_of(plain.text))
    return [(span.kind.value, text[slice(*plain.span(span.start, span.end))]) for span in spans]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("phone", "Ring «0191 498 0123» after five"),
        ("phone", "Ring «(0191) 498-0123»."),
        ("phone", "call «+44 (0)7700 900 123»"),
        ("phone", "call «0044 7700900123». I was in"),
        ("phone", "ring «07.700.900.123»"),
        ("phone", "from abroad «+48 601 234 567»"),
        ("phone", "my number is «O7700 9OO123»"),
        ("phone", "text «4980123»"),
        ("phone", "it is «zero seven seven zero zero nine zero zero one two three» thanks"),
        ("phone", "switchboard «020 7946 0018 ext 12»"),
        ("email", "write to «sarah.jones@nhs.net»."),
        ("email", "write to «sarah.jones@nhs . net». Thanks"),
        ("email", "write to «sarah.jones (at) nhs.net»"),
        ("email", "email «sarah dot jones at gmail dot com»"),
        ("url", "see «https://example.org/a?b=1»."),
        ("url", "see «bit.ly/3abc» there"),
        ("url", "see «example.co.uk»"),
        ("handle", "thanks «@sarah_j»!"),
        ("handle", "my twitter handle is «sarah99»"),
        ("handle", "my ig is «sarah_99»"),
        ("handle", "snapchat «sarah_j»"),
        ("handle", "follow «sarah99» on insta"),
        ("postcode", "I live near «NE1 4LP»."),
        ("postcode", "we came from «ne14lp»"),
        ("postcode", "at «SW1A-1AA»"),
        ("nhs_number", "My NHS number is «943 476 5919»."),
        ("nhs_number", "NHS no: «9434765919»"),
        ("nhs_number", "mistyped NHS number «943 476 5918»"),
        ("postcode", "postcode «N E 1 4 L P»"),
        ("postcode", "post code is «N 1 4 L P»"),
        ("nhs_number", "it is «943-476-5919»"),
        ("nhs_number", "«943 4765919» is my NHS number"),
        ("nino", "my NINO is «QQ 12 34 56 C»"),
        ("nino", "«qq123456c»"),
        ("dob", "DOB «12/03/1960»"),
        ("dob", "born on «12th March 1960»"),
        ("dob", "«1960-03-12» (dob)"),
        *(
            ("dob", f"«{date}», date of birth")
            for month in calendar.month_name[1:]
            for date in (f"12th of {month} 1960", f"{month[:3].lower()} 12, 60", f"12 {month[:3].upper()} 1960")
        ),
        ("dob", "DOB «12/3/'60»"),
        ("dob", "dob: «twelfth of March 1960»"),
        ("dob", "D.O.B. «tenth of May»"),
        ("dob", "she was born on the «twenty-first of May»"),
        ("dob", "born «12th Mar '60» here"),
        ("dob", "his birthday is «May 5th»"),
        ("staff_id", "NMC PIN «98A1234E»"),
        ("staff_id", "the nurse's number «77213»"),
        ("staff_id", "badge no «N447»"),
        ("staff_id", "her badge said «38118»."),
        ("hospital_no", "Hospital number «RTD1234567»"),
        ("hospital_no", "MRN: «1234567»"),
        ("hospital_no", "patient id «RXH/1234567»"),
        ("ref_no", "my complaint ref is «C137614»."),
        ("ref_no", "passport «123456789»"),
        ("ref_no", "sort code «20-00-00»"),
        ("ref_no", "account number is «12345678»"),
        ("ref_no", "paid by card «4111 1111 1111 1111»"),
        ("ref_no", "paid by «378282246310005»"),
        ("ref_no", "«PALS-67089»"),
        ("nhs_number", "my NHS number is «943 - 476 - 5919»"),
        ("nhs_number", "NHS no «943, 476, 5919»"),
        ("nhs_number", "nhs no. «9, 4, 3, 4, 7, 6, 5, 9, 1, 9»"),
        ("phone", "ring «0191 | 247 | 3618»"),
        ("phone", "call me on «07700, 900123»"),
        ("ref_no", "my card is «4929, 1234, 5678, 9012»"),
        ("ref_no", "sort code «20 - 30 - 40»"),
        ("nino", "NI number «QQ - 12 - 34 - 56 - C»"),
        ("dob", "born «12, 03, 1964»"),
        ("vehicle", "the van was «AB12 CDE»"),
        ("vehicle", "reg «ab12cde»"),
        ("vehicle", "my car «AB 12 CDE»"),
        ("vehicle", "plate: «AB12-CDE»"),
        ("address", "I live at «221b Baker Street»"),
        ("address", "I live at «3 The Close»"),
        ("address", "Address:«3 Acacia Terrace»"),
        ("address", "of «27 The Grove», Leeds"),
        ("address", "«Flat 3b, 27 The Mews», Leeds"),
        ("address", "Flat A. «Flat 3, 12 Mill Street», Leeds"),
        ("bed", "I was in «bay 4 bed 2» for hours"),
        ("bed", "moved from «bed 4» to a side room"),
        ("bed", "he is in «bed 4» of the bay"),
        ("phone", "on «07700 900123» 24 hours a day"),
        ("phone", "call «07700 900\n123»"),
        ("nhs_number", "nhs no. is «946 714\n8331»"),
        ("nhs_number", "CHI «0101501234»"),
        ("nhs_number", "H&C no «3201234560»"),
        ("dob", "my dob, «3rd Feb 66»"),
        ("dob", "born on the «fourth of May nineteen sixty two»"),
        ("staff_id", "collar number «PC 2281»"),
        ("staff_id", "it was «PC 2281» who came"),
        ("hospital_no", "crn «A1129X»"),
        ("hospital_no", "the wristband said «H7710934»"),
        ("address", "my address is «6 The Paddocks», Ludlow"),
        ("address", "we live at «7 Orchard Leys»"),
        ("address", "at «9 Hawthorn Cl», Leeds"),
        ("address", "took it to «14 heol y dre» not to us"),
        ("address", "of «8 Bryn Awel»"),
        ("vehicle", "the taxi «AB 21 CDE» was late"),
        ("vehicle", "my wee van «TUI 4821» got a ticket"),
        ("address", "«Flat 3/1, 12 Mill Street», Glasgow"),
        ("address", "send it to «22 ST CUTHBERTS WYND» please"),
        ("postcode", "live in «CF 10 3ZT», two buses"),
        ("nhs_number", "my sons number is «6718147818»"),
        ("nhs_number", "health and care no. «3309710025»"),
        ("handle", "snapchat «gemma.xo99»"),
        ("bed", "in «side room 3»,"),
        ("bed", "I was in «bed4», by the door"),
        ("bed", "«bay 3/bed 2» and"),
        ("bed", "in («bay C»)"),
        ("bed", "in «side-room 4»"),
        ("address", "of «12-14 High Street»"),
        ("phone", "tel.«07700900123»"),
        ("phone", "mob«07700900123»"),
        ("nhs_number", "nhs no. is «946 714 \n 8331»"),
        ("nhs_number", "NHS number «943 OOO 5919»"),
        ("dob", "DOB «3\nMarch 1960»"),
        ("postcode", "live at «NE1\n4LP»"),
        ("postcode", "I live in «l13 5sx»"),
        ("postcode", "postcode: «ol9 7aa»"),
        ("staff_id", "nurse Jo («98I1234O»)"),
        ("hospital_no", "my number «O123456»"),
        ("handle", "follow «@gemma_»"),
        ("handle", "insta: «_gemma»"),
        ("url", "see «www.example.org/sarah_,smith-1960»"),
        ("vehicle", "car reg «lo12 abc»"),
        ("phone", "ring «OI632 96O983»"),
        ("dob", "DOB: «I2/3/6O»"),
        ("dob", "DOB «1960/03/12»"),
        ("dob", "Date of birth (dd/mm/yyyy): «12/03/1960»"),
        ("nhs_number", "NHS no«9434 765 919»"),
        ("email", "write to «jo.bloggs@gmail» or"),
        ("email", "write to «jo.bloggs at gmail.com» or"),
        ("handle", "follow «@jo-bloggs»"),
    ],
)
def test_an_identifier_is_found_whole(kind: str, text: str) -> None:
    start, end = text.index("«"), text.index("»") - 1
    bare = text.replace("«", "").replace("»", "")
    assert (kind, bare[start:end]) in found(bare)


@pytest.mark.parametrize(
    "text",
    [
        "9434765919 people came",  # a good check digit, no context, no layout
        "943 476 5918",  # a layout, a wrong check digit
        "10 minutes down the road, a 5 minute drive",
        "24 hour care in bed 3 days later",
        "seen in bed 2 hours later",
        "111 and 999 are a 10/10 service, 24/7",
        "at 10.30am on 12/03/2021, 2020/2021 winter",
        "I rang at 0830 and 0900 and again at 1015",
        "COVID 19 on ward 7, B12 injection, T10 and L5",
        "ward b5 1st floor",
        "one two three four nurses",
        "a complaint in 2019 cost £1234567",
        "943 4765919",  # no context
        "ED 12 HRS, then waited for an ambulance to 24 hrs",
        "1 The staff 2 the close 3 The Close",
        "my baby was born early, in May, and 5 weeks in neonatal",
        "posted on facebook 100 people, follow ward 7 on twitter",
        "I was the first of May's patients",
        "The staff were kind.I was happy. Room was clean",
        "moved from room 2 to 3 hours later, room two of us shared, bay 1 of 6",
        "I live at home. 5 Star care",
        "thanks @ NHS and all",
        "waiting room\nA nurse came. 1. No bed\n2. No food",
        "Seen 01/02/2023 14/02/2023, 05/03/2021\n12 hours",
        "Great job! 10/10, good job (10/10), in this case, 20-30 minutes, a claim of £25000 or (2019-2021)",
        "Staff! 1000 stars, the staff... 2020 was hard, the staff (1000+), driver, 0930, a metal pin (2019)",
        "10/10 Amazing Place, 24/7 Open House, Score:10 Great Place",
        "ward 12\nLovely View",
        "the NHS scored 9, 8, 10, 7, 10, 6, 9, 10 from us",
        "call bell rang at 0, 10, 20, 30, 40, 50 minutes",
        "NHS waiting times 2019/20 2020/21, the NHS on 01/02/2023 14:30",
        "2019\t2020\t2021\t2022",
        "by bus. At10 the nurse, ambulance - ED 12 HRS wait",
        "Room A&E was full, bay-5-minute wait, room-2-room transfer, room A* care",
        "She was born. 2 may be right",
        "Ward E5\n3hr wait",
        "bryn had 8 bryn",
    ],
)
def test_ordinary_words_and_numbers_are_left_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("call ０７７００ ９００１２３ now", "０７７００ ９００１２３"),
        ("call 0\u200b77\u200b00 900123 now", "0\u200b77\u200b00 900123"),
        ("call 07700\u00a0900\u00a0123 now", "07700\u00a0900\u00a0123"),
        ("at ΝΕ1 4LP now", "ΝΕ1 4LP"),
        ("call 0️⃣7️⃣7️⃣0️⃣0️⃣900123 now", "0️⃣7️⃣7️⃣0️⃣0️⃣900123"),
        ("write to jo＠example.org now", "jo＠example.org"),
    ],
)
def test_disguised_characters_hide_nothing(text: str, value: str) -> None:
    assert [stretch for _, stretch in found(text)] == [value]


TYPED = [
    ("my phone", "0191 498 0123"),
    ("NHS number", "943 476 5919"),
    ("DOB", "3 March 1960"),
    ("NINO", "QQ 12 34 56 C"),
    ("postcode", "NE1 4LP"),
    ("I live at", "46 Acacia Terrace"),
    ("hospital number", "D 738470"),
    ("complaint ref", "PALS-76546"),
    ("her badge said", "38118"),
    ("GMC number", "6103728"),
    ("left in", "bay 4 bed 2"),
    ("car reg", "AB12 CDE"),
]

STORY = "The nurses were kind and I was told what they did,"

NOISE: dict[str, Callable[[str, str], str]] = {
    "double blanks": lambda label, value: f"{label}  «{value.replace(' ', '  ')}»",
    "tabs": lambda label, value: f"{label}\t«{value.replace(' ', chr(9))}»",
    "a line's end": lambda label, value: f"{label} \n«{value}»",
    "a line's end of Windows": lambda label, value: f"{label}\r\n«{value}»",
    "brackets": lambda label, value: f"{label} [«{value}»]",
    "quotes": lambda label, value: f"{label} “«{value}»”",
    "stars": lambda label, value: f"{label} **«{value}»**",
    "underscores": lambda label, value: f"{label} _«{value}»_",
    "dots": lambda label, value: f"{label}... «{value}»",
    "an arrow": lambda label, value: f"{label} -> «{value}»",
    "dark digits": lambda label, value: f"{label} «{value.translate(str.maketrans('0123456789', '⓿❶❷❸❹❺❻❼❽❾'))}»",
    "NUL bytes": lambda label, value: f"{label} «{chr(0).join(value)}»",
    "a long line's end": lambda label, value: f"{STORY} {label} «{chr(10).join(value.rsplit(' ', 1))}»",
}


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize(("label", "value"), TYPED)
def test_what_people_and_programs_put_around_and_into_it_hides_nothing(label: str, value: str, noise: str) -> None:
    before, marked, after = re.split("[«»]", NOISE[noise](label, value))
    assert [stretch for _, stretch in found(before + marked + after)] == [marked]


def test_check_digit() -> None:
    assert is_nhs_number("9434765919")
    assert not is_nhs_number("9434765918")
    assert not is_nhs_number("1111111111")


def test_of_overlapping_spans_the_first_names_the_kind() -> None:
    spans = [Span(Kind.EMAIL, 5, 20), Span(Kind.URL, 12, 25), Span(Kind.NAME, 0, 6)]
    assert merged(spans) == [Span(Kind.EMAIL, 0, 25)]


@given(st.text(alphabet="0123456789 +-()./@aOIl_:,\t\r\nNE\u200b０", max_size=80))
def test_spans_lie_in_the_text_in_order_and_apart(text: str) -> None:
    plain = normalise(text)
    at = 0
    for span in identifiers(plain.text, words_of(plain.text)):
        start, end = plain.span(span.start, span.end)
        assert at <= start < end <= len(text)
        at = end


ADVERSARIAL = [
    "0 ", "1", "07700 ", "a@", "@a", "a.", "a.a", "-1", "((", "+4", "1/", "http:", "www.", "bed ", "bed 1 ", "flat 1 ",
    "12 aaaa ", "one ", "one-", "NE1", "AB-1", "dob ", "dob: ", "ref no ", "nhs ", "my number is ", "I ", "O0", "lI0|",
    "born ", "born on the twenty ", "follow a.", "snap a.", "1234 ", "sort code ", "a@a . ", "27 The ", "0 x 1",
    "at a dot ", "a (at) ", "x dot com slash ", "staff id is ", "hospital no ", "1 Jan ", "é@", ". ", "\n", "//",
    "01 ", "012\n", "A12345678", "PC 1", "mrn ", "live at 1 A", "1 heol ", "1 Bryn Y ", "snap a.a", "bed 1 of ",
    "born the first of May twenty ", "dob ..", "ref ..", "ref no. ", "_", "1O", "1\n", "1/2 a", "12-1 ",
    "1, ", "12, 3 ",
]  # fmt: skip


@pytest.mark.parametrize("unit", ADVERSARIAL)
def test_work_is_linear_in_the_length(unit: str) -> None:
    words = frozenset({"at", "born", "dot", "postcode", "twitter", "bed", "one", "two", "three", "zero"})

    def seconds(length: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length] + "!"
        best = float("inf")
        for _ in range(2):
            started = time.process_time()
            list(identifiers(text, words | words_of(text)))
            best = min(best, time.process_time() - started)
        return best

    # Quadratic work would grow a hundredfold; ten times is linear, the rest is head-room for a busy machine.
    assert seconds(100_000) < 40 * seconds(10_000) + 0.2


def test_every_kind_but_names_has_a_pattern() -> None:
    assert {pattern.kind for pattern in PATTERNS} == set(Kind) - {Kind.NAME}
