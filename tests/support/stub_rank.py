"""A process of a run that imports nothing slow: it does what its argument says.

    stub_rank.py FOLDER ACTION_OF_RANK_0 ACTION_OF_RANK_1 ...

It writes ``FOLDER/RANK.pids`` when it is ready, and a line to ``FOLDER/RANK.signals`` for each
signal. Actions, several of them connected by '+':

- ``child``: start a process that does nothing;
- ``stop``: at a signal, take a moment and exit with 128 + its number, as a training does;
- ``ignore``: note signals and go on; ``plain``: leave signals as they are;
- ``later:S``: go on after S seconds;
- ``tell:TEXT``, ``lost:TEXT``, ``run:TEXT``: give an error to the launcher, as a cause, as a
  consequence, or as one of the whole run;
- ``exit:N``, ``kill:N``, ``print:TEXT``; ``wait`` for a long time.
"""

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
LAUNCHER = Path(__file__).resolve().parents[2] / 'mae_transfer' / 'processes' / 'launcher.py'


def main() -> None:
    folder, rank = Path(sys.argv[1]), int(os.environ['RANK'])
    local_rank, world_size = int(os.environ['LOCAL_RANK']), int(os.environ['WORLD_SIZE'])
    assert 0 <= local_rank <= rank < world_size and int(os.environ['MASTER_PORT']) > 0
    pids = [os.getpid()]

    def note(number: int, frame: object = None) -> None:
        with (folder / f'{rank}.signals').open('a') as file:
            file.write(f'{signal.Signals(number).name}\n')

    def stop(number: int, frame: object) -> None:
        note(number)
        time.sleep(0.3)
        sys.exit(128 + number)

    def ready() -> None:
        part = folder / f'{rank}.part'
        part.write_text('\n'.join(map(str, pids)))
        part.rename(folder / f'{rank}.pids')

    for action in sys.argv[2 + rank].split('+'):
        name, _, value = action.partition(':')
        if name == 'child':
            pids.append(subprocess.Popen(['sleep', '1000']).pid)
        elif name in ('stop', 'ignore'):
            for number in SIGNALS:
                signal.signal(number, stop if name == 'stop' else note)
        elif name == 'later':
            ready()
            time.sleep(float(value))
        elif name in ('tell', 'lost', 'run'):
            tell = runpy.run_path(str(LAUNCHER))['tell_launcher']
            tell(value, {'tell': 'cause', 'lost': 'consequence', 'run': 'run'}[name])
        elif name == 'exit':
            ready()
            sys.exit(int(value))
        elif name == 'kill':
            ready()
            os.kill(os.getpid(), int(value))
        elif name == 'print':
            print(value, flush=True)
        elif name == 'wait':
            ready()
            until = time.monotonic() + 120
            while time.monotonic() < until:
                time.sleep(0.05)
        else:
            assert name == 'plain', name
    ready()


if __name__ == '__main__':
    main()
