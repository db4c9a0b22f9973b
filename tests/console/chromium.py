"""Chromium as an administrator's browser, for tests and for the documentation's pictures."""

from __future__ import annotations

from pathlib import Path

try:
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.remote.webelement import WebElement
except ImportError:
    webdriver = None

WAIT_S = 45
DESK = (1280, 900)
PHONE = (390, 844)


def start(
    program: str, driver: str, profile: Path, *, scripts: bool = True, size: tuple[int, int] = DESK
) -> webdriver.Chrome:
    """A Chromium with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = program
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
        "--hide-scrollbars",
        f"--window-size={size[0]},{size[1]}",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    if not scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    chromium.set_page_load_timeout(WAIT_S)
    chromium.implicitly_wait(WAIT_S)
    return chromium


def log_in(chromium: webdriver.Chrome, base: str, name: str, password: str) -> None:
    """Opens the console and logs in."""
    chromium.get(base)
    chromium.find_element(By.NAME, "login").send_keys(name)
    chromium.find_element(By.NAME, "password").send_keys(password)
    press(chromium, "Log in")


def press(chromium: webdriver.Chrome, words: str) -> None:
    """Presses a button of the page."""
    chromium.find_element(By.XPATH, f"//main//button[.='{words}']").click()


def go(chromium: webdriver.Chrome, where: str, words: str) -> None:
    """Follows a link of the tree or the tabs."""
    chromium.find_element(By.XPATH, f"//nav[@class='{where}']//a[.='{words}']").click()


def heading(chromium: webdriver.Chrome) -> str:
    """The page's."""
    return chromium.find_element(By.TAG_NAME, "h1").text


def labelled(chromium: webdriver.Chrome, label: str) -> WebElement:
    """The control that a label is for."""
    found = chromium.find_element(By.XPATH, f"//label[.='{label}']")
    return chromium.find_element(By.ID, found.get_attribute("for") or "")
