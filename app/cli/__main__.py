"""``python -m app.cli`` is the command ``hpkp``."""

from app.cli import main

main()
