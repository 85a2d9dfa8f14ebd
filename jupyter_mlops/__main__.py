"""``python -m jupyter_mlops``: the command line, for when the ``mlops`` program is not on the path."""

from .cli import main

main()
