"""`python -m mintdsl`: the command line."""

from mintdsl.tools.cli import main

main()
