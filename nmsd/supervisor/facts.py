"""What the supervisor tells about the server when asked: plain values, ready for JSON."""

from __future__ import annotations

import os
import resource
from typing import Any

from nmsd import VERSION
from nmsd.supervisor.child import Child
from nmsd.supervisor.listen import Listeners
from nmsd.supervisor.service import Service


def child_facts(child: Child, now: float) -> dict[str, Any]:
    """One worker: its last report, and what the supervisor knows better."""
    state = child.report.get("state", "starting")
    if child.kill_at is not None:
        state = "stopping"
    elif child.draining:
        state = "draining"
    return {
        **child.report,
        "pid": child.pid,
        "index": child.index,
        "generation": child.generation,
        "state": state,
        "uptime": round(now - child.started, 1),
        "heard": round(now - child.heard, 1),
    }


def service_facts(service: Service, listeners: Listeners, now: float) -> dict[str, Any]:
    """One service with its workers."""
    row = service.orders.row if service.orders else None
    return {
        "name": service.name,
        "state": service.state(),
        "enabled": service.enabled,
        "turned_off": service.held,
        "reason": service.failed or service.refused,
        "processes": row.processes if row else 0,
        "endpoints": [str(endpoint) for endpoint, _ in listeners.of(row)] if row else [],
        "restarts": service.restarts,
        "last_death": service.last_death,
        "workers": [child_facts(child, now) for child in service.children.values()],
    }


def server_facts() -> dict[str, Any]:
    """The supervisor itself."""
    return {
        "version": VERSION,
        "pid": os.getpid(),
        "descriptor_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    }
