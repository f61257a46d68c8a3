#!/usr/bin/env bash
# The batch job that slurm_train.sh submits: slurm_job.sh TOOLS TOOL [ARGUMENTS OF TOOL]
# Slurm copies this file to the first machine of the job and runs it there; TOOLS is the folder that it came from.
#
# Slurm sends SIGUSR1 to this script alone (--signal=B:USR1@SECONDS) before the time limit, and where the cluster has
# PreemptParameters=send_user_signal also before a preemption. srun passes it on to the processes, which write a
# checkpoint and exit with 138 = 128 + SIGUSR1. Then the job goes back into the queue and resumes when it starts again.
# After SIGTERM, as scancel sends it, it does not: whether a preempted job is queued again is Slurm's choice.
set -uo pipefail

. "$1/launchers.sh"
TOOL=$2
shift 2

# What an earlier part of this job wrote is continued, not replaced: with --overwrite, train.py looks whose it is.
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then set -- "$@" --resume; fi

STEP=
NOTICED=
INTERRUPTED=
pass_on() { # SIGNAL
    INTERRUPTED=1
    if [ -n "$STEP" ] && kill -0 "$STEP" 2>/dev/null; then kill -s "$1" "$STEP"; fi
}
trap 'NOTICED=1; pass_on USR1' USR1
trap 'pass_on TERM' TERM

# In the background, because bash runs a trap only after the command in the foreground. srun would take the number of
# cores of a process from its own arguments alone, so it gets all numbers again.
SRUN_ARGS='' run_under_slurm "$SLURM_JOB_PARTITION" "$SLURM_JOB_NAME" "$TOOL" "$@" &
STEP=$!
STATUS=0
while :; do
    INTERRUPTED=
    wait "$STEP"
    RETURNED=$?
    # 127: it had ended before the signal came, and the status is known.
    if [ "$RETURNED" -ne 127 ]; then STATUS=$RETURNED; fi
    if [ -z "$INTERRUPTED" ]; then break; fi
done

if [ -n "$NOTICED" ] && [ "$STATUS" -eq 138 ]; then
    echo "$(date '+%F %T') job $SLURM_JOB_ID: stopped by SIGUSR1, goes back into the queue" >&2
    scontrol requeue "$SLURM_JOB_ID"
    exit
fi
exit "$STATUS"
