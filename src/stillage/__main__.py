"""``python -m stillage``."""

from stillage.cli.main import run

if __name__ == "__main__":
    run()
