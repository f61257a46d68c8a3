"""Runs ``python -m mae_transfer COMMAND`` in the same way as the command ``mae-transfer``."""

import sys

from mae_transfer_command import main

if __name__ == '__main__':
    sys.exit(main())
