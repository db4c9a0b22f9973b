"""mutt on a pseudo-terminal: lists, reads, flags, saves, deletes and uploads over imaps."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.clients.harness import Instance, Person
from tests.clients.letters import letter

pytestmark = pytest.mark.needs("mutt")

SECONDS = 30
Mutt = Callable[..., str]
Dialogue = Sequence[tuple[str, str]]


@pytest.fixture
def mutt(instance: Instance, person: Person, home: Path) -> Mutt:
    """Runs mutt with these keys pressed at once, or typed one group after another when the screen shows what each
    waits for, or with other arguments and input; gives what the screen saw."""
    (home / "muttrc").write_text(
        f"""
set folder = "imaps://{person.name}@localhost:{instance.port(993)}/"
set spoolfile = "+INBOX"
set imap_pass = "{person.password}"
set certificate_file = "{instance.certificate}"
set ssl_force_tls = yes
set confirmappend = no
set confirmcreate = no
set delete = yes
set quit = yes
set move = no
set wait_key = no
set print = yes
set print_command = "cat > {home}/printed"
set print_decode = no
set from = "{person.address}"
set record = "+Sent"
set sendmail = "{home}/sendmail"
set header_cache = ""
"""
    )
    (home / "sendmail").write_text("#!/bin/sh\nexec cat > /dev/null\n")
    (home / "sendmail").chmod(0o700)

    def run(keys: str = "", *arguments: str, dialogue: Dialogue = (), input: bytes | None = None) -> str:
        pressed = ["-e", f'push "{keys}"'] if keys else []
        command = ["mutt", "-n", "-F", str(home / "muttrc"), *pressed, *arguments]
        environment = {"HOME": str(home), "TERM": "vt100", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LINES": "40"}
        if input is not None:
            done = subprocess.run(
                command, input=input, capture_output=True, timeout=SECONDS, env=environment, check=True
            )
            return done.stdout.decode()
        return on_terminal(command, environment, dialogue)

    return run


def on_terminal(command: list[str], environment: dict[str, str], dialogue: Dialogue) -> str:
    """Runs a full-screen program to its end, typing what `dialogue` says; gives what it wrote to the terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    screen, seen = b"", 0
    steps = list(dialogue)
    deadline = time.monotonic() + SECONDS
    try:
        while select.select([ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
            try:
                data = os.read(ours, 65536)
            except OSError:  # EIO: the other end is closed
                break
            screen += data
            while steps and (at := screen.find(steps[0][0].encode(), seen)) >= 0:
                seen = at + len(steps[0][0])
                os.write(ours, steps.pop(0)[1].encode())
        else:
            process.kill()
            raise AssertionError(f"{command[0]} does not end; {steps} left, the screen had {screen[-3000:]!r}")
    finally:
        os.close(ours)
        status = process.wait(SECONDS)
    assert (status, steps) == (0, []), screen[-3000:]
    return screen.decode(errors="replace")


def test_the_index_shows_the_messages(instance: Instance, person: Person, mutt: Mutt) -> None:
    instance.append(person, [letter("Apples and pears"), letter("Walnuts")])

    screen = mutt("<quit>")

    assert "Apples and pears" in screen
    assert "Walnuts" in screen


def test_the_browser_lists_the_mailboxes(instance: Instance, person: Person, mutt: Mutt) -> None:
    with instance.imap(person) as client:
        client.create("Projects")
        client.create("Projects/Garden")

    mutt(dialogue=[("Msgs:", "c?"), ("Projects", "q"), ("Msgs:", "q")])


def test_reading_marks_the_message_seen(instance: Instance, person: Person, mutt: Mutt) -> None:
    instance.append(person, [letter("For reading", "A sentence to be read.\r\n")])

    mutt(dialogue=[("For reading", "\r"), ("A sentence to be read.", "q"), ("Msgs:", "q")])

    [(_, flags)] = instance.messages(person)
    assert "\\Seen" in flags


def test_printing_gives_the_message_as_it_was_delivered(
    instance: Instance, person: Person, mutt: Mutt, home: Path
) -> None:
    message = letter("For printing", "Straße.\r\n\r\n.dot\r\n")
    instance.append(person, [message])

    mutt("<print-message><quit>")

    assert (home / "printed").read_bytes() == message.replace(b"\r\n", b"\n")


def test_flags_and_deletions_reach_the_server(instance: Instance, person: Person, mutt: Mutt) -> None:
    instance.append(person, [letter("keep this"), letter("drop this")])

    mutt("<first-entry><flag-message><last-entry><delete-message><sync-mailbox><quit>")

    [(message, flags)] = instance.messages(person)
    assert b"keep this" in message
    assert "\\Flagged" in flags


def test_saving_moves_to_another_mailbox(instance: Instance, person: Person, mutt: Mutt) -> None:
    instance.append(person, [letter("to be saved"), letter("to stay")])

    mutt("<first-entry><save-message>=Saved<enter><sync-mailbox><quit>")

    assert [b"to stay" in message for message, _ in instance.messages(person)] == [True]
    assert [b"to be saved" in message for message, _ in instance.messages(person, "Saved")] == [True]


def test_searching_on_the_server_limits_the_index(instance: Instance, person: Person, mutt: Mutt, home: Path) -> None:
    instance.append(person, [letter("one", "about apples\r\n"), letter("two", "about pears\r\n")])

    mutt("<limit>=b pears<enter><print-message><quit>")

    assert b"about pears" in (home / "printed").read_bytes()


def test_a_sent_message_is_filed_in_sent(instance: Instance, person: Person, mutt: Mutt) -> None:
    with instance.imap(person) as client:
        client.create("Sent")  # where the account has none by itself

    mutt("", "-s", "written with mutt", "somebody@example.org", input=b"The text.\n")

    [(message, _)] = instance.messages(person, "Sent")
    assert b"Subject: written with mutt\r\n" in message
    assert b"\r\nThe text.\r\n" in message
