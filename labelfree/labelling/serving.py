"""Serving the page on this machine alone, until Ctrl-C."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labelfree.errors import LabelfreeError, RecipeError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HOST = "127.0.0.1"
STARTING = 30.0  # seconds at most


def needed() -> None:
    """Raises LabelfreeError where what serves the page is not installed."""
    try:
        import filelock  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise LabelfreeError(f"{error.name} is not installed, which the page needs: pip install 'labelfree[label]'") from error


def new_token() -> str:
    """What an address must hold to be answered: nobody guesses it."""
    return secrets.token_urlsafe(24)


def bound(port: int | None) -> socket.socket:
    """A socket of this machine alone, at any free port where none is named. Raises RecipeError where it can't be had."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # on Windows this would share the port with whoever has it
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port or 0))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        number = getattr(error, "errno", None)
        reason = "is in use" if number == errno.EADDRINUSE else "may not be used" if number == errno.EACCES else "is no port (1 to 65535)"
        raise RecipeError(f"--port: {port} {reason}; give another, or leave it out.") from error
    return listener


@contextmanager
def served(application: ASGIApp, listener: socket.socket, token: str) -> Iterator[str]:
    """Within: the application is served at the address yielded, which holds the token."""
    import uvicorn

    # Nothing is logged: the address, and with it the token, stays here.
    config = uvicorn.Config(
        application, log_config=None, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        end = time.monotonic() + STARTING
        while not server.started and thread.is_alive() and time.monotonic() < end:
            time.sleep(0.01)
        if not server.started:
            raise LabelfreeError("The page could not be served; run again with --debug and report what it prints.")
        yield f"http://{HOST}:{listener.getsockname()[1]}/{token}/"
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()


def wait() -> None:
    """Until Ctrl-C, or until the process is asked to end: raises KeyboardInterrupt then."""
    while True:
        time.sleep(3600)


def how_to_open(address: str) -> list[str]:
    """Sentences for the terminal: the address, from another machine too, and how to leave."""
    port = address.split(":")[2].split("/")[0]
    remote = [f"Over ssh, first on the machine you sit at: ssh -L {port}:{HOST}:{port} {socket.gethostname()}"]
    return [f"Open {address}", *(remote if "SSH_CONNECTION" in os.environ else []), "Leave with Ctrl-C: every answer is on disk."]


def open_browser(address: str) -> None:
    """Show the page in the person's browser, where this machine has a screen."""
    graphical = os.name == "nt" or sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if graphical and "SSH_CONNECTION" not in os.environ:
        webbrowser.open(address)
