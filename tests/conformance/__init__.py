"""What every tool should get right: small inputs with answers on paper, and changes that must not matter.

`cases` holds the inputs and answers, `adapters` a thin layer over each implementation. Under pytest only this
project's adapter must pass; ``python -m tests.conformance`` runs all that are installed and writes the table.
"""
