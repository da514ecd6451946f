from accounts.errors import Refusal


class ProgramSessionUnknown(Refusal):
    """No program session of the organization has this id of 24 hex digits."""

    code = "session_not_found"

    def __init__(self, hex_id: str) -> None:
        super().__init__(hex_id)
        self.hex_id = hex_id


class RequirementsNotMet(Refusal):
    """What each person has not completed, by person id: codes of courses and names of programs."""

    code = "requirements_not_met"

    def __init__(self, missing: dict[int, list[str]]) -> None:
        super().__init__(missing)
        self.missing = missing
