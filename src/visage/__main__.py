"""`python -m visage`."""

from visage.cli import main

main()
