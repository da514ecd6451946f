"""A session as a calendar entry, for whoever is in it."""

from icalendar import Calendar, Event, vCalAddress

from enrollments.models import Session, SessionStatus


def invitation(session: Session) -> bytes:
    """The session, with its course, facilitator and organization, in iCalendar's form (RFC 5545).

    The UID stays that of the session, and SEQUENCE rises with each change: a calendar that has the entry replaces it.
    """
    event = Event()
    event.add("uid", f"session-{session.pk}.{session.organization.company_id}@training-ledger")
    event.add("dtstamp", session.updated_at)
    # Changes are not counted; the time of the last one rises as well.
    event.add("sequence", max(int((session.updated_at - session.created_at).total_seconds()), 0))
    event.add("dtstart", session.starts_at)
    event.add("dtend", session.ends_at)
    event.add("summary", session.name)
    event.add("description", _description(session))
    if session.location:
        event.add("location", session.location)
    if session.facilitator and session.facilitator.mail:
        organizer = vCalAddress(f"mailto:{session.facilitator.mail}")
        organizer.params["CN"] = session.facilitator.full_name
        event.add("organizer", organizer)
    event.add("status", "CANCELLED" if session.status == SessionStatus.CANCELLED else "CONFIRMED")
    calendar = Calendar()
    calendar.add("prodid", "-//Training Ledger//Sessions//EN")
    calendar.add("version", "2.0")
    calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written


def _description(session: Session) -> str:
    lines = [f"Course: {session.course}"]
    if session.status == SessionStatus.CANCELLED and session.cancel_reason:
        lines.append(f"Cancelled: {session.cancel_reason}")
    return "\n".join(lines)
