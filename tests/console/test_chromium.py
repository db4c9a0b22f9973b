"""The console in Chromium: an administrator logs in, walks the tree and changes a setting, with and without scripts."""

from __future__ import annotations

import imaplib
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.harness import HOST, Instance, Line, Person, login
from tests.conftest import missing, require
from tests.console.chromium import DESK, PHONE, WAIT_S, go, heading, labelled, log_in, press, start, webdriver
from tests.console.conftest import ADMIN

Open = Callable[..., "webdriver.Chrome"]
pytestmark = pytest.mark.needs("chromium", "chromedriver")


@pytest.fixture
def open_chromium(running: Instance, tmp_path: Path) -> Iterator[Open]:
    """Opens a Chromium with a profile of its own, logged in."""
    if webdriver is None:
        missing("selenium")
    with ExitStack() as opened:

        def opener(scripts: bool = True, size: tuple[int, int] = DESK) -> webdriver.Chrome:
            programs = require("chromium"), require("chromedriver")
            chromium = start(*programs, tmp_path / "profile", scripts=scripts, size=size)
            opened.callback(chromium.quit)
            log_in(chromium, f"https://localhost:{running.port(8443)}/", ADMIN.name, ADMIN.password)
            return chromium

        yield opener


if webdriver is not None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.select import Select
    from selenium.webdriver.support.wait import WebDriverWait

EVERY_PAGE = (
    *("server", "services/imap/system", "services/pop/access", "services/lmtp/ssl", "users", "users/add"),
    *(f"users/user?name={ADMIN.name}", f"users/remove?name={ADMIN.name}", "mailboxes", "directory"),
    *(f"mailboxes/account?name={ADMIN.address}", f"explain?login={ADMIN.name}", "sessions", "charts/hour"),
    *("charts/day", "logs/nmsd"),
)


def test_an_administrator_walks_the_tree_and_changes_the_sessions_maximum(
    running: Instance, open_chromium: Open
) -> None:
    chromium = open_chromium()
    for words, title in (
        ("IMAP", "IMAP"),
        ("POP", "POP"),
        ("LMTP", "LMTP"),
        ("Users", "Users"),
        ("Mailboxes", "Mailboxes"),
        ("Directory", "Directory"),
        ("Explain login", "Explain login"),
        ("Charts", "Charts"),
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


def test_an_administrator_changes_the_imap_port_and_a_client_reads_mail_there(
    running: Instance, open_chromium: Open
) -> None:
    someone = running.add_user()
    running.append(someone, [b"Subject: moved\r\n\r\nHere\r\n"])
    with socket.create_server((HOST, 0)) as probe:
        free = probe.getsockname()[1]
    chromium = open_chromium()
    go(chromium, "tree", "IMAP")
    for port in (free, running.port(143)):  # and back
        field = labelled(chromium, "Enable IMAP service at port")
        field.clear()
        field.send_keys(str(port))
        press(chromium, "Save")
        assert f"at port is now {port}: in force" in chromium.find_element(By.CSS_SELECTOR, ".told.done").text
        go(chromium, "tree", "IMAP")
        assert labelled(chromium, "Enable IMAP service at port").get_attribute("value") == str(port)
        with imaplib.IMAP4(HOST, port, timeout=60) as client:
            client.starttls(running.tls())
            client.login(someone.name, someone.password)
            assert client.select("INBOX") == ("OK", [b"1"])
            assert client.fetch("1", "BODY[TEXT]")[1][0][1] == b"Here\r\n"


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


def test_no_page_is_wider_than_a_phone_and_every_control_has_a_name(running: Instance, open_chromium: Open) -> None:
    with running.imap(ADMIN):
        pass
    chromium = open_chromium(size=PHONE)
    for path in EVERY_PAGE:
        chromium.get(f"https://localhost:{running.port(8443)}/{path}")
        whole = chromium.find_element(By.TAG_NAME, "html")
        assert int(str(whole.get_property("scrollWidth"))) <= int(str(whole.get_property("clientWidth"))), path
        assert chromium.execute_script(NAMELESS) == [], path
        assert len(chromium.find_elements(By.TAG_NAME, "h1")) == 1, path
        for landmark in ("header", "main", "footer"):
            assert len(chromium.find_elements(By.TAG_NAME, landmark)) == 1, path


NAMELESS = """
return [...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a")]
    .filter(each => !(each.labels && each.labels.length) && !each.ariaLabel && !each.textContent.trim())
    .map(each => each.outerHTML);
"""


def test_a_setting_is_changed_by_the_keyboard_alone(running: Instance, open_chromium: Open) -> None:
    chromium = open_chromium()
    chromium.get(f"https://localhost:{running.port(8443)}/services/pop/access")
    chromium.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert chromium.switch_to.active_element.text == "To the page", "the first stop leads past the tree"
    chromium.switch_to.active_element.send_keys(Keys.ENTER)
    label = "Allow password login; minimum cipher length"
    field = labelled(chromium, label)
    for _ in range(10):
        if chromium.switch_to.active_element == field:
            break
        chromium.switch_to.active_element.send_keys(Keys.TAB)
    chromium.switch_to.active_element.send_keys(Keys.CONTROL + "a")
    chromium.switch_to.active_element.send_keys("128" + Keys.ENTER)
    assert "is now 128" in chromium.find_element(By.CSS_SELECTOR, ".told.done").text


def test_what_is_wrong_is_told_as_one_types(open_chromium: Open) -> None:
    chromium = open_chromium()
    go(chromium, "tree", "IMAP")
    go(chromium, "tabs", "Access")
    field = labelled(chromium, "Allow filters")
    error = chromium.find_element(By.ID, f"{field.get_attribute('id')}-error")
    wait = WebDriverWait(chromium, WAIT_S)
    field.send_keys("imap : 1.2.3.4/99")
    wait.until(lambda found: error.text)
    assert field.get_attribute("aria-invalid") == "true"
    assert error.get_attribute("id") in (field.get_attribute("aria-describedby") or "")
    field.clear()
    field.send_keys("imap : 192.0.2.0/24")
    wait.until(lambda found: not error.text)
    assert field.get_attribute("aria-invalid") == "false"


def test_a_user_is_added_without_scripts(running: Instance, open_chromium: Open) -> None:
    chromium = open_chromium(scripts=False)
    go(chromium, "tree", "Users")
    chromium.find_element(By.LINK_TEXT, "Add a user").click()
    for label, text in (("Login name", "walker"), ("Password", "a good one 5"), ("The password again", "a good one 5")):
        labelled(chromium, label).send_keys(text)
    press(chromium, "Add")
    assert "walker is added" in chromium.find_element(By.CSS_SELECTOR, ".told.done").text
    with running.imap(Person("walker", "a good one 5")):
        pass
