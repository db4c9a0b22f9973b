"""The workers: parked sessions, command pool, TLS, change bus, limits, the way in.  gevent lives here."""
