"""The console in Chromium: an administrator logs in, walks the tree and changes a setting, with and without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.harness import Instance, Line, login
from tests.conftest import missing, require
from tests.console.conftest import ADMIN

try:
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.remote.webelement import WebElement
    from selenium.webdriver.support.select import Select
    from selenium.webdriver.support.wait import WebDriverWait
except ImportError:
    webdriver = None

WAIT_S = 45
PHONE = (390, 844)
pytestmark = pytest.mark.needs("chromium", "chromedriver")

Open = Callable[..., "webdriver.Chrome"]


@pytest.fixture
def open_chromium(running: Instance, tmp_path: Path) -> Iterator[Open]:
    """Opens a Chromium with a profile of its own, logged in."""
    if webdriver is None:
        missing("selenium")
    with ExitStack() as opened:

        def start(scripts: bool = True, size: tuple[int, int] = (1280, 900)) -> webdriver.Chrome:
            options = webdriver.ChromeOptions()
            options.binary_location = require("chromium")
            options.accept_insecure_certs = True
            for argument in (
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                f"--window-size={size[0]},{size[1]}",
                f"--user-data-dir={tmp_path / 'profile'}",
            ):
                options.add_argument(argument)
            if not scripts:
                options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
            service = webdriver.ChromeService(executable_path=require("chromedriver"))
            chromium = webdriver.Chrome(options=options, service=service)
            opened.callback(chromium.quit)
            chromium.set_page_load_timeout(WAIT_S)
            chromium.implicitly_wait(WAIT_S)
            chromium.get(f"https://localhost:{running.port(8443)}/")
            chromium.find_element(By.NAME, "login").send_keys(ADMIN.name)
            chromium.find_element(By.NAME, "password").send_keys(ADMIN.password)
            press(chromium, "Log in")
            return chromium

        yield start


def press(chromium: webdriver.Chrome, words: str) -> None:
    chromium.find_element(By.XPATH, f"//main//button[.='{words}']").click()


def go(chromium: webdriver.Chrome, where: str, words: str) -> None:
    """Follows a link of the tree or the tabs."""
    chromium.find_element(By.XPATH, f"//nav[@class='{where}']//a[.='{words}']").click()


def heading(chromium: webdriver.Chrome) -> str:
    return chromium.find_element(By.TAG_NAME, "h1").text


def labelled(chromium: webdriver.Chrome, label: str) -> WebElement:
    """The control that a label is for."""
    found = chromium.find_element(By.XPATH, f"//label[.='{label}']")
    return chromium.find_element(By.ID, found.get_attribute("for") or "")


def test_an_administrator_walks_the_tree_and_changes_the_sessions_maximum(
    running: Instance, open_chromium: Open
) -> None:
    chromium = open_chromium()
    for words, title in (
        ("IMAP", "IMAP"),
        ("POP", "POP"),
        ("LMTP", "LMTP"),
        ("Users", "Users"),
        ("nmsd", "log/nmsd.log"),
    ):
        go(chromium, "tree", words)
        assert heading(chromium) == title
    go(chromium, "tree", "IMAP")
    for words in ("Access", "SSL", "System"):
        go(chromium, "tabs", words)
        assert chromium.find_element(By.XPATH, "//nav[@class='tabs']//a[@aria-current]").text == words
    field = labelled(chromium, "Maximum number of network connections per process")
    assert field.get_attribute("value") == "4000"
    field.clear()
    field.send_keys("1")
    press(chromium, "Save")
    assert "is now 1: in force" in chromium.find_element(By.CSS_SELECTOR, ".told.done").text
    with Line(running.port(143)) as one, Line(running.port(143)) as two:
        assert one.readline().startswith(b"* OK")
        assert two.readline().startswith(b"* BYE [UNAVAILABLE]")


def test_the_sessions_page_follows_what_happens_by_itself(running: Instance, open_chromium: Open) -> None:
    running.nmsd("config", "unset", "service.imap.maxsessions")
    running.nmsd("reload")
    someone = running.add_user()
    chromium = open_chromium()
    go(chromium, "tree", "Sessions")
    assert heading(chromium) == "Sessions"
    assert someone.address not in chromium.page_source
    wait = WebDriverWait(chromium, WAIT_S)
    with Line(running.port(143)) as line:
        login(line, someone)
        wait.until(lambda found: someone.address in found.find_element(By.TAG_NAME, "table").text)
        chromium.find_element(By.XPATH, f"//tr[contains(., '{someone.address}')]//button").click()
        assert b"* BYE Disconnected by the administrator" in line.rest()
    assert "was disconnected" in chromium.find_element(By.CSS_SELECTOR, ".told").text


def test_without_scripts_on_a_phone_settings_are_read_and_saved(running: Instance, open_chromium: Open) -> None:
    chromium = open_chromium(scripts=False, size=PHONE)
    go(chromium, "tree", "POP")
    go(chromium, "tabs", "SSL")
    Select(labelled(chromium, "Use separate port for POP over SSL")).select_by_visible_text("no")
    press(chromium, "Save")
    assert "is now no" in chromium.find_element(By.CSS_SELECTOR, ".told.done").text
    with Line(running.port(143)) as line:
        login(line, running.add_user())
        for words in ("POP", "Sessions"):
            go(chromium, "tree", words)
            assert heading(chromium) == words
            whole = chromium.find_element(By.TAG_NAME, "html")
            assert int(str(whole.get_property("scrollWidth"))) <= int(str(whole.get_property("clientWidth")))
