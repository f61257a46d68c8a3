#!/usr/bin/env bash
# Train under Slurm: tools/slurm_train.sh PARTITION JOB_NAME CONFIG [ARGUMENTS OF train.py]
# This queues a batch job, which prints to slurm-<number>.out. NOTICE_SECONDS (120) before its time limit it writes a
# checkpoint, goes back into the queue and resumes when it starts again; see slurm_job.sh.
# With SLURM_BATCH=0, or inside an allocation (salloc), it runs at once under srun and is not queued again.
# GPUS (8), GPUS_PER_NODE (8, at most GPUS), CPUS_PER_TASK (5) and SRUN_ARGS, for sbatch or srun, come from the
# environment.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG [arguments of train.py]" >&2
    exit 2
fi
PARTITION=$1
JOB_NAME=$2
CONFIG=$3
shift 3

. "$(dirname "${BASH_SOURCE[0]}")/launchers.sh"
train_under_slurm "$PARTITION" "$JOB_NAME" train.py "$CONFIG" --launcher slurm "$@"
