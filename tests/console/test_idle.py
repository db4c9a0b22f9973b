"""How long a login to the console lasts."""

from __future__ import annotations

import time

from tests.clients.harness import Instance
from tests.console.browser import Browser
from tests.console.conftest import ADMIN

SLACK_S = 30


def test_a_login_lasts_as_long_as_the_setting_says(running: Instance) -> None:
    for minutes in (30, 2):
        running.nmsd("config", "set", "service.console.idletimeout", str(minutes))
        running.nmsd("reload")
        browser = Browser(running)
        before = time.time()
        browser.log_in(ADMIN)
        [cookie] = browser.cookies
        assert cookie.expires is not None
        assert 0 <= cookie.expires - int(before) - minutes * 60 <= SLACK_S
