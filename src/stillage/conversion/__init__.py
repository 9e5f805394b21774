"""Converts disks in threads, for the command line and for the server: reads, compresses, writes, compares."""
