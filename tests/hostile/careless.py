"""gunicorn's own worker, and without what keeps files harmless, so that the proof can be seen to notice."""

import zipfile

from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):  # type: ignore[misc]  # published without types
    def load_wsgi(self) -> None:
        super().load_wsgi()
        from accounts import workbooks  # noqa: PLC0415 - once Django is set up
        from accounts.admin import exporting  # noqa: PLC0415 - as above

        vars(workbooks)["BoundedArchive"] = zipfile.ZipFile
        vars(exporting)["harmless"] = str
