"""`python -m sna` is the command line."""

from sna.cli import main

main(prog_name="sna")
