"""VHD, of Virtual PC and Azure."""
