"""Audit events: who changed what, or tried to, in the vocabulary of CADF."""
