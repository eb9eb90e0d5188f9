"""`python -m greenroom`: the command line."""

from greenroom.cli.app import app

app(prog_name="greenroom")
