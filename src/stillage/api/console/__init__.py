"""The console: sessions of browsers."""
