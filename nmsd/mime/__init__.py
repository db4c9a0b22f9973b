"""Message bytes to what IMAP, POP and search need: parts with offsets, wire-ready summaries, fields, text.  Pure.

Invariant: nothing here raises on any message, however broken; what cannot be understood is shown as something plainer
(text/plain, application/octet-stream, an empty address list).  Every function is linear in the size of its input.
"""
