"""Makes the standard library cooperative.  Import it, and call `patch`, before anything else in a worker.

Sessions do not use gevent's sockets: they are parked on plain non-blocking ones.  gevent's `ssl` rebinds names inside
the standard module, after which the plain SSLSocket no longer works; so the module as it was is kept in `plain_ssl`
and a second copy is loaded for everyone else.
"""

import ssl as plain_ssl
import sys
from typing import Final

from gevent import monkey

SslWantRead = plain_ssl.SSLWantReadError
SslWantWrite = plain_ssl.SSLWantWriteError

SWITCH_INTERVAL_S: Final = 0.001  # a native thread that computes may hold the event loop up for so long, not for 5 ms


def patch() -> None:
    """Patches the process; a second call does nothing."""
    if monkey.is_module_patched("socket"):
        return
    if sys.modules.get("ssl") is plain_ssl:
        del sys.modules["ssl"]
    monkey.patch_all()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
