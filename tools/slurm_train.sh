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
require_number SLURM_BATCH "${SLURM_BATCH:-1}" 0 1 "whether to queue a batch job"
if [ "${SLURM_BATCH:-1}" -eq 0 ] || [ -n "${SLURM_JOB_ID:-}" ]; then
    START=run_under_slurm
elif ! command -v sbatch >/dev/null; then
    echo "WARNING: there is no sbatch here, so the job runs under srun and is not queued again" >&2
    START=run_under_slurm
else
    START=submit_to_slurm
fi
$START "$PARTITION" "$JOB_NAME" train.py "$CONFIG" --launcher slurm "$@"
