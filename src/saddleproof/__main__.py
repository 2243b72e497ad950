"""`python -m saddleproof` is `saddleproof`."""

from saddleproof.cli import main

if __name__ == "__main__":
    main(prog_name="saddleproof")
