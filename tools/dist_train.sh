#!/usr/bin/env bash
# Train in several processes on one or more machines: tools/dist_train.sh CONFIG GPUS [ARGUMENTS OF train.py]
# A signal (SIGTERM, SIGINT, SIGUSR1, SIGHUP) is passed on to the processes, which have GRACE_SECONDS (600) to end;
# a second one ends them at once.
# On one machine a free port is chosen, unless PORT or MASTER_PORT is set.
# On several machines, start it on each with NNODES, NODE_RANK, MASTER_ADDR and PORT set.
# Without GPUs, GPUS is the number of processes.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [arguments of train.py]" >&2
    exit 2
fi
CONFIG=$1
GPUS=$2
shift 2

. "$(dirname "${BASH_SOURCE[0]}")/launchers.sh"
run_on_all "$GPUS" train.py "$CONFIG" --launcher pytorch "$@"
