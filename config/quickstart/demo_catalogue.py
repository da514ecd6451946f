"""The demo company's courses, scheduled sessions and programs, as tables to read and change."""

from typing import NamedTuple


class CourseFacts(NamedTuple):
    """`mode`: i, o, h or s for in person, online, hybrid, self-paced. `provider` is empty for the company itself."""

    code: str
    title: str
    mode: str
    hours: str
    cost: str
    provider: str
    pass_score: int | None
    months: int | None
    description: str
    requires: tuple[str, ...] = ()


MODES = {"i": "in_person", "o": "online", "h": "hybrid", "s": "self_paced"}
CATEGORY_OF = {
    "TECH": "technical",
    "SOFT": "soft_skills",
    "COMP": "compliance",
    "LEAD": "leadership",
    "ONB": "onboarding",
    "SAFE": "safety",
}
# Assigning one of these takes a bought seat.
UNIT_COURSES = ("SAFE-110", "SAFE-121")
# No longer given; what people did of it stays.
ARCHIVED = "TECH-110"
# What everybody owes, in every year or two.
MANDATORY = ("SAFE-101", "SAFE-102", "COMP-101", "COMP-102")

COURSES = (
    CourseFacts(
        "ONB-101", "Welcome to Nordhafen", "h", "4", "0", "", None, None, "Who we are, how we work, whom to ask."
    ),
    CourseFacts(
        "ONB-102", "Systems and Tools", "o", "2", "0", "", 60, None, "Accounts, devices, time sheets, tickets."
    ),
    CourseFacts(
        "ONB-103", "Site Tour and House Rules", "i", "2", "0", "", None, None, "A walk through halls and yard."
    ),
    CourseFacts("ONB-104", "Pay, Leave and Benefits", "s", "1", "0", "", None, None, "Payroll, holidays, pensions."),
    CourseFacts(
        "SAFE-101", "Fire Safety", "o", "1", "0", "", 80, 12, "Alarms, extinguishers, assembly points, evacuation."
    ),
    CourseFacts("SAFE-102", "Manual Handling", "i", "3", "45", "", None, 24, "Lifting, carrying and pulling loads."),
    CourseFacts(
        "SAFE-103",
        "First Aid at Work",
        "i",
        "8",
        "89.50",
        "Rotes Kreuz Hamburg",
        None,
        24,
        "The nine lessons that a company's first aiders need, with practice on the dummy.",
    ),
    CourseFacts(
        "SAFE-104",
        "First Aid Refresher",
        "i",
        "4",
        "52",
        "Rotes Kreuz Hamburg",
        None,
        24,
        "Renews a first aider's certificate.",
        ("SAFE-103",),
    ),
    CourseFacts(
        "SAFE-110",
        "Forklift Operation",
        "i",
        "16",
        "420",
        "DEKRA Akademie",
        75,
        36,
        "Theory, yard practice, test drive.",
    ),
    CourseFacts(
        "SAFE-111",
        "Reach Truck Operation",
        "i",
        "8",
        "310",
        "DEKRA Akademie",
        75,
        36,
        "High racks and narrow aisles.",
        ("SAFE-110",),
    ),
    CourseFacts(
        "SAFE-120",
        "Dangerous Goods Awareness",
        "h",
        "4",
        "120",
        "",
        70,
        24,
        "Classes, labels and papers under ADR 1.3.",
    ),
    CourseFacts(
        "SAFE-121",
        "Dangerous Goods Driver (ADR)",
        "i",
        "18",
        "560",
        "DEKRA Akademie",
        70,
        60,
        "The basic course for packages, with its examination.",
        ("SAFE-120",),
    ),
    CourseFacts(
        "COMP-101", "Code of Conduct", "s", "1.5", "0", "", 80, 24, "What we promise each other and customers."
    ),
    CourseFacts(
        "COMP-102",
        "Data Protection",
        "s",
        "1.5",
        "0",
        "",
        80,
        12,
        "Personal data of colleagues, drivers and customers.",
    ),
    CourseFacts("COMP-103", "Anti-Bribery", "s", "1", "0", "", 80, 24, "Gifts, invitations, and how to say no."),
    CourseFacts(
        "COMP-104", "Competition Law", "o", "2", "60", "Kanzlei Brandt", 70, 36, "What may be said among competitors."
    ),
    CourseFacts(
        "COMP-105",
        "Customs and Export Control",
        "h",
        "6",
        "240",
        "Zollakademie Nord",
        65,
        24,
        "Tariffs, licences, sanctions lists, and who signs for what.",
    ),
    CourseFacts(
        "COMP-106",
        "Driving and Rest Times",
        "h",
        "7",
        "95",
        "",
        70,
        60,
        "One module of the drivers' periodic training.",
    ),
    CourseFacts(
        "COMP-107", "Information Security Awareness", "s", "0.75", "0", "", 80, 12, "Phishing, passwords, lost devices."
    ),
    CourseFacts("COMP-108", "Speaking Up", "s", "0.5", "0", "", None, None, "How to report, and who is protected."),
    CourseFacts("TECH-101", "Warehouse System Basics", "o", "4", "0", "", 70, None, "Receiving, putaway, picking."),
    CourseFacts(
        "TECH-102",
        "Warehouse System for Key Users",
        "h",
        "8",
        "150",
        "",
        70,
        None,
        "Waves, replenishment, corrections and month-end.",
        ("TECH-101",),
    ),
    CourseFacts(
        "TECH-110", "Handheld Scanners", "s", "1", "0", "", None, None, "The old scanners, gone since the move."
    ),
    CourseFacts(
        "TECH-120",
        "Spreadsheets for Planners",
        "o",
        "6",
        "180",
        "Datenwerk",
        60,
        None,
        "Tables, lookups, pivot tables.",
    ),
    CourseFacts(
        "TECH-121",
        "SQL for Operations Analysts",
        "o",
        "12",
        "390",
        "Datenwerk",
        60,
        None,
        "From a first SELECT to window functions.",
        ("TECH-120",),
    ),
    CourseFacts(
        "TECH-130", "Route Planning Software", "h", "6", "130", "", 65, None, "Depots, time windows, driver shifts."
    ),
    CourseFacts(
        "TECH-140", "Security for System Owners", "o", "3", "95.25", "Datenwerk", 80, 12, "Access, patches, backups."
    ),
    CourseFacts("TECH-150", "Vehicle Telematics", "i", "3", "40", "", None, None, "Tachograph, tracking, eco-driving."),
    CourseFacts(
        "SOFT-101", "Clear Business Writing", "o", "4", "110", "Wortwerkstatt", None, None, "Mails people read."
    ),
    CourseFacts(
        "SOFT-102", "Giving and Receiving Feedback", "i", "6", "160", "Wortwerkstatt", None, None, "Practice in threes."
    ),
    CourseFacts(
        "SOFT-103",
        "Difficult Conversations",
        "i",
        "8",
        "210",
        "Wortwerkstatt",
        None,
        None,
        "Preparing, holding and closing the talk that nobody wants to have.",
        ("SOFT-102",),
    ),
    CourseFacts("SOFT-104", "Time Management", "o", "3", "70", "", None, None, "Priorities, calendars, saying no."),
    CourseFacts(
        "SOFT-105", "Presenting with Confidence", "i", "7", "190", "Wortwerkstatt", None, None, "On camera too."
    ),
    CourseFacts(
        "SOFT-106", "Working across Cultures", "h", "5", "140", "", None, None, "Twenty-six nations on one yard."
    ),
    CourseFacts(
        "LEAD-101",
        "First-Time Manager",
        "i",
        "16",
        "480",
        "Leadership Academy",
        70,
        None,
        "Two days on goals, delegation and the first difficult talk.",
    ),
    CourseFacts(
        "LEAD-102", "Coaching Skills", "i", "8", "350", "Leadership Academy", None, None, "Asking first.", ("LEAD-101",)
    ),
    CourseFacts(
        "LEAD-103",
        "Leading Change",
        "h",
        "12",
        "420",
        "Leadership Academy",
        70,
        None,
        "A change of one's own, from plan to review.",
        ("LEAD-101",),
    ),
    CourseFacts("LEAD-104", "Fair Performance Reviews", "h", "4", "90", "", None, None, "Evidence, bias, agreement."),
    CourseFacts("LEAD-105", "Budgets for Managers", "o", "5", "130", "", 60, None, "Reading a cost centre's report."),
    CourseFacts(
        "LEAD-106", "Safety Leadership", "i", "6", "175", "DEKRA Akademie", 75, 36, "Walks, near misses, duties."
    ),
)


class SessionFacts(NamedTuple):
    """A scheduled session. `start` and `days` count from the day of loading; the rest are enrollments, by status."""

    code: str
    name: str
    start: int
    days: int
    location: str
    seats: int | None
    status: str = "scheduled"
    enrolled: int = 0
    completed: int = 0
    failed: int = 0
    absent: int = 0
    cancelled: int = 0


SESSIONS = (
    SessionFacts("SAFE-103", "First aiders, group 1", -320, 1, "Hall 2, Room 4", 12, "completed", 0, 9, 0, 1, 1),
    SessionFacts("LEAD-101", "New managers, cohort 1", -260, 2, "Hafencity, Room Elbe", 12, "completed", 0, 10, 1),
    SessionFacts("SAFE-120", "ADR awareness Hamburg", -210, 1, "Hall 1, Room 1", 15, "completed", 0, 11, 2, 1),
    SessionFacts("SOFT-102", "Feedback, group 7", -180, 1, "Hafencity, Room Alster", 12, "completed", 0, 8, 0, 2, 1),
    SessionFacts("TECH-120", "Planners, group A", -150, 1, "Online", 10, "completed", 0, 7, 1),
    SessionFacts("COMP-105", "Customs refresher", -120, 1, "Hafencity, Room Elbe", 20, "completed", 0, 12, 2, 1, 1),
    SessionFacts("SAFE-103", "First aiders, group 2", -95, 1, "Hall 2, Room 4", 12, "completed", 0, 9, 0, 1),
    SessionFacts("SOFT-105", "Presenting, group 3", -70, 1, "Hafencity, Studio", 10, "completed", 0, 8, 0, 1),
    SessionFacts("LEAD-104", "Before the review round", -45, 1, "Hafencity, Room Alster", 14, "completed", 0, 9, 0, 1),
    SessionFacts("ONB-103", "Tour for new colleagues", -20, 1, "Gate 1", 20, "completed", 0, 14),
    SessionFacts("SAFE-102", "Lifting, night shift", -10, 1, "Hall 3", 16, "completed", 0, 10, 0, 1),
    SessionFacts("LEAD-103", "Change projects", -5, 12, "Hafencity, Room Elbe", 10, "in_progress", 8),
    SessionFacts("TECH-130", "Route planning, evenings", -3, 9, "Hall 1, Room 1", 12, "in_progress", 7),
    SessionFacts("ONB-102", "Tools for new colleagues", 6, 1, "Online", 20),
    SessionFacts("SAFE-103", "First aiders, group 3", 9, 1, "Hall 2, Room 4", 10, "scheduled", 10),
    SessionFacts("SAFE-102", "Lifting, day shift", 12, 1, "Hall 3", 16, "scheduled", 9),
    SessionFacts("SOFT-103", "The talk, group 1", 16, 1, "Hafencity, Room Alster", 8, "scheduled", 8),
    SessionFacts("SOFT-104", "Time management webinar", 19, 1, "Online", None, "scheduled", 12),
    SessionFacts("TECH-150", "Telematics, new fleet", 23, 1, "Yard 2", 6, "scheduled", 6),
    SessionFacts("SOFT-106", "Across cultures", 25, 1, "Hafencity, Room Elbe", 14, "cancelled", cancelled=6),
    SessionFacts("LEAD-101", "New managers, cohort 2", 30, 2, "Hafencity, Room Elbe", 14, "scheduled", 8),
    SessionFacts("SOFT-101", "Writing that works", 37, 1, "Online", 20, "scheduled", 6),
    SessionFacts("COMP-105", "Customs for newcomers", 44, 1, "Hafencity, Room Elbe", 24, "scheduled", 5),
    SessionFacts("SAFE-120", "ADR awareness Bremen", 51, 1, "Bremen depot", 15, "scheduled", 11, cancelled=1),
    SessionFacts("LEAD-102", "Coaching for managers", 60, 1, "Hafencity, Room Alster", 12, "scheduled", 4),
)


class TemplateFacts(NamedTuple):
    """A program. Each module is a course's code, or the type of a module without one."""

    name: str
    description: str
    hours: str
    modules: tuple[str, ...]


TEMPLATES = {
    "joiners": TemplateFacts(
        "New Joiner Programme",
        "The first ninety days.",
        "9.5",
        ("ONB-101", "classroom", "ONB-104", "COMP-108", "webinar"),
    ),
    "shift": TemplateFacts(
        "Shift Leader Programme",
        "From the team to its front.",
        "24",
        ("LEAD-106", "SOFT-104", "classroom", "COMP-107", "webinar", "LEAD-105", "TECH-101", "classroom"),
    ),
    "drivers": TemplateFacts(
        "Driver Qualification",
        "What a driver renews.",
        "19",
        ("COMP-106", "TECH-150", "webinar", "TECH-130", "classroom", "COMP-107", "webinar"),
    ),
    "data": TemplateFacts(
        "Planning with Data",
        "From spreadsheets to queries.",
        "22",
        ("TECH-120", "webinar", "TECH-121", "classroom", "TECH-140"),
    ),
    "managers": TemplateFacts(
        "Management Foundations",
        "Twelve steps in half a year.",
        "64.5",
        (
            *("LEAD-101", "webinar", "LEAD-104", "classroom", "LEAD-105", "SOFT-101"),
            *("webinar", "SOFT-105", "COMP-104", "classroom", "LEAD-102", "webinar"),
        ),
    ),
    "compliance": TemplateFacts(
        "Compliance Year",
        "One topic every six weeks.",
        "12",
        (
            *("COMP-103", "COMP-104", "webinar", "COMP-105", "COMP-108"),
            *("classroom", "COMP-107", "webinar", "classroom"),
        ),
    ),
}


class ProgramFacts(NamedTuple):
    """A program session. `start` and `end` count from the day of loading; `limit` is None where there is none."""

    template: str
    name: str
    start: int
    end: int
    members: int
    limit: int | None
    requires: tuple[str, ...] = ()


PROGRAMS = (
    ProgramFacts("drivers", "Drivers, first group", -400, -300, 20, None),
    ProgramFacts("joiners", "Joiners, group 11", -200, -110, 14, None),
    ProgramFacts("compliance", "Compliance Year, head office", -290, 60, 22, None),
    ProgramFacts("managers", "Foundations, cohort 6", -150, -20, 10, 12),
    ProgramFacts("shift", "Shift leaders, Hall 1 to 3", -90, 30, 16, 16),
    ProgramFacts("joiners", "Joiners, group 12", -25, 65, 12, None),
    ProgramFacts("data", "Planners and analysts", 14, 104, 12, 20),
    ProgramFacts("managers", "Foundations, cohort 7", 30, 210, 8, 12, ("COMP-101",)),
)
