"""What a request that its schema allows is refused for all the same: the state of things, and ties between two values.

OpenAPI can say neither. So `positive_data_acceptance` cannot hold for these, and holds for all others: a refusal is
accounted for only where every sentence of the answer is one of these.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

# By reason; of one sentence each, without the name of the field before it.
REASONS: Mapping[str, str] = {
    "the Idempotency-Key was used for another request": r"This Idempotency-Key was used for another request\.",
    "what is named is not there": (
        r"There is no (such row: \d+|session \d+|course [0-9a-f-]+|learner \S+|assignment [0-9a-f-]+)\.|"
        r"Unknown employees: [\d, ]+\.|Train session \d+ not found\.|Course [\s\S]+ not found\.|Login \d+ not found\.|"
        r"There is no (such user|program (session|template) [0-9a-f]{24})\.|"
        r"(Course|Session|Enrollment|Employee|Train session) not found\."
    ),
    "a unique value is taken": (
        r"Another course has this code\.|Somebody else has this (employee number|username|e-mail address)\."
    ),
    "somebody is inactive": r"Inactive employees: [\d, ]+\.|Learner \S+ is inactive\.|The user is inactive\.",
    "enrolled already": r"Already enrolled employees: [\d, ]+\.",
    "no seats, or too few": (
        r"Session is at capacity\. (No spots|Only \d+ spots?) remaining\. You requested \d+ enrollments?\.|"
        r"\d+ places are taken; the limit cannot be \d+\.|"
        r"The program session is full: \d+ places left, \d+ asked for\."
    ),
    "too few units": r"Not enough units of [\s\S]+: \d+ needed, \d+ free\.",
    "a prerequisite is missing": (
        r"Unmet prerequisites: [\s\S]+\.|The user has not completed [\s\S]+\.|"
        r"A course cannot require itself, directly or through others\."
    ),
    "the state does not allow it": (
        r"The session is (cancelled|completed)(; nobody can be enrolled in it| and stays so)\.|"
        r"A session with enrollments keeps its course\.|Train session \d+ is completed; it stays as it is\.|"
        r"Assignment [0-9a-f-]+ is completed; it stays as it is\.|Course [0-9a-f-]+ is \w+; it cannot be assigned\.|"
        r"Only a cancelled session has a reason for it\.|"
        r"Enrollment \d+ is \w+; only an enrolled one can be changed\.|"
        r"Train session \d+ is completed; it cannot be changed\."
    ),
    "two times in the wrong order": (
        r"A session ends when it starts, or later\.|It lies before startTime, which is now unless it is given\."
    ),
    # With an offset, what is within the calendar here is not within it there: no pattern can say so.
    "an instant in the first or the last days of the calendar": (
        r"Datetime has wrong format\. Use one of these formats instead: YYYY-MM-DDThh:mm:ssZ, from "
        r"0001-01-02T00:00:00\.000000Z to 9999-12-31T00:00:00\.000000Z\.|"
        r"Give a time within the years 1 to 9999\.|"
        r"'(0001-01-01|9999-12-31)T\S+' is not accepted\. Give an RFC 3339 time such as 2019-06-13T19:08:25Z\."
    ),
    "`s` without paging": r"Sorts paged requests only\. Give page or per_page too\.",
    "ids in two places, or in none": (
        r"Ids in the query and a body: give one of the two\.|Give the ids of the train sessions to unassign\."
    ),
    "over 1,000 different ids": r"At most 1000 ids in one call; \d+ were given\.",
    "no cursor that was ever given out": (
        r"This is no cursor of this list\. Give an endCursor, as it was\.|"
        r"The cursor belongs to other filters or another endTime\. Send the same\."
    ),
}
_FIELD = r"(?:[A-Za-z_]+(?:\.\d+)?: )?"
_ANY = {reason: re.compile(rf"{_FIELD}(?:{sentences})") for reason, sentences in REASONS.items()}


def reason_for(body: bytes) -> str | None:
    """Why a valid request was refused, or None: for nothing that may be. `body` is an error body of any family."""
    texts = _texts(json.loads(body))
    reasons = {_reason(text) for text in texts}
    if not texts or None in reasons:
        return None
    return min(reason for reason in reasons if reason is not None)


def _texts(body: Mapping[str, Any]) -> list[str]:
    match body:
        case {"errors": list(texts)}:
            return [str(text) for text in texts]
        case {"errors": dict(fields)}:
            return [str(text) for texts in fields.values() for text in texts]
        case {"message": str(text)} | {"description": str(text)}:
            return [text]
    return []


def _reason(text: str) -> str | None:
    """Of a text of one sentence or more, all for one reason."""
    for reason, sentence in _ANY.items():
        if re.fullmatch(rf"{sentence.pattern}(?: {sentence.pattern})*", text):
            return reason
    return None
