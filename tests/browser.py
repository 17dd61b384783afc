"""A headless Chromium, driven over its own protocol: what tests of pages look with."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import websocket

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
)
SOON = 30.0
"""Seconds that a page has for what it is waited for."""


@contextmanager
def browser(profile: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """A browser that ends with the block."""
    assert CHROMIUM is not None
    running = subprocess.Popen(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def with_microphone(sound: Path | None, *, repeat: bool = False) -> tuple[str, ...]:
    """Flags for a microphone that hears a WAV file, and that is allowed."""
    flags = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
    )
    if sound is None:
        return flags
    how = "" if repeat else "%noloop"
    return (*flags, f"--use-file-for-fake-audio-capture={sound}{how}")


class Page:
    """One page, by the DevTools protocol."""

    def __init__(self, url: str) -> None:
        self._socket = websocket.create_connection(
            url, timeout=2 * SOON, suppress_origin=True
        )
        self._number = 0
        self.errors: list[str] = []
        self.command("Runtime.enable")
        self.command("Page.enable")

    def close(self) -> None:
        """Let go of the page; it stays open."""
        self._socket.shutdown()

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command, and give its result."""
        self._number += 1
        number = self._number
        self._socket.send(
            json.dumps({"id": number, "method": method, "params": params})
        )
        while True:
            told = json.loads(self._socket.recv())
            if told.get("method") == "Runtime.exceptionThrown":
                details = told["params"]["exceptionDetails"]
                self.errors.append(json.dumps(details)[:2000])
            if told.get("id") == number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result

    def go(self, url: str) -> None:
        """Load a page; does not wait for it."""
        self.command("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """The value of an expression; a promise is waited for."""
        told = self.command(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in told, json.dumps(told)[:2000]
        return told["result"].get("value")

    def wait(self, expression: str, timeout: float = SOON) -> None:
        """Wait until an expression is true; the page looks at every frame."""
        found = self.value(f"""new Promise((resolve, reject) => {{
              const until = performance.now() + {timeout * 1000};
              const look = () => {{
                let found = null;
                try {{ found = Boolean({expression}); }} catch {{ found = null; }}
                if (found) resolve(found);
                else if (performance.now() > until) resolve(null);
                else setTimeout(look, 10);
              }};
              look();
            }})""")
        assert found, f"not within {timeout} s: {expression}\n{self.errors}"

    def click(self, text: str) -> None:
        """Press the button that says a text."""
        self.wait(f"""(() => {{
              const button = [...document.querySelectorAll("button")].find(
                each => each.textContent === {json.dumps(text)} && !each.hidden
              );
              if (!button || button.disabled) return false;
              button.click();
              return true;
            }})()""")

    def picture(self, path: Path, width: int, height: int, *, dark: bool) -> None:
        """Write what the page looks like, as PNG."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])
        told = self.command("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(told["data"]))


@contextmanager
def page(profile: Path, *flags: str) -> Iterator[Page]:
    """A page of a browser of its own."""
    asked = ("--remote-debugging-port=0", "about:blank")
    with browser(profile, *flags, *asked) as running:
        one = Page(_target(profile, running))
        try:
            yield one
        finally:
            one.close()


def _target(profile: Path, running: subprocess.Popen[bytes]) -> str:
    """The address of the first page, once the browser has said its port."""
    told = profile / "DevToolsActivePort"
    ends = time.monotonic() + SOON
    while time.monotonic() < ends:
        try:
            running.wait(0.05)
        except subprocess.TimeoutExpired:
            pass
        else:
            raise AssertionError("the browser has ended")
        if not told.exists() or not told.read_text().strip():
            continue
        port = int(told.read_text().split()[0])
        with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=SOON) as answer:
            targets = json.load(answer)
        for target in targets:
            if target["type"] == "page":
                return str(target["webSocketDebuggerUrl"])
    raise AssertionError("the browser has no page")
