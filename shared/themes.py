"""Plain words for the model's themes: what people valued, what could be better, and what kind of question fits.

Theme names are those of the v7 framework of NHS England's Patient Experience Qualitative Data Categorisation project.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThemeWords:
    """How a theme is said to a team.

    Attributes:
        valued: completes "People valued: …".
        better: completes "Could be better: …"; neutral, about the work and never about a person.
        group: the part of the system its questions are about; see `questions.py`.
        specific: whether it names a practice a team can do more of; an unspecific theme is only told where no specific
            one can be.
    """

    valued: str
    better: str
    group: str
    specific: bool = True


THEMES: dict[str, ThemeWords] = {
    "Staff manner & personal attributes": ThemeWords(
        "kind and friendly staff", "how people felt they were treated", "relationships"
    ),
    "Positive experience & gratitude": ThemeWords(
        "a good experience as a whole", "the experience as a whole", "relationships", specific=False
    ),
    "Timeliness of care": ThemeWords("being seen on time", "how long people waited", "waiting"),
    "Staff listening, understanding & involving patients": ThemeWords(
        "being listened to and involved", "feeling listened to and involved", "listening"
    ),
    "Contacting services": ThemeWords("being able to get through", "getting through to the service", "access"),
    "Transport to/ from services": ThemeWords("the journey to and from care", "travel to and from care", "access"),
    "Information directly from staff during care": ThemeWords(
        "clear explanations from staff", "explanations during care", "information"
    ),
    "Staffing levels & responsiveness": ThemeWords(
        "staff being there when needed", "having enough staff at hand", "capacity"
    ),
    "Appointment arrangements": ThemeWords("how visits were arranged", "how visits are arranged", "access"),
    "Continuity of care": ThemeWords("care that joined up", "how care joins up over time", "journey"),
    "Being kept informed, clarity & consistency of information": ThemeWords(
        "being kept up to date", "being kept up to date", "information"
    ),
    "Competence & training": ThemeWords("skilled staff", "skills and training", "capacity"),
    "Activities & access to fresh air": ThemeWords(
        "things to do and fresh air", "things to do and fresh air", "surroundings"
    ),
    "Information provision & guidance": ThemeWords(
        "useful advice and leaflets", "written advice and guidance", "information"
    ),
    "Food & drink provision & facilities": ThemeWords("the food and drink", "food and drink", "surroundings"),
    "Supplying & understanding medication": ThemeWords(
        "help with medicines", "getting and understanding medicines", "treatment"
    ),
    "Environment, facilities & equipment": ThemeWords(
        "the building and equipment", "the building and equipment", "surroundings"
    ),
    "Interaction with family/ carers": ThemeWords(
        "including family and carers", "including family and carers", "listening"
    ),
    "Cleanliness, tidiness & infection control": ThemeWords(
        "a clean and tidy place", "cleaning and tidiness", "surroundings"
    ),
    "Organisation & efficiency": ThemeWords("things running smoothly", "how the work is organised", "capacity"),
    "Mental Health Act": ThemeWords("support with rights under the law", "rights and leave under the law", "listening"),
    "Funding & use of financial resources": ThemeWords("money well used", "how money is used", "capacity"),
    "Discharge": ThemeWords("leaving care well prepared", "leaving care", "journey"),
    "Unspecified communication": ThemeWords("good communication", "communication", "information", specific=False),
    "Service location": ThemeWords("care close to home", "where care takes place", "access"),
    "Feeling safe": ThemeWords("feeling safe", "feeling safe", "surroundings"),
    "Appointment method": ThemeWords("the way visits took place", "visits by phone, by video or in person", "access"),
    "Sensory experience": ThemeWords("calm and quiet", "noise, light and temperature", "surroundings"),
    "Electronic entertainment": ThemeWords(
        "television, games and internet", "television, games and internet", "surroundings"
    ),
    "Pain management": ThemeWords("relief from pain", "relief from pain", "treatment"),
    "Parking": ThemeWords("easy parking", "parking", "access"),
}


def slug_of(theme: str) -> str:
    """A theme's part of its topic's name: a-z, 0-9 and single hyphens."""
    return "-".join(re.findall(r"[a-z0-9]+", theme.casefold()))


SLUGS: dict[str, str] = {slug_of(theme): theme for theme in THEMES}
"""The themes that have a topic: those of the bundled model, by slug."""


def words_for(theme: str) -> ThemeWords:
    """Plain words for a theme; a model of the operator's own has its themes told by their names."""
    known = THEMES.get(theme)
    return known or ThemeWords(theme.lower(), theme.lower(), "general")
