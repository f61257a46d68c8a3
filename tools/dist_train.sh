#!/usr/bin/env bash
# Train on several processes of one or more machines: tools/dist_train.sh CONFIG GPUS [ARGUMENTS OF train.py]
# One machine needs no port: a free one is taken, unless PORT or MASTER_PORT is given.
# More machines: start it on each with NNODES, NODE_RANK, MASTER_ADDR and PORT set. Without GPUs, GPUS = processes.
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
