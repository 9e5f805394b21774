"""VDI, of VirtualBox."""
