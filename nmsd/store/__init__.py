"""The message store: one interface (api), its engines, and the conformance suite in tests/contract."""
