"""Small messages for the tests of clients."""

from __future__ import annotations

from itertools import count

_numbers = count(1)


def letter(subject: str, text: str = "Hello.\r\n", sender: str = "Carol Sender <carol@example.org>") -> bytes:
    """A message with CRLF line ends and a Message-ID of its own."""
    return (
        "Return-Path: <carol@example.org>\r\n"
        f"From: {sender}\r\nTo: Somebody <somebody@example.com>\r\nSubject: {subject}\r\n"
        f"Date: Mon, 02 Mar 2026 10:00:00 +0000\r\nMessage-ID: <test{next(_numbers)}@example.org>\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}"
    ).encode()
