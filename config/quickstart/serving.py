"""Where the quickstart serves, and handing the process over to the server."""

import os
import socket
import sys
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import NoReturn

from django.conf import settings
from django.db import connections


@dataclass(frozen=True)
class Address:
    host: str
    port: int

    @property
    def is_everywhere(self) -> bool:
        """Whether it means every address of the machine."""
        try:
            return ip_address(self.host).is_unspecified
        except ValueError:
            return False

    @property
    def bind(self) -> str:
        return f"{self._written}:{self.port}"

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        return f"http://{'127.0.0.1' if self.is_everywhere else self._written}:{self.port}"

    @property
    def _written(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def allowed_hosts(self) -> list[str]:
        """What requests may call this server. Every address has no end of names: there, whatever they call it, unless
        the operator has said which.
        """
        if self.is_everywhere:
            return settings.ALLOWED_HOSTS if "ALLOWED_HOSTS" in os.environ else ["*"]
        return list(dict.fromkeys([*settings.ALLOWED_HOSTS, self._written]))

    def check_free(self) -> None:
        """Raises OSError where nothing can listen here: somebody else does, or the host is not this machine's."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the server does: connections of the last one that have not ended yet are no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)


def serve(address: Address) -> NoReturn:
    """Become the server: this process id, so that whoever started the command stops the server by it."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        if close_pool := getattr(connection, "close_pool", None):
            close_pool()
    base = Path(settings.BASE_DIR)
    environment = {
        **os.environ,
        "BIND": address.bind,
        "ALLOWED_HOSTS": ",".join(address.allowed_hosts()),
        # Found from whichever directory the command was started in, which stays as it is: paths may be relative to it.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(base), os.environ.get("PYTHONPATH")])),
    }
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-m", "gunicorn", "-c", str(base / "config" / "gunicorn.py")]
    os.execve(sys.executable, command, environment)  # noqa: S606 - our own server, no shell
