"""`python -m labelfree`: the command line where no script was installed."""

from labelfree.cli import main

if __name__ == "__main__":
    main()
