"""VHDX, of Hyper-V."""
