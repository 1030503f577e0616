"""python -m kubeon"""

from kubeon.cli import main

main()
