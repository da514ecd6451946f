"""What a newcomer is told: addresses, the login, tokens, and a line to paste for each family."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from accounts.api.dialect import Dialect
from accounts.scopes import Scope
from config.families import FAMILIES
from config.quickstart.access import EMAIL, Access
from config.quickstart.documents import DOCUMENTS

# By family: how its documents carry the credential, and a request that the documents' company answers with data.
EXAMPLES = {
    "training": ("Authorization: Bearer {token}", "/api/v1/training/courses"),
    "train_sessions": ('Authorization: Token token="{token}"', "/api/train_sessions"),
    "training_assignments": (
        "Authorization: Bearer {token}",
        "/training-assignments/stream?startTime=2015-01-01T00:00:00Z",
    ),
    "programs": (None, f"/api/v1/programs/sessions?company={DOCUMENTS.company_id}&apiKey={{token}}"),
}


def curl(dialect: Dialect, *, url: str, token: str) -> str:
    """A line for a shell. In single quotes, in which nothing of a token or a query has a meaning."""
    header, path = EXAMPLES[dialect.family]
    credential = "" if header is None else f"-H '{header.format(token=token)}' "
    return f"curl {credential}'{url}{path.format(token=token)}'"


def lines(*, url: str, access: Access) -> Iterator[str]:
    yield f"Start page   {url}/"
    yield f"Admin        {url}/admin/"
    for dialect in FAMILIES:
        yield f"Docs         {url}/api/docs/{dialect.family}  ({dialect.title})"
    yield ""
    yield f"Login        {EMAIL}"
    if access.password is not None:
        yield f"Password     {access.password}"
    for slug, secret in access.tokens.items():
        if secret is not None:
            yield f"Token        {secret}  (organization {slug}, all scopes)"
    token = access.tokens.get(DOCUMENTS.slug)
    yield ""
    yield "To paste (the documents' own company answers; with the demo token, one of 300 people):"
    for dialect in FAMILIES:
        yield f"  {curl(dialect, url=url, token=token or 'YOUR_TOKEN')}"
    yield ""
    if access.password is not None and token is not None:
        yield "The password and the tokens are shown this once: only their hashes are kept."
        return
    yield "Secrets are shown on the first run only. New ones:"
    if access.password is None:
        yield f"  {manage()} changepassword {EMAIL}"
    if token is None:
        scopes = ",".join(Scope.values)
        yield f"  {manage()} create_token --organization {DOCUMENTS.slug} --name mine --scopes {scopes}"


def manage() -> str:
    """How this process was started, to paste again from the same directory."""
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return f"{shlex.quote(str(python))} {shlex.quote(sys.argv[0])}"
