"""Who is an administrator: users in store.admins, and members of the group store.serviceadmingroupdn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nmsd.server.settings import STORE_ADMIN_GROUP, STORE_ADMINS

if TYPE_CHECKING:
    from nmsd.config.setting import Config
    from nmsd.directory.api import Directory, User


def is_admin(config: Config, directory: Directory, user: User, *names: str) -> bool:
    """Whether the user is one; `names` are further names he has.  Blocks.  Raises DirectoryUnavailable."""
    admins = {name.lower() for name in config[STORE_ADMINS]}
    if not admins.isdisjoint((user.account, user.uid.lower(), *(name.lower() for name in names))):
        return True
    group = config[STORE_ADMIN_GROUP]
    return bool(group) and directory.is_member(user, group)
