"""Speed and memory of Stillage, each beside a bare floor in the same run: ``python -m bench``."""
