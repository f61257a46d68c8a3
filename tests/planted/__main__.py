"""Plant the mistakes of the list and report which of them the named tests catch.

    python -m tests.planted [WORD ...]

A word selects the mistakes whose file, line or test contains it; with several, all must occur.
"""

import argparse
import sys
import time

from tests.planted.mistakes import MISTAKES
from tests.planted.run import run_all


def main() -> int:
    """Print a line for each mistake and the count; return 1 unless all are caught."""
    parser = argparse.ArgumentParser(
        prog='python -m tests.planted', description=(__doc__ or '').partition('\n')[0]
    )
    parser.add_argument(
        'words', nargs='*', metavar='WORD', help='only mistakes whose file, line or test has it'
    )
    parser.add_argument('--jobs', type=int, default=2, help='processes (default: %(default)s)')
    args = parser.parse_args()
    chosen = [
        mistake
        for mistake in MISTAKES
        if all(word in f'{mistake.name} {mistake.test}' for word in args.words)
    ]
    if not chosen or args.jobs < 1:
        parser.error('no mistake has these words' if not chosen else '--jobs: must be at least 1')
    start, caught = time.monotonic(), 0
    for mistake, problem in run_all(chosen, args.jobs):
        caught += not problem
        print(f'{problem or "caught"}: {mistake.name}', flush=True)
        if problem:
            print(f'    {mistake.meaning} To be seen by {mistake.test}', flush=True)
    print(f'{caught} of {len(chosen)} caught, {time.monotonic() - start:.0f} s')
    return int(caught < len(chosen))


if __name__ == '__main__':
    sys.exit(main())
