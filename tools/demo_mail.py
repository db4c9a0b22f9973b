"""The mail that alice finds in her demo mailbox: threads, attachments, HTML, several charsets, flags, folders."""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from pathlib import Path
from typing import Final

HOUR_S: Final = 3600

ALICE: Final = Address("Alice Archer", "alice", "example.com")
BOB: Final = Address("Bob Castillo", "bob", "example.com")
CARLA: Final = Address("Carla Lindqvist", "carla", "example.org")
GRETA: Final = Address("Greta Müller", "greta.mueller", "example.net")
RENEE: Final = Address("Renée Moreau", "renee", "example.org")
DMITRI: Final = Address("Дмитрий Петров", "dmitri", "example.net")
YUKI: Final = Address("佐藤 由紀", "yuki", "example.org")
SHOP: Final = Address("Harbour Books", "orders", "shop.example.com")
MONITOR: Final = Address("Monitoring", "monitor", "example.com")
LIST: Final = Address("Walking club", "walkers", "lists.example.org")
MAILER: Final = Address("Mail Delivery System", "MAILER-DAEMON", "example.com")


@dataclass(frozen=True)
class Mail:
    """A message: where it lies, its age, its Maildir flags, and what is in it.

    `thread` names a conversation: each message of one answers the one before.  `extra` puts in what plain text is not.
    """

    folder: str
    hours_ago: float
    flags: str
    sender: Address
    subject: str
    text: str
    thread: str = ""
    charset: str = "utf-8"
    to: Sequence[Address] = (ALICE,)
    extra: Callable[[EmailMessage], None] | None = None


# What is attached


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture(width: int = 160, height: int = 100) -> bytes:
    """A PNG of a sunset over water."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            sun = (x - width / 2) ** 2 + (y - height * 0.55) ** 2 < (height * 0.2) ** 2
            if y > height * 0.6:
                rows += bytes((30, 60 + (x * 7 + y * 13) % 40, 120))
            else:
                rows += bytes((255, 230, 120)) if sun else bytes((240 - y, 120 + y // 2, 60 + y))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(rows), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def page(text: str) -> bytes:
    """A PDF of one page with one line on it."""
    drawing = f"BT /F1 18 Tf 72 720 Td ({text}) Tj ET".encode("latin-1")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Font << /F1 5 0 R >> >>",
    )
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)


def _html(body: str) -> Callable[[EmailMessage], None]:
    return lambda message: message.add_alternative(f"<!DOCTYPE html><html><body>{body}</body></html>", subtype="html")


def _pdf(name: str, text: str) -> Callable[[EmailMessage], None]:
    return lambda message: message.add_attachment(page(text), maintype="application", subtype="pdf", filename=name)


def _csv(message: EmailMessage) -> None:
    lines = ["month,heating,electricity,water"]
    lines += [f"2025-{month:02},{180 - 14 * abs(month - 7)},{60 + month},{21 + month % 3}" for month in range(1, 13)]
    message.add_attachment("\r\n".join(lines) + "\r\n", subtype="csv", filename="costs 2025.csv")


def _photo(message: EmailMessage) -> None:
    message.add_attachment(picture(), maintype="image", subtype="png", filename="Sonnenuntergang über dem Hafen.png")


def _newsletter(message: EmailMessage) -> None:
    body = (
        '<h1>New this week</h1><p><img src="cid:cover@shop.example.com" alt="cover"></p><p>Three books on the sea.</p>'
    )
    _html(body)(message)
    alternative = message.get_payload(1)
    assert isinstance(alternative, EmailMessage)
    alternative.add_related(picture(80, 50), maintype="image", subtype="png", cid="<cover@shop.example.com>")
    message["List-Unsubscribe"] = "<mailto:leave@shop.example.com>"


def _invitation(message: EmailMessage) -> None:
    start = time.strftime("%Y%m%dT090000Z", time.gmtime(time.time() + 72 * HOUR_S))
    end = start.replace("T09", "T10")
    lines = (
        ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//calendar//EN", "METHOD:REQUEST", "BEGIN:VEVENT"]
        + ["UID:greenhouse-7@example.org", f"DTSTAMP:{start}", f"DTSTART:{start}", f"DTEND:{end}"]
        + ["SUMMARY:Greenhouse: choosing the glass", "ORGANIZER:mailto:carla@example.org", "END:VEVENT"]
        + ["END:VCALENDAR", ""]
    )
    message.add_alternative("\r\n".join(lines), subtype="calendar", params={"method": "REQUEST"})


def _forwarded(message: EmailMessage) -> None:
    inner = EmailMessage(policy=SMTP)
    inner["From"], inner["To"], inner["Subject"] = YUKI, BOB, "お問い合わせ: 温室の写真"
    inner["Date"] = formatdate(time.time() - 400 * HOUR_S)
    inner.set_content("温室の写真を三枚お送りします。\n\n佐藤\n")
    inner.add_attachment(picture(60, 40), maintype="image", subtype="png", filename="温室.png")
    message.add_attachment(inner)


def _bounce(message: EmailMessage) -> None:
    message.make_mixed()
    message.set_type("multipart/report")
    message.set_param("report-type", "delivery-status")
    server, recipient = EmailMessage(policy=SMTP), EmailMessage(policy=SMTP)
    server["Reporting-MTA"] = "dns; mail.example.com"
    recipient["Final-Recipient"] = "rfc822; hugo@example.net"
    recipient["Action"], recipient["Status"] = "failed", "5.1.1"
    recipient["Diagnostic-Code"] = "smtp; 550 5.1.1 no such user"
    status = EmailMessage(policy=SMTP)
    status["Content-Type"] = "message/delivery-status"
    status.set_payload([server, recipient])
    message.attach(status)


def _on_list(message: EmailMessage) -> None:
    message["List-Id"] = "Walking club <walkers.lists.example.org>"
    message["List-Post"] = "<mailto:walkers@lists.example.org>"
    message["Precedence"] = "list"


GLASS: Final = "Glass for the greenhouse"
HARBOUR: Final = "Sunday: round the harbour?"
NUMBERS: Final = "Numbers for the annual report"

MAILS: Final = (
    Mail(
        "INBOX",
        0.3,
        "",
        BOB,
        "Welcome to your demo mailbox",
        "Hello Alice,\n\nthis mailbox is yours to try things out: read, move, flag, search, delete.  I have one, too;\n"
        "my password is printed where the server was started.\n\nBob\n",
    ),
    Mail(
        "INBOX", 700, "RS", CARLA, GLASS, "Two offers came in.  Float glass is cheaper, tempered is safer.\n", "glass"
    ),
    Mail("Sent", 690, "S", ALICE, GLASS, "Tempered, please.  Children will play there.\n", "glass", to=(CARLA,)),
    Mail("INBOX", 671, "S", CARLA, GLASS, "Ordered: 24 panes of 60 by 120.\n\n> Tempered, please.\n", "glass"),
    Mail("INBOX", 650, "SF", BOB, GLASS, "I can fetch them with the van on Friday.\n", "glass", to=(ALICE, CARLA)),
    Mail("INBOX", 30, "", CARLA, GLASS, "They are here.  One pane is cracked; the rest is fine.\n", "glass"),
    Mail("INBOX", 26, "", CARLA, "Greenhouse: choosing the glass", "Shall we meet?\n", extra=_invitation),
    Mail("INBOX", 96, "RS", LIST, HARBOUR, "Ten kilometres, flat, with a café half-way.\n", "walk", extra=_on_list),
    Mail("INBOX", 95, "S", RENEE, HARBOUR, "Avec plaisir ! À quelle heure ?\n", "walk", "iso-8859-15", extra=_on_list),
    Mail("Sent", 94, "S", ALICE, HARBOUR, "Nine at the lighthouse?\n", "walk", to=(LIST,)),
    Mail(
        "INBOX",
        93,
        "S",
        GRETA,
        HARBOUR,
        "Schön, ich bringe Äpfel und heißen Tee mit.\n\nGrüße, Greta\n",
        "walk",
        "iso-8859-1",
        extra=_on_list,
    ),
    Mail("INBOX", 20, "", GRETA, "Fotos vom Hafen", "Das schönste ist angehängt.\n", charset="utf-8", extra=_photo),
    Mail(
        "INBOX",
        48,
        "",
        DMITRI,
        "Встреча в четверг",
        "Алиса, привет!\n\nВстречаемся в четверг в десять, как договорились?\n\nДмитрий\n",
        charset="koi8-r",
    ),
    Mail("INBOX", 52, "S", YUKI, "写真のお礼", "写真をありがとうございました。\n\n佐藤\n", charset="iso-2022-jp"),
    Mail("INBOX", 160, "S", YUKI, "温室について", "ガラスはもう届きましたか。\n", charset="euc-jp"),
    Mail("INBOX", 170, "SP", BOB, "Fwd: photographs from Yuki", "See the attached message.\n", extra=_forwarded),
    Mail(
        "INBOX", 15, "", SHOP, "Three books on the sea", "New this week: three books on the sea.\n", extra=_newsletter
    ),
    Mail(
        "INBOX",
        75,
        "S",
        SHOP,
        "Your order 20251 is on its way",
        "Dear Alice Archer,\n\nyour parcel left our warehouse today.\n",
        extra=_html("<p>Dear Alice Archer,</p><p>your <b>parcel</b> left our warehouse today.</p>"),
    ),
    Mail(
        "INBOX",
        180,
        "SF",
        SHOP,
        "Invoice 20251",
        "The invoice is attached.\n",
        extra=_pdf("invoice-20251.pdf", "42.50"),
    ),
    Mail("INBOX", 5, "", MONITOR, "mail.example.com: disk 81 % full", "Warning at 80 %.  /var: 81 % of 200 GB used.\n"),
    Mail("INBOX", 4, "", MONITOR, "mail.example.com: disk back to normal", "/var: 64 % of 200 GB used.\n"),
    Mail(
        "INBOX",
        55,
        "S",
        MAILER,
        "Undelivered mail returned to sender",
        "Your message to hugo@example.net could not be delivered: there is no such user.\n",
        extra=_bounce,
    ),
    Mail("INBOX", 2, "", BOB, "Lunch?", "At half past twelve, the usual place.  Format=flowed is overrated.\n"),
    Mail("INBOX", 1, "", RENEE, "Étude « Mer et forêt »", "Le résumé est prêt, à relire avant vendredi.\n"),
    Mail("Projects/Report", 500, "RS", BOB, NUMBERS, "Here is what we spent.\n", "report", extra=_csv),
    Mail("Sent", 498, "S", ALICE, NUMBERS, "Heating looks low for March?\n", "report", to=(BOB,)),
    Mail("Projects/Report", 490, "S", BOB, NUMBERS, "It was warm.  I checked the meter.\n", "report"),
    Mail(
        "Projects/Report",
        480,
        "SF",
        BOB,
        NUMBERS,
        "The second draft as a page.\n",
        "report",
        extra=_pdf("draft 2.pdf", "Annual report, second draft"),
    ),
    Mail("Projects/Report", 40, "", CARLA, "Reviewers' remarks", "Page 3: say where the numbers come from.\n"),
    Mail("Projects/Garden", 900, "S", CARLA, "What to sow", "Beans, peas, and a row of sunflowers.\n"),
    Mail("Projects/Garden", 880, "S", GRETA, "Re: What to sow", "Und Kürbisse!\n", charset="windows-1252"),
    Mail("Projects/Garden", 60, "", CARLA, "Water", "The rain barrel holds 300 litres; a pump costs 45 €.\n"),
    Mail("Archive/2025", 6000, "S", BOB, "Keys", "The spare keys are with the porter.\n"),
    Mail("Archive/2025", 5500, "S", CARLA, "Thank you", "It was a lovely evening.\n"),
    Mail("Archive/2025", 5400, "S", MONITOR, "Certificate renewed", "mail.example.com is good for another 90 days.\n"),
    Mail("Zürich", 300, "S", GRETA, "Zimmer in Zürich", "Das Hotel liegt am See, drei Nächte ab Montag.\n"),
    Mail("Zürich", 290, "S", GRETA, "Fahrplan", "Ab 8:02, an 11:26, Gleis 7.\n", charset="iso-8859-1"),
    Mail("Drafts", 10, "DS", ALICE, "Re: Étude « Mer et forêt »", "Chère Renée,\n\nj'ai lu\n", to=(RENEE,)),
    Mail("Trash", 250, "ST", SHOP, "Last chance: 5 % off", "Only today.\n"),
    Mail(
        "Junk",
        33,
        "",
        Address("Prize office", "win", "shop.example.com"),
        "YOU WON!!!",
        "Send us your account number to take your prize home.\n",
        extra=_html("<h1 style='color:red'>YOU WON!!!</h1>"),
    ),
    Mail("Junk", 8, "", Address("", "noreply", "example.net"), "Cheap glasses", "Glasses at half the price.\n"),
)


def messages(now: float) -> Iterator[tuple[Mail, EmailMessage]]:
    """Every mail and its message, the oldest first, dated before `now` (seconds since the epoch)."""
    threads: dict[str, list[str]] = {}
    for number, mail in enumerate(sorted(MAILS, key=lambda mail: -mail.hours_ago), 1):
        message = EmailMessage(policy=SMTP)
        thread = threads.setdefault(mail.thread, []) if mail.thread else []
        message["From"] = mail.sender
        message["To"] = mail.to
        message["Subject"] = f"Re: {mail.subject}" if thread else mail.subject
        message["Date"] = formatdate(now - mail.hours_ago * HOUR_S)
        message["Message-ID"] = name = f"<demo-{number}@{mail.sender.domain}>"
        if thread:
            message["In-Reply-To"] = thread[-1]
            message["References"] = " ".join(thread)
        thread.append(name)
        message.set_content(mail.text, charset=mail.charset)
        if mail.extra is not None:
            mail.extra(message)
        yield mail, message


def write_maildir(root: Path, now: float) -> int:
    """Writes the mail as a Maildir++ tree at `root`; gives how many messages."""
    count = 0
    for count, (mail, message) in enumerate(messages(now), 1):
        folder = root if mail.folder == "INBOX" else root / _directory(mail.folder)
        for part in ("cur", "new", "tmp"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        path = folder / "cur" / f"{count:04}.demo:2,{''.join(sorted(mail.flags))}"
        path.write_bytes(message.as_bytes())
        arrived = now - mail.hours_ago * HOUR_S
        os.utime(path, (arrived, arrived))
    return count


def _directory(folder: str) -> str:
    """A Maildir++ directory's name, with what is not ASCII in modified UTF-7."""
    return "." + folder.replace("/", ".").replace("ü", "&APw-")
