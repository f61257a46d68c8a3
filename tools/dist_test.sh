#!/usr/bin/env bash
# Evaluate in several processes: tools/dist_test.sh CONFIG CHECKPOINT GPUS [ARGUMENTS OF test.py]
# Signals, ports and machines as in dist_train.sh.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of test.py]" >&2
    exit 2
fi
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
shift 3

. "$(dirname "${BASH_SOURCE[0]}")/launchers.sh"
run_on_all "$GPUS" test.py "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"
