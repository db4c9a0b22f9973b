"""The store on SQLite: one file for each account.  `engine.open_store` opens it, `settings` are its settings."""
