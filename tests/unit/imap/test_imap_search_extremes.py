"""The widest and deepest searches a client may send are answered: by the parser, and by the store."""

from pathlib import Path

import pytest

from nmsd.imap import settings
from tests.transcripts.core import CoreClient, CoreServer
from tests.transcripts.runner import FixtureMessage, Scenario, word_message

DEPTH = 200

SEARCHES = {
    "not": (b"not " * DEPTH + b"unseen", b"* SEARCH 1 2 3"),
    "or": (b"or seen " * DEPTH + b"subject two", b"* SEARCH 2"),
    "or, as deep as clients have it": (b"or subject one " * 40 + b"subject two", b"* SEARCH 1 2"),
    "or before, as deep": (b"or " * 80 + b"seen " * 80 + b"subject two", b"* SEARCH 2"),
    "not, less deep": (b"not " * 98 + b"seen", b"* SEARCH"),
    "many sets": (b" ".join([b"1:%d" % (2 + number % 2) for number in range(9000)]), b"* SEARCH 1 2"),
    "the largest number": (b"smaller 9223372036854775807 not larger 9223372036854775807", b"* SEARCH 1 2 3"),
    "parentheses": (b"(" * DEPTH + b"body two" + b")" * DEPTH, b"* SEARCH 2"),
    "wide": (b" ".join([b"unseen"] * 9000), b"* SEARCH 1 2 3"),
    "wide with text": (b" ".join([b"or subject one body two"] * 2500), b"* SEARCH 1 2"),
    "a long set": (b",".join([b"3"] * 30000), b"* SEARCH 3"),
}


def one_client(directory: Path) -> CoreClient:
    scenario = Scenario("", directory, 0, settings={settings.MAX_SEARCH_DEPTH.name: DEPTH})
    scenario.mailboxes.append(("INBOX", [FixtureMessage(word_message(word)) for word in ("one", "two", "three")]))
    client = CoreServer(scenario, directory).connect()
    client.send(b"a login alice secret\r\nb select INBOX\r\n")
    client.received()
    return client


@pytest.mark.parametrize("name", SEARCHES)
def test_an_extreme_search_is_answered(name: str, tmp_path: Path) -> None:
    text, answer = SEARCHES[name]
    client = one_client(tmp_path)
    client.send(b"c search " + text + b"\r\n")
    assert client.received() == answer + b"\r\nc OK SEARCH completed\r\n"
    client.server.close()
