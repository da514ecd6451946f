"""What programs refuse, in words."""

from accounts.wording import listed
from programs.errors import ProgramSessionUnknown, RequirementsNotMet
from training.wording import describe

__all__ = ["describe"]


@describe.register
def _unknown(refusal: ProgramSessionUnknown) -> str:
    return f"There is no program session {refusal.hex_id}."


@describe.register
def _requirements(refusal: RequirementsNotMet) -> str:
    people = "; ".join(f"{pk} has not completed {listed(names)}" for pk, names in refusal.missing.items())
    return f"Requirements not met: {people}."
