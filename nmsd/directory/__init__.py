"""The directory of users: one interface (api), its back ends, and the rules that turn entries into users."""
