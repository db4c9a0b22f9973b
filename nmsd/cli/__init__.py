"""The command: one file a subcommand.  Heavy parts are imported where they are used: the command starts fast."""
