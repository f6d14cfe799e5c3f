"""`python -m mobile_assets`: see `mobile_assets.cli`."""

from mobile_assets.cli import main

if __name__ == "__main__":
    main(prog_name="python -m mobile_assets")
