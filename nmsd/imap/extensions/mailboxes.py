"""What is advertised for LIST, STATUS and CREATE; the work is in commands/list.py, status.py and create.py."""

from typing import Final

from nmsd.imap.registry import Extension

CHILDREN: Final = Extension(3348, (b"CHILDREN",))
LIST_EXTENDED: Final = Extension(5258, (b"LIST-EXTENDED",))
LIST_STATUS: Final = Extension(5819, (b"LIST-STATUS",))
SPECIAL_USE: Final = Extension(6154, (b"SPECIAL-USE", b"CREATE-SPECIAL-USE"))
STATUS_SIZE: Final = Extension(8438, (b"STATUS=SIZE",))
