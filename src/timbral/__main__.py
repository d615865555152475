"""`python -m timbral` is `timbral`, for environments whose scripts are not on the path."""

import sys

from timbral.cli import main

if __name__ == "__main__":
    sys.exit(main())
