"""POP3 (RFC 1939) with its extensions, sans-IO.  Pure."""
