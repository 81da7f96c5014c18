"""`python -m app.cli`: the same as `calsel`."""

from app.cli import main

main()
