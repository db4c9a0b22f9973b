"""The pictures of the console in the documentation, taken by Chromium from a demo instance (tools/screenshots)."""

from __future__ import annotations

import imaplib
import io
import json
import math
import poplib
import shutil
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from PIL import Image

from tests.console.chromium import DESK, PHONE, log_in, start
from tools import demo

ROOT: Final = Path(__file__).resolve().parents[1]
IMAGES: Final = ROOT / "docs/images"
COLOURS: Final = 64  # of a picture: text and lines need no more
TALLEST: Final = 1500
MOST_BYTES: Final = 100_000

PAGES: Final = {
    **{
        f"{service}-{tab}": f"services/{service}/{tab}"
        for service in ("imap", "pop")
        for tab in ("system", "access", "ssl")
    },
    "lmtp-system": "services/lmtp/system",
    "status": "server",
    "sessions": "sessions",
    "users": "users",
    "user": "users/user?name=bob",
    "mailboxes": "mailboxes/account?name=alice@example.com",
    "directory": "directory",
    "explain": "explain?login=bob&service=imaps&from=192.0.2.7",
    "charts": "charts/day",
}
"""Name of the picture, and the page."""


def main() -> int:
    """The command; gives its exit status."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        print("Chromium or its driver is not installed", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place, running_demo(Path(place)) as base, ExitStack() as opened:
        for number, (size, pages) in enumerate(((DESK, PAGES), (PHONE, {"phone": "services/imap/system"}))):
            chromium = start(str(programs[0]), str(programs[1]), Path(place) / f"profile{number}", size=size)
            opened.callback(chromium.quit)
            log_in(chromium, base, "alice", demo.PASSWORDS["alice"])
            for name, page in pages.items():
                take(chromium, base + page, IMAGES / f"{name}.png", size)
    return 0


def take(chromium: Any, url: str, path: Path, size: tuple[int, int]) -> None:
    """Takes a picture of a page, as high as the page is."""
    shown = size[1]
    resize(chromium, size[0], 300)
    chromium.get(url)
    if size != PHONE:
        shown = min(TALLEST, int(chromium.execute_script("return document.documentElement.scrollHeight")))
    resize(chromium, size[0], shown)
    picture = Image.open(io.BytesIO(chromium.get_screenshot_as_png())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    taken = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {picture.width}×{picture.height}, {taken // 1000} KB")
    if taken > MOST_BYTES:
        raise SystemExit(f"{path.name} is too large for the documentation")


def resize(chromium: Any, width: int, height: int) -> None:
    """Gives the page, not the window around it, this size."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width == PHONE[0]}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@contextmanager
def running_demo(place: Path) -> Iterator[str]:
    """A demo that some people are connected to; gives the console's address."""
    found = demo.Demo(place / "demo")
    demo.create(found.directory, demo.free_offset())
    found.nmsd("config", "set", "local.hostname", "mail.example.com")
    (found.directory / "run").mkdir(mode=0o700, exist_ok=True)
    (found.directory / "run/samples.json").write_text(json.dumps(made_up_day(time.time())))
    server = demo.start(found)
    ports = found.ports()
    trusted = ssl.create_default_context(cafile=str(found.directory / "etc/tls/cert.pem"))
    try:
        with ExitStack() as opened:
            for name, mailbox in (("alice", "INBOX"), ("alice", "Sent"), ("bob", "INBOX")):
                client = imaplib.IMAP4_SSL("localhost", ports["service.imap.sslport"], ssl_context=trusted)
                opened.callback(client.shutdown)
                client.login(name, demo.PASSWORDS[name])
                client.select(mailbox)
            maildrop = poplib.POP3_SSL("localhost", ports["service.pop.sslport"], context=trusted)
            opened.callback(maildrop.close)
            maildrop.user("bob")
            maildrop.pass_(demo.PASSWORDS["bob"])
            yield f"https://localhost:{ports['service.console.port']}/"
    finally:
        server.terminate()
        server.wait()


def made_up_day(now: float) -> dict[str, Any]:
    """A file of samples of the last day, with people who sleep at night."""
    minute = int(now // 60)
    samples = []
    for age in range(1440, 0, -1):
        awake = 0.55 - 0.45 * math.cos((minute - age) / 1440 * 2 * math.pi)
        ripple = 1 + 0.08 * math.sin(age / 7) + 0.05 * math.sin(age / 3.1)
        busy = awake * ripple
        samples.append(
            [
                minute - age,
                *(round(900 * busy), round(60 * busy), round(4 * busy)),
                *(round(45 * busy), round(2 * ripple), round(70 * busy), round(busy)),
                *(round(2000 * busy), round(1.2 + 0.6 * busy, 3), 2.5 if busy < 0.9 else 5.0, round(6 + 3 * busy, 3)),
            ]
        )
    return {"at": now, "workers": {}, "samples": samples}
