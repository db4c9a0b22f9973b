"""Bytes to values and back, with no meaning: framing, arguments, number sets, dates, names, SASL.  Pure."""
