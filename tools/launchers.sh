# Sourced by dist_{train,test}.sh, slurm_{train,test}.sh and slurm_job.sh to start a tool in several processes.

TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
VENV_PYTHON="$TOOLS/../.venv/bin/python"
if [ -z "${PYTHON:-}" ]; then
    if [ -x "$VENV_PYTHON" ]; then PYTHON=$VENV_PYTHON; else PYTHON=python; fi
fi
# Without it PyTorch's store prints a trace of C++ functions when the first process ends before another.
export TORCH_CPP_LOG_LEVEL=${TORCH_CPP_LOG_LEVEL:-ERROR}

LAUNCH="$TOOLS/../mae_transfer/run/launch.py"
if [ ! -f "$LAUNCH" ]; then LAUNCH="$TOOLS/../../run/launch.py"; fi # in a wheel

# require_number NAME VALUE LEAST MOST WHAT
require_number() {
    if ! [[ $2 =~ ^(0|[1-9][0-9]{0,8})$ ]] || [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
        echo "error: $1 must be $5, got '$2'; give a whole number from $3 to $4" >&2
        exit 2
    fi
}

# run_on_all GPUS TOOL ARGUMENTS...
run_on_all() {
    local gpus=$1 tool=$2
    shift 2
    local nodes=${NNODES:-1} port=${PORT:-${MASTER_PORT:-}} grace=${GRACE_SECONDS:-600}
    require_number GPUS "$gpus" 1 4096 "a number of processes"
    require_number NNODES "$nodes" 1 65536 "a number of machines"
    require_number GRACE_SECONDS "$grace" 1 604800 "the seconds to end after a signal"
    if [ -n "$port" ]; then require_number PORT "$port" 1 65535 "a port of the first machine"; fi
    local place=(--processes "$gpus" --grace "$grace")
    if [ "$nodes" -gt 1 ]; then
        if [ -z "${NODE_RANK:-}" ] || [ -z "${MASTER_ADDR:-}" ] || [ -z "$port" ]; then
            echo "error: NNODES=$nodes needs NODE_RANK (0 on the first machine), MASTER_ADDR (the first" \
                "machine's address) and PORT (a free port there)" >&2
            exit 2
        fi
        require_number NODE_RANK "$NODE_RANK" 0 $((nodes - 1)) "the number of this machine"
        place+=(--nodes "$nodes" --node-rank "$NODE_RANK" --address "$MASTER_ADDR")
    fi
    if [ -n "$port" ]; then place+=(--port "$port"); fi
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
    exec "$PYTHON" -I "$LAUNCH" "${place[@]}" "$TOOLS/$tool" "$@"
}

# read_slurm_numbers: GPUS (8), GPUS_PER_NODE (8, at most GPUS) and CPUS_PER_TASK (5) into SLURM_NUMBERS
read_slurm_numbers() {
    local gpus=${GPUS:-8} cpus=${CPUS_PER_TASK:-5} gpus_per_node
    require_number GPUS "$gpus" 1 65536 "a number of processes"
    gpus_per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
    require_number GPUS_PER_NODE "$gpus_per_node" 1 "$gpus" "a number of processes on each machine, at most GPUS"
    require_number CPUS_PER_TASK "$cpus" 1 4096 "a number of CPU cores for each process"
    SLURM_NUMBERS=(--gres="gpu:$gpus_per_node" --ntasks="$gpus" --ntasks-per-node="$gpus_per_node"
        --cpus-per-task="$cpus")
}

# run_under_slurm PARTITION JOB_NAME TOOL ARGUMENTS...: waits for it and shows what it prints
run_under_slurm() {
    local partition=$1 job=$2 tool=$3
    shift 3
    read_slurm_numbers
    if ! command -v srun >/dev/null; then
        echo "error: there is no srun here: start this on a machine of a Slurm cluster" >&2
        exit 2
    fi
    # SRUN_ARGS may contain several words, so it is not quoted.
    # shellcheck disable=SC2086
    exec srun --partition="$partition" --job-name="$job" "${SLURM_NUMBERS[@]}" --kill-on-bad-exit=1 \
        ${SRUN_ARGS:-} \
        "$PYTHON" "$TOOLS/$tool" "$@"
}

# train_under_slurm PARTITION JOB_NAME TOOL ARGUMENTS...: in a batch job, or at once
train_under_slurm() {
    read_slurm_numbers
    require_number SLURM_BATCH "${SLURM_BATCH:-1}" 0 1 "1 (queue a batch job) or 0 (run at once)"
    if [ "${SLURM_BATCH:-1}" -eq 0 ] || [ -n "${SLURM_JOB_ID:-}" ]; then
        run_under_slurm "$@"
    elif ! command -v sbatch >/dev/null; then
        echo "WARNING: there is no sbatch here, so the job runs under srun and is not queued again" >&2
        run_under_slurm "$@"
    else
        submit_to_slurm "$@"
    fi
}

# submit_to_slurm PARTITION JOB_NAME TOOL ARGUMENTS...: queues slurm_job.sh, to which NOTICE_SECONDS (120) count
submit_to_slurm() {
    local partition=$1 job=$2 tool=$3 notice=${NOTICE_SECONDS:-120}
    shift 3
    require_number NOTICE_SECONDS "$notice" 1 65535 "the seconds between signal and end of the job"
    read_slurm_numbers
    # shellcheck disable=SC2086
    exec sbatch --partition="$partition" --job-name="$job" "${SLURM_NUMBERS[@]}" \
        --signal="B:USR1@$notice" --requeue --open-mode=append \
        ${SRUN_ARGS:-} \
        "$TOOLS/slurm_job.sh" "$TOOLS" "$tool" "$@"
}
