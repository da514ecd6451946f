"""The demo company's 300 people."""

# ruff: noqa: RUF001 - the names' own letters, some of which look like others

import random
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from accounts.models import Group, GroupMember, Organization, Person, PersonKind
from accounts.search import searchable

COUNT = 300
FIRST_ID = 101
# Positions of those who have left, and of those who drive.
LEFT = frozenset({7, 41, 66, 103, 148, 177, 212, 239, 284})
DRIVERS = frozenset(range(3, COUNT, 4))

DRIVERS_GROUP, WAREHOUSE, OFFICE, NIGHT_SHIFT = "Drivers", "Warehouse Hamburg", "Office", "Night shift"
GROUP_SEED = 20_260_116

FIRST_NAMES = (
    *("Anna", "Jürgen", "Małgorzata", "Ahmet", "Søren", "Inês", "Lukas", "Élodie", "Thị Lan", "Mateusz"),
    *("Sabine", "Björn", "Ayşe", "Tomáš", "Renée", "Dragana", "Kwame", "Noémie", "Stefan", "Ümit"),
    *("Marie", "José", "Katarzyna", "Håkon", "Zoë", "Paweł", "Fatima", "Günter", "Chloé", "Ivan"),
    *("Lena", "Matúš", "Aylin", "François", "Birgit", "Raúl", "Agnieszka", "Jonas", "Şule", "Dimitra"),
    *("Heike", "Oğuz", "Carmen", "Václav", "Yasmin", "Mikołaj", "Astrid", "Pedro", "Ema", "Rolf"),
)
LAST_NAMES = (
    *("Müller", "Nowak", "Yılmaz", "Jensen", "García", "Schröder", "Dvořák", "Nguyễn", "Østergaard", "Lefèvre"),
    *("Weiß", "Kowalczyk", "Öztürk", "Lindström", "Fernández", "Köhler", "Novák", "Traoré", "Bjørnstad", "Gonçalves"),
    *("Becker", "Wiśniewski", "Çelik", "Håkansson", "Peña", "Groß", "Horváth", "Mensah", "Ågren", "Bélanger"),
    *("Schulz", "Zieliński", "Şahin", "Sørensen", "Muñoz", "Jäger", "Kovačević", "O'Connor", "Nyström", "D'Angelo"),
    *(
        "Hoffmann",
        "Dąbrowski",
        "Aydın",
        "Van der Berg",
        "Ibáñez",
        "Böhm",
        "Marković",
        "Papadopoulos",
        "Brâncuși",
        "Łuczak",
    ),
)
# Letters that no decomposition turns into plain ones.
PLAIN = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "ı": "i", "ß": "ss", "đ": "d", "'": "", " ": ""})


def people(organization: Organization, rng: random.Random, today: date) -> list[Person]:
    """`created_at` is when somebody joined the company: a month to eight years ago."""
    pairs = [(first, last) for first in FIRST_NAMES for last in LAST_NAMES]
    rows = []
    for number, (first_name, last_name) in enumerate(rng.sample(pairs, COUNT)):
        login = f"{plain(first_name)}.{plain(last_name)}"
        name = f"{first_name} {last_name}"
        joined = today - timedelta(days=rng.randint(600 if number in LEFT else 30, 2900))
        rows.append(
            Person(
                pk=FIRST_ID + number,
                organization=organization,
                employee_id=f"NHL-{1001 + number}",
                first_name=first_name,
                last_name=last_name,
                search_name=searchable(name),
                username=login,
                mail=f"{login}@nordhafen.example",
                kind=PersonKind.DRIVER if number in DRIVERS else PersonKind.USER,
                hex_id=f"{rng.getrandbits(96):024x}",
                active=number not in LEFT,
                created_at=datetime.combine(joined, time(8), ZoneInfo(organization.time_zone)),
            )
        )
    return rows


def groups(organization: Organization, staff: Sequence[Person]) -> tuple[list[Group], list[GroupMember]]:
    """All who drive, and of the others those who are still there. A seed of its own: nobody else's figures move."""
    rng = random.Random(GROUP_SEED)  # noqa: S311 - made-up groups need no cryptography
    inside: dict[str, list[Person]] = {DRIVERS_GROUP: [], WAREHOUSE: [], OFFICE: [], NIGHT_SHIFT: []}
    for person in staff:
        place = DRIVERS_GROUP if person.kind == PersonKind.DRIVER else rng.choice((WAREHOUSE, WAREHOUSE, OFFICE))
        if person.active or place == DRIVERS_GROUP:
            inside[place].append(person)
        if person.active and place == WAREHOUSE and rng.randrange(4) == 0:
            inside[NIGHT_SHIFT].append(person)
    founded = min(person.created_at for person in staff)
    rows = {name: Group(organization=organization, name=name, created_at=founded) for name in inside}
    members = [
        GroupMember(organization=organization, group=rows[name], person=person)
        for name, people_in_it in inside.items()
        for person in people_in_it
    ]
    return list(rows.values()), members


def plain(name: str) -> str:
    """A name as it stands in a mail address."""
    letters = unicodedata.normalize("NFKD", name.translate(PLAIN).lower())
    return "".join(letter for letter in letters if letter.isascii())
