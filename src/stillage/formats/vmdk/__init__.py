"""VMDK, of VMware."""
