"""A newcomer's walk: the demo's console, with no more to go by than what the demo prints and the pages say."""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing, require
from tests.console.chromium import WAIT_S, press, start, webdriver
from tools import demo

if webdriver is not None:
    from selenium.webdriver.common.by import By

pytestmark = [pytest.mark.needs("chromium", "chromedriver"), pytest.mark.slow, pytest.mark.timeout(300)]
HINT = re.compile(r"(https://\S+) as (\w+)")


@pytest.fixture
def running_demo(tmp_path: Path) -> Iterator[demo.Demo]:
    """The demo as tools/run starts it."""
    found = demo.Demo(tmp_path / "demo")
    demo.create(found.directory, demo.free_offset())
    server = demo.start(found)
    yield found
    server.terminate()
    server.wait(60)


def test_a_newcomer_finds_and_changes_the_idle_time_out_and_sees_it_in_force(
    running_demo: demo.Demo, tmp_path: Path
) -> None:
    if webdriver is None:
        missing("selenium")
    hints = dict(demo.hints(running_demo.directory, running_demo.ports(), has_console=True))
    printed = HINT.match(hints["console"])
    assert printed is not None
    chromium = start(require("chromium"), require("chromedriver"), tmp_path / "profile")
    try:
        chromium.get(printed[1])
        chromium.find_element(By.XPATH, "//label[.='Name']/following::input[1]").send_keys(printed[2])
        chromium.find_element(By.XPATH, "//label[.='Password']/following::input[1]").send_keys(demo.PASSWORDS["alice"])
        press(chromium, "Log in")
        chromium.find_element(By.XPATH, "//nav//a[.='IMAP']").click()
        label = chromium.find_element(By.XPATH, "//label[contains(., 'idle')]")
        field = chromium.find_element(By.ID, label.get_attribute("for") or "")
        assert field.get_attribute("value") == "30"
        described = (field.get_attribute("aria-describedby") or "").split()
        assert any("minutes" in chromium.find_element(By.ID, each).text for each in described)
        field.clear()
        field.send_keys("1")
        press(chromium, "Save")
        assert "is now 1: in force" in chromium.find_element(By.CSS_SELECTOR, ".told.done").text
    finally:
        chromium.quit()
    trusted = ssl.create_default_context(cafile=str(running_demo.directory / "etc/tls/cert.pem"))
    port = running_demo.ports()["service.imap.sslport"]
    client = imaplib.IMAP4_SSL("localhost", port, ssl_context=trusted, timeout=60 + WAIT_S)
    try:
        client.login("alice", demo.PASSWORDS["alice"])
        assert client.readline().startswith(b"* BYE")
    finally:
        client.shutdown()
