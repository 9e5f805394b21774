"""Who changed what, and who tried: one event for each, in the vocabulary of CADF."""
