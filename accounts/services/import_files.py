"""Files that wait between the look at what they would do and the confirmation."""

from datetime import timedelta

from django.utils import timezone

from accounts.actors import Actor
from accounts.models import ImportFile, OperationKind, Organization, User
from accounts.transactions import write

FILE_LIFETIME = timedelta(hours=24)


def keep_file(*, organization: Organization, user: User, kind: OperationKind, name: str, content: bytes) -> ImportFile:
    """For this user and organization only."""
    with write(Actor.staff(user)):
        return ImportFile.objects.create(
            organization=organization, user=user, kind=kind, name=name[:255], content=content
        )


def drop_file(*, actor: Actor, file: ImportFile) -> None:
    with write(actor):
        ImportFile.objects.of(file.organization).filter(pk=file.pk).delete()


def purge_import_files() -> int:
    """Delete those that nobody confirmed within a day. Returns how many there were."""
    with write():
        deleted, _ = ImportFile.objects.filter(created_at__lte=timezone.now() - FILE_LIFETIME).delete()
    return deleted
