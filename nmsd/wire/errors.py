"""What the wire layer raises."""


class BadSyntax(Exception):
    """The client's bytes are no sentence of the protocol; the text is fit to be sent back."""
