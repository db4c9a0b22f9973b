#!/usr/bin/env python3
"""A corpus of realistic mail, the same for the same seed: for tests, benchmarks and demonstrations.

    python tools/corpus.py --count 10000 --seed 1 --maildir DIR
    python tools/corpus.py --count 10000 --seed 1 --mbox FILE

Plain text in several charsets, HTML alternatives, attachments, forwarded messages, bounces, digests, mailing lists with
threads; sizes are log-normal and average about 15 KB.  All names and words are made up here.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from base64 import b64encode, encodebytes
from binascii import b2a_qp
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Final


def words(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


FIRST_NAMES: Final = words(
    """
    Alice Bob Carla Dmitri Eva Farid Greta Hugo Ines Jonas Katja Liam Maren Nils Olga Pablo Quinn Rosa Sven Tara
    Ulla Viktor Wanda Xaver Yara Zoltan Jürgen Zoë André Søren Łukasz Renée
    """
)
LAST_NAMES: Final = words(
    """
    Archer Bergman Castillo Draper Eklund Fischer Grant Hoffmann Ivanova Jensen Keller Lindqvist Moreau Novak
    Okafor Petrov Quintero Rossi Sato Tanaka Ulrich Vogel Weber Yilmaz Zeman Müller Gómez Dvořák
    """
)
HOSTS: Final = words(
    """
    example.com example.org example.net mail.example.com lists.example.org corp.example.net uni.example.edu
    shop.example.com
    """
)
WORDS: Final = words(
    """
    the a of to in that it with for on as at by this from or an be are was will can has had not but all one
    project report meeting schedule budget server update release version customer invoice order delivery
    contract review question answer problem solution network storage message folder archive search backup
    restore library function module compiler patch branch merge failure success latency throughput memory
    processor window garden harbour mountain river coffee kitchen ticket train station morning evening yesterday
    tomorrow weekly monthly draft final summary detail figure table chapter paragraph measure compare improve
    remove replace extend reduce increase explain describe suggest agree please thanks regards attached below
    above following previous next first second third several many few open closed
    """
)
GERMAN: Final = words(
    """
    der die das und oder nicht für über können müssen Größe Straße Übung Äpfel schön grün später natürlich
    Besprechung Rechnung Auftrag Lösung Änderung Vorschlag Grüße Anhang morgen gestern Woche Zähler prüfen läuft
    """
)
FRENCH: Final = words(
    """
    le la les et où être déjà été français réunion général améliorer problème réponse pièce jointe août très
    près élève garçon hôtel forêt naïf cœur œuvre façon numéro téléphone marché
    """
)
RUSSIAN: Final = words(
    """
    и в не на что это письмо встреча отчёт сервер вопрос ответ проект работа неделя завтра вчера спасибо
    пожалуйста обновление папка поиск сообщение договор счёт заказ доставка
    """
)
GREEK: Final = words(
    """
    και το να μήνυμα ερώτηση απάντηση έργο εβδομάδα αύριο χθες ευχαριστώ παρακαλώ συνάντηση φάκελος
    """
)
JAPANESE: Final = words(
    """
    会議 報告 資料 確認 お願い ありがとう 明日 来週 添付 ファイル 更新 質問 回答 予定 連絡 東京 会社 注文
    """
)

# (words, charsets they can be written in)
LANGUAGES: Final = (
    (WORDS, ("us-ascii",)),
    (GERMAN + WORDS[:40], ("iso-8859-1", "utf-8", "windows-1252")),
    (FRENCH, ("iso-8859-15", "utf-8")),
    (RUSSIAN, ("koi8-r", "windows-1251", "utf-8")),
    (GREEK, ("iso-8859-7", "utf-8")),
    (JAPANESE, ("iso-2022-jp", "shift_jis", "utf-8")),
)
LANGUAGE_WEIGHTS: Final = (70, 12, 6, 5, 3, 4)
LISTS: Final = ("dev", "users", "announce", "garden-club", "ops")
START: Final = 1_704_103_200  # Monday 2024-01-01 10:00 UTC
LARGEST: Final = 4_000_000


@dataclass
class Thread:
    """A conversation that later messages may answer."""

    subject: str
    ids: list[str]
    people: list[tuple[str, str]]
    mailing_list: str = ""


@dataclass
class Letter:
    """The header of the message being made, apart from its content fields."""

    number: int
    when: int
    sender: tuple[str, str]
    recipients: list[tuple[str, str]]
    subject: str
    charset: str
    sentences: list[str]
    size: int
    thread: Thread
    extra: list[str] = field(default_factory=list)


def generate(count: int, seed: int = 1) -> Iterator[bytes]:
    """`count` messages with CRLF line ends; a shorter run gives the beginning of a longer one."""
    maker = Maker(seed)
    for number in range(count):
        yield maker.message(number)


class Maker:
    """Makes one message after the other out of one stream of random numbers."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = START
        self.people = [self._person() for _ in range(120)]
        self.threads: list[Thread] = []
        self.sentences = [[self._sentence(known) for _ in range(150)] for known, _ in LANGUAGES]
        self.kinds: list[tuple[Callable[[Letter], bytes], int]] = [
            (self._plain, 44),
            (self._alternative, 24),
            (self._attachments, 16),
            (self._related, 5),
            (self._forward, 5),
            (self._bounce, 3),
            (self._digest, 1),
            (self._eight_bit, 2),
        ]

    def message(self, number: int) -> bytes:
        """The next message."""
        rng = self.random
        self.now += int(rng.expovariate(1 / 600)) + 1
        language = rng.choices(range(len(LANGUAGES)), LANGUAGE_WEIGHTS)[0]
        vocabulary, charsets = LANGUAGES[language]
        thread = self._thread(vocabulary)
        sender = rng.choice(thread.people)
        recipients = [person for person in thread.people if person is not sender] or [sender]
        if thread.mailing_list:
            recipients = [(thread.mailing_list, f"{thread.mailing_list}@lists.example.org")]
        letter = Letter(
            number,
            self.now,
            sender,
            recipients,
            ("Re: " if thread.ids else "") + thread.subject,
            rng.choice(charsets),
            self.sentences[language],
            min(int(rng.lognormvariate(8.1, 1.2)), LARGEST),
            thread,
        )
        make = rng.choices([kind for kind, _ in self.kinds], [weight for _, weight in self.kinds])[0]
        content = make(letter)
        message_id = f"<{rng.getrandbits(48):012x}.{number}@{rng.choice(HOSTS)}>"
        header = self._header(letter, message_id)
        thread.ids.append(message_id)
        return header + content

    # Header

    def _header(self, letter: Letter, message_id: str) -> bytes:
        rng = self.random
        address = letter.sender[1]
        lines = [f"Return-Path: <{address}>"]
        for hop in range(rng.randint(1, 4)):
            host = rng.choice(HOSTS)
            lines.append(
                f"Received: from mx{hop}.{host} (mx{hop}.{host} [192.0.2.{rng.randint(1, 254)}])\r\n"
                f"\tby mail.example.com with ESMTPS id {rng.getrandbits(44):011X}\r\n"
                f"\tfor <{letter.recipients[0][1]}>; {formatdate(letter.when - hop)}"
            )
        if rng.random() < 0.6:
            signature = b64encode(rng.randbytes(192)).decode()
            folded = "\r\n\t ".join(signature[i : i + 70] for i in range(0, len(signature), 70))
            lines.append(
                f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={address.partition('@')[2]};\r\n"
                f"\ts=mail; t={letter.when}; h=From:To:Subject:Date:Message-ID;\r\n"
                f"\tbh={b64encode(rng.randbytes(32)).decode()};\r\n\tb={folded}"
            )
        zone = rng.choice(("+0000", "+0100", "+0200", "-0500", "-0800", "+0900", "+0530"))
        offset = (int(zone[1:3]) * 60 + int(zone[3:])) * (-60 if zone[0] == "-" else 60)
        lines.append("Date: " + formatdate(letter.when + offset).replace("-0000", zone))
        lines.append("From: " + mailbox(letter.sender, letter.charset))
        lines.append("To: " + ",\r\n ".join(mailbox(person, letter.charset) for person in letter.recipients))
        if rng.random() < 0.2:
            lines.append(
                "Cc: " + ",\r\n ".join(mailbox(rng.choice(self.people), "utf-8") for _ in range(rng.randint(1, 4)))
            )
        lines.append("Subject: " + encoded(letter.subject, letter.charset, rng.random() < 0.5))
        lines.append(f"Message-ID: {message_id}")
        if letter.thread.ids:
            lines.append(f"In-Reply-To: {letter.thread.ids[-1]}")
            lines.append("References: " + "\r\n ".join(letter.thread.ids[-10:]))
        if letter.thread.mailing_list:
            name = letter.thread.mailing_list
            lines += [
                f"List-Id: The {name} list <{name}.lists.example.org>",
                f"List-Post: <mailto:{name}@lists.example.org>",
                f"List-Unsubscribe: <https://lists.example.org/{name}/leave>,\r\n\t<mailto:{name}-leave@lists.example.org>",
                "Precedence: list",
                f"Sender: {name}-bounces@lists.example.org",
            ]
        if rng.random() < 0.3:
            lines.append("User-Agent: " + rng.choice(("Quill/3.2", "Postbote 1.9 (Linux)", "Heron Mail/2024.1")))
        lines += letter.extra
        lines.append("MIME-Version: 1.0")
        return ("\r\n".join(lines) + "\r\n").encode("ascii")

    def _thread(self, vocabulary: list[str]) -> Thread:
        rng = self.random
        if self.threads and rng.random() < 0.55:
            thread = self.threads[-1 - min(int(rng.expovariate(1 / 8)), len(self.threads) - 1)]
            if len(thread.ids) < 40:
                return thread
        subject = " ".join(rng.choices(vocabulary, k=rng.randint(2, 8)))
        thread = Thread(
            subject[:1].upper() + subject[1:],
            [],
            rng.sample(self.people, rng.randint(2, 5)),
            rng.choice(LISTS) if rng.random() < 0.3 else "",
        )
        self.threads.append(thread)
        del self.threads[:-200]
        return thread

    def _person(self) -> tuple[str, str]:
        rng = self.random
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        plain = f"{first}.{last}".lower().encode("ascii", "ignore").decode()
        name = f"{last}, {first}" if rng.random() < 0.1 else f"{first} {last}"
        return (name if rng.random() < 0.9 else "", f"{plain}{rng.randint(1, 99)}@{rng.choice(HOSTS)}")

    # Content: each gives the content fields, the empty line and the body

    def _plain(self, letter: Letter) -> bytes:
        return self._text_part(letter, "plain", self._prose(letter, letter.size))

    def _eight_bit(self, letter: Letter) -> bytes:
        charset = "utf-8" if letter.charset == "us-ascii" else letter.charset
        text = self._prose(letter, letter.size).encode(charset, "replace")
        return f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".encode() + text

    def _alternative(self, letter: Letter) -> bytes:
        text = self._prose(letter, letter.size // 3)
        return self._multipart(
            "alternative", [self._text_part(letter, "plain", text), self._text_part(letter, "html", html(text))]
        )

    def _attachments(self, letter: Letter) -> bytes:
        rng = self.random
        parts = [self._text_part(letter, "plain", self._prose(letter, min(letter.size, 3000)))]
        if rng.random() < 0.4:
            parts[0] = self._alternative(letter)
        for _ in range(rng.choices((1, 2, 3, 5), (70, 18, 8, 4))[0]):
            size = min(int(rng.lognormvariate(9.2, 1.3)), LARGEST)
            name = rng.choice(WORDS)
            kind = rng.random()
            if kind < 0.2:
                lines = "".join(
                    f"{rng.choice('+- ')}{rng.choice(letter.sentences)}\r\n" for _ in range(size // 400 + 3)
                )
                parts.append(self._text_part(letter, "x-patch", lines, f"{name}.patch"))
            elif kind < 0.6:
                parts.append(self._binary("application/pdf", f"{name}.pdf", b"%PDF-1.5\n" + rng.randbytes(size)))
            else:
                parts.append(
                    self._binary("image/jpeg", f"{name} größer.jpg", b"\xff\xd8\xff\xe0" + rng.randbytes(size))
                )
        return self._multipart("mixed", parts)

    def _related(self, letter: Letter) -> bytes:
        image = self._binary("image/png", "logo.png", b"\x89PNG\r\n\x1a\n" + self.random.randbytes(2500), inline=True)
        page = self._text_part(letter, "html", html(self._prose(letter, letter.size // 2)) + '<img src="cid:logo">\r\n')
        plain = self._text_part(letter, "plain", self._prose(letter, letter.size // 4))
        return self._multipart("alternative", [plain, self._multipart("related", [page, image])])

    def _forward(self, letter: Letter) -> bytes:
        inner = self._inner(letter)
        covering = self._text_part(letter, "plain", self._prose(letter, 400))
        wrapped = b"Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n" + inner
        return self._multipart("mixed", [covering, wrapped])

    def _bounce(self, letter: Letter) -> bytes:
        recipient = letter.recipients[0][1]
        status = (
            "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example.com\r\n\r\n"
            f"Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        ).encode()
        notice = self._text_part(letter, "plain", f"Your message to {recipient} could not be delivered.\r\n")
        returned = b"Content-Type: message/rfc822\r\n\r\n" + self._inner(letter)
        letter.extra.append("Auto-Submitted: auto-replied")
        return self._multipart("report", [notice, status, returned], "; report-type=delivery-status")

    def _digest(self, letter: Letter) -> bytes:
        letters = [b"\r\n" + self._inner(letter) for _ in range(self.random.randint(2, 12))]
        return self._multipart("digest", letters)

    def _inner(self, letter: Letter) -> bytes:
        rng = self.random
        inner = Letter(
            letter.number,
            letter.when - rng.randint(600, 90_000),
            rng.choice(self.people),
            [rng.choice(self.people)],
            letter.thread.subject,
            letter.charset,
            letter.sentences,
            min(letter.size, 6000),
            Thread("", [], []),
        )
        content = self._plain(inner) if rng.random() < 0.6 else self._alternative(inner)
        return self._header(inner, f"<{rng.getrandbits(40):x}@{rng.choice(HOSTS)}>") + content

    def _multipart(self, subtype: str, parts: list[bytes], parameters: str = "") -> bytes:
        boundary = f"=_{self.random.getrandbits(80):020x}"
        delimiter = f"\r\n--{boundary}\r\n".encode()
        head = f'Content-Type: multipart/{subtype}{parameters};\r\n\tboundary="{boundary}"\r\n\r\n'.encode()
        preamble = b"This is a message in MIME format.\r\n" if self.random.random() < 0.3 else b""
        return head + preamble + b"".join(delimiter + part for part in parts) + f"\r\n--{boundary}--\r\n".encode()

    def _text_part(self, letter: Letter, subtype: str, text: str, filename: str = "") -> bytes:
        charset = letter.charset
        raw = text.encode(charset, "replace")
        head = f"Content-Type: text/{subtype}; charset={charset}\r\n"
        if filename:
            head += f'Content-Disposition: attachment; filename="{filename}"\r\n'
        if charset == "us-ascii" or charset == "iso-2022-jp":
            return (head + "Content-Transfer-Encoding: 7bit\r\n\r\n").encode() + raw
        if self.random.random() < 0.25:
            return (head + "Content-Transfer-Encoding: base64\r\n\r\n").encode() + base64_lines(raw)
        return (head + "Content-Transfer-Encoding: quoted-printable\r\n\r\n").encode() + b2a_qp(raw, istext=True)

    def _binary(self, kind: str, filename: str, data: bytes, inline: bool = False) -> bytes:
        name = f'name="{filename}"' if filename.isascii() else f'name="{encoded(filename, "utf-8", True)}"'
        if filename.isascii():
            disposition = f'filename="{filename}"'
        else:
            disposition = "filename*=utf-8''" + "".join(
                chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in filename.encode()
            )
        head = f"Content-Type: {kind};\r\n\t{name}\r\nContent-Transfer-Encoding: base64\r\n"
        head += "Content-ID: <logo>\r\n" if inline else ""
        head += f"Content-Disposition: {'inline' if inline else 'attachment'};\r\n\t{disposition}\r\n\r\n"
        return head.encode() + base64_lines(data)

    def _prose(self, letter: Letter, size: int) -> str:
        rng = self.random
        lines: list[str] = []
        length = 0
        quote = "> " if letter.thread.ids and rng.random() < 0.7 else ""
        while length < size or not lines:
            if rng.random() < 0.15:
                lines.append("")
                quote = "> " if quote and rng.random() < 0.5 else ""
            line = quote + rng.choice(letter.sentences)
            lines.append(line)
            length += len(line) + 2
        lines += ["", "-- ", letter.sender[0] or letter.sender[1]]
        return "\r\n".join(lines) + "\r\n"

    def _sentence(self, vocabulary: list[str]) -> str:
        line = " ".join(self.random.choices(vocabulary, k=self.random.randint(4, 12)))
        return (line[:1].upper() + line[1:])[:74] + "."


def encoded(text: str, charset: str, base64: bool) -> str:
    """Text for a header: as it is when ASCII, else encoded words of at most 75 characters (RFC 2047)."""
    if text.isascii():
        return text
    if charset == "us-ascii":
        charset = "utf-8"
    pieces: list[str] = []
    step = 12 if charset == "utf-8" else 16
    for start in range(0, len(text), step):
        raw = text[start : start + step].encode(charset, "replace")
        if base64:
            pieces.append(f"=?{charset}?B?{b64encode(raw).decode()}?=")
        else:
            quoted = "".join(chr(b) if b < 128 and chr(b).isalnum() else "_" if b == 32 else f"={b:02X}" for b in raw)
            pieces.append(f"=?{charset}?Q?{quoted}?=")
    return "\r\n ".join(pieces)


def mailbox(person: tuple[str, str], charset: str) -> str:
    """A mailbox for an address field."""
    name, address = person
    if not name:
        return address
    if not name.isascii():
        return f"{encoded(name, charset, False)} <{address}>"
    return f'"{name}" <{address}>' if "," in name else f"{name} <{address}>"


def html(text: str) -> str:
    """The text as a web page."""
    paragraphs = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split("\r\n")
    return "<html><body>\r\n" + "".join(f"<p>{line}</p>\r\n" for line in paragraphs) + "</body></html>\r\n"


def base64_lines(data: bytes) -> bytes:
    """Base64 in lines of 76 characters."""
    return encodebytes(data).replace(b"\n", b"\r\n")


def write_maildir(directory: Path, messages: Iterator[bytes], seed: int) -> int:
    """Writes a Maildir with flags in the file names; returns the bytes written."""
    rng = random.Random(seed)
    total = 0
    for name in ("cur", "new", "tmp"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    for number, message in enumerate(messages):
        text = message.replace(b"\r\n", b"\n")
        total += len(text)
        when = START + number * 600
        if rng.random() < 0.2:
            path = directory / "new" / f"{when}.M{number}P1.corpus"
        else:
            flags = "".join(flag for flag, chance in (("F", 0.05), ("R", 0.2), ("S", 0.9)) if rng.random() < chance)
            path = directory / "cur" / f"{when}.M{number}P1.corpus:2,{flags}"
        path.write_bytes(text)
    return total


def write_mbox(path: Path, messages: Iterator[bytes]) -> int:
    """Writes an mbox file ("From " in text quoted); returns the bytes written."""
    total = 0
    with path.open("wb") as out:
        for number, message in enumerate(messages):
            text = message.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ")
            when = time.asctime(time.gmtime(START + number * 600))
            total += out.write(f"From corpus@example.com {when}\n".encode() + text + b"\n")
    return total


def main() -> int:
    """The command line."""
    from rich.console import Console
    from rich.progress import track

    parser = argparse.ArgumentParser(description="Writes a corpus of made-up mail.")
    parser.add_argument("--count", type=int, default=1000, help="how many messages (default 1000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same mail (default 1)")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--maildir", type=Path, help="write a Maildir here")
    target.add_argument("--mbox", type=Path, help="write an mbox file here")
    options = parser.parse_args()
    console = Console(stderr=True)
    messages = iter(track(generate(options.count, options.seed), "Writing mail", total=options.count, console=console))
    started = time.perf_counter()
    if options.maildir is not None:
        total = write_maildir(options.maildir, messages, options.seed)
    else:
        total = write_mbox(options.mbox, messages)
    seconds = time.perf_counter() - started
    console.print(
        f"{options.count} messages, {total / 1e6:.1f} MB, in {seconds:.1f} s: {options.maildir or options.mbox}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
