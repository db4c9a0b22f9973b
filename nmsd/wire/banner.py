"""The service banner, a template with Netscape's codes."""

from nmsd import PRODUCT, VERSION


def expand_banner(template: str, *, host: str, protocol: str, date: str) -> str:
    """`template` with %h host, %p protocol, %P product, %v short and %V full version, %d date and %% filled in; other
    codes stay as they are."""
    codes = {
        "h": host,
        "p": protocol,
        "P": PRODUCT,
        "v": ".".join(VERSION.split(".")[:2]),
        "V": VERSION,
        "d": date,
        "%": "%",
    }
    pieces = template.split("%")
    text = pieces[0]
    index = 1
    while index < len(pieces):
        piece = pieces[index]
        if piece == "" and index + 1 < len(pieces):  # "%%": the text after it carries no code
            text += "%" + pieces[index + 1]
            index += 2
            continue
        text += codes[piece[0]] + piece[1:] if piece[:1] in codes else "%" + piece
        index += 1
    return text
