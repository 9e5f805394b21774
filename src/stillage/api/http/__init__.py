"""What HTTP needs of us beyond aiohttp."""
