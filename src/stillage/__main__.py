"""``python -m stillage``."""

from stillage.cli.start import run

if __name__ == "__main__":
    run()
