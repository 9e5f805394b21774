"""Ploop: the expanding disk of Parallels and Virtuozzo."""
