import hmac
from collections.abc import Mapping
from typing import ClassVar

from django.http import HttpRequest

from accounts.api.dialect import Answer, Dialect, bearer, with_status
from accounts.api.errors import ApiError
from accounts.errors import CredentialRefused, PeopleInactive, PeopleUnknown, Refusal
from accounts.models import ApiToken
from accounts.scopes import Scope
from accounts.selectors import live_token
from accounts.wording import listed
from enrollments.errors import NotEnoughUnits, SessionFull
from programs.errors import ProgramSessionUnknown, RequirementsNotMet
from programs.wording import describe


def _requirements_not_met(refusal: RequirementsNotMet) -> ApiError:
    """Of the one user in the path: the ids in the refusal are the ledger's own, which this family never shows."""
    missing = [name for names in refusal.missing.values() for name in names]
    return ApiError(422, [f"The user has not completed {listed(missing)}."], code=refusal.code)


class ProgramsDialect(Dialect):
    """The document's family: bare arrays and objects, `{"error", "description"}`, and three ways to bring the key."""

    family = "programs"
    title = "Programs API"
    description = "Program sessions: runs of program templates, with dates, tutors and people."
    prefixes = ("/api/v1/programs",)
    read_scope = Scope.PROGRAMS_READ
    write_scope = Scope.PROGRAMS_WRITE
    rate_setting = "RATE_LIMIT_PROGRAMS"
    query_credentials = ("company", "apiKey")
    challenge = 'Bearer realm="programs"'
    security: ClassVar[dict[str, dict[str, str]]] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "apiKeyHeader": {"type": "apiKey", "in": "header", "name": "X-apiKey"},
        "companyHeader": {"type": "apiKey", "in": "header", "name": "X-company-id"},
        "apiKeyQuery": {"type": "apiKey", "in": "query", "name": "apiKey"},
        "companyQuery": {"type": "apiKey", "in": "query", "name": "company"},
    }
    security_choices: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("bearer",),
        ("apiKeyHeader", "companyHeader"),
        ("apiKeyQuery", "companyQuery"),
    )

    refusals: ClassVar[Mapping[type[Refusal], Answer]] = {
        CredentialRefused: lambda refusal: ApiError(401, [describe(refusal)], code="unauthorized"),
        ProgramSessionUnknown: with_status(404),
        SessionFull: lambda refusal: ApiError(
            422,
            [f"The program session is full: {refusal.remaining} places left, {refusal.requested} asked for."],
            code=refusal.code,
        ),
        RequirementsNotMet: _requirements_not_met,
        NotEnoughUnits: with_status(422),
        PeopleUnknown: lambda _refusal: ApiError(404, ["There is no such user."], code="user_not_found"),
        PeopleInactive: lambda _refusal: ApiError(422, ["The user is inactive."], code="user_inactive"),
    }

    def authenticate(self, request: HttpRequest) -> ApiToken:
        """Bearer, or a key with the company that it belongs to: in headers, or in the query."""
        if secret := bearer(request):
            return live_token(secret)
        pairs = (
            (request.headers.get("X-company-id"), request.headers.get("X-apiKey")),
            (request.GET.get("company"), request.GET.get("apiKey")),
        )
        for company, secret in pairs:
            if company and secret:
                token = live_token(secret)
                if not hmac.compare_digest(company.encode(), token.organization.company_id.encode()):
                    raise CredentialRefused("unknown")
                return token
        raise CredentialRefused("missing")

    def error_body(self, error: ApiError) -> dict[str, object]:
        return {"error": error.code, "description": " ".join(error.messages)}

    def error_schema(self) -> dict[str, object]:
        return {
            "type": "object",
            "properties": {"error": {"type": "string"}, "description": {"type": "string"}},
            "required": ["error", "description"],
            "additionalProperties": False,
        }
