"""FETCH's items: what each asks of the store, and how a slice of messages is written."""
