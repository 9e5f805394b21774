"""Coverage-guided fuzzing of the inspectors: ``make fuzz``."""
