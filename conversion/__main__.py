"""Entry point of `python -m conversion`."""

from conversion.cli import main

if __name__ == "__main__":
    main()
