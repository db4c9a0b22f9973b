"""python -m nmsd"""

from nmsd.cli.main import main

main()
