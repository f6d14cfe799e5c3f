"""Entry point of `python -m training`."""

from training.cli import main
from training.console import share_cores

if __name__ == "__main__":
    share_cores()
    main()
