"""A real Chromium, driven over its DevTools protocol as a person would: keys, sizes of the window, what is to be seen."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 60.0  # seconds: the machine has other work
NAMED = {"Enter": 13, "Tab": 9, "Home": 36, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
SHIFT = 8


def chromium() -> str:
    """The browser's program; without it a test is skipped, but in CI it fails."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and not os.environ.get("CI"):
        pytest.skip("no Chromium here")
    assert found is not None, "CI drives a real browser: install Chromium"
    return found


class Page:
    """One window. Every call returns once the browser has done it."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.number, self.problems = socket, 0, list[str]()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self.socket.recv(timeout=PATIENCE))
            if told.get("method") == "Runtime.exceptionThrown":
                self.problems.append(told["params"]["exceptionDetails"]["exception"].get("description", "?"))
            if told.get("method") == "Log.entryAdded":
                self.problems.append(told["params"]["entry"]["text"])
            if told.get("id") == self.number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result

    def open(self, address: str) -> None:
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=address)
        self.until("document.readyState == 'complete' && document.body.ariaBusy == 'false'")

    def ask(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)["result"].get("value")

    def until(self, expression: str) -> Any:
        """The value of an expression once it is true."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if value := self.ask(expression):
                return value
            time.sleep(0.02)
        raise AssertionError(f"{expression} never came true; the page shows: {self.text()}")

    def text(self, element: str = "body") -> str:
        return str(self.ask(f"document.querySelector({element!r})?.innerText ?? ''"))

    def press(self, key: str, modifiers: int = 0) -> None:
        """Press and release a key as a keyboard does."""
        typed = {"text": "\r" if key == "Enter" else key} if key == "Enter" or len(key) == 1 else {}
        code = NAMED.get(key, ord(key.upper()[0]))
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, modifiers=modifiers, **typed)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code, modifiers=modifiers)

    def settled(self) -> None:
        """Until what was asked for is shown."""
        self.until("document.body.ariaBusy == 'false'")

    def size(self, width: int, height: int, zoom: float = 1.0) -> None:
        """A window of so many pixels of the screen, at a browser's zoom."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=int(width / zoom), height=int(height / zoom), deviceScaleFactor=zoom, mobile=False
        )

    def picture(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def pages(folder: Path) -> Iterator[Any]:
    """Within: a function that opens a window at an address. `folder`: the browser's own, new or empty."""
    from websockets.sync.client import connect

    command = [chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0"]
    command += [f"--user-data-dir={folder}", "--no-first-run", "--disable-background-networking", "about:blank"]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    sockets = ExitStack()
    try:
        end, note = time.monotonic() + PATIENCE, folder / "DevToolsActivePort"
        while not note.is_file() or not note.read_text().strip():
            assert time.monotonic() < end and browser.poll() is None, "Chromium does not start"
            time.sleep(0.05)
        port = note.read_text().split()[0]

        def opened(address: str) -> Page:
            request = urllib.request.Request(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT")
            with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
                where = json.load(reply)["webSocketDebuggerUrl"]
            page = Page(sockets.enter_context(connect(where, max_size=None, open_timeout=PATIENCE)))
            page.open(address)
            return page

        yield opened
    finally:
        sockets.close()
        browser.terminate()
        browser.wait(timeout=20)
