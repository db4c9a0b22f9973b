"""IMAP4rev1 and IMAP4rev2, sans-IO: states, the command table, sessions, views.  Pure."""
