"""LMTP (RFC 2033 on top of RFC 5321), sans-IO, and delivery.  Pure."""
