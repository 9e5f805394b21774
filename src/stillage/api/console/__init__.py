"""The console: its page and files, and sessions of browsers."""
