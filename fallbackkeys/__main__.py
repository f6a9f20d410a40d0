"""`python -m fallbackkeys` is the command `fallbackkeys`."""

from fallbackkeys.cli import main

main()
