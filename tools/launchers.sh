# Sourced by dist_{train,test}.sh and slurm_{train,test}.sh to start a tool in several processes.

TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VENV_PYTHON="$TOOLS/../.venv/bin/python"
if [ -z "${PYTHON:-}" ]; then
    if [ -x "$VENV_PYTHON" ]; then PYTHON=$VENV_PYTHON; else PYTHON=python; fi
fi

# run_on_all GPUS TOOL ARGUMENTS...
run_on_all() {
    local gpus=$1 tool=$2
    shift 2
    if ! [[ $gpus =~ ^[1-9][0-9]*$ ]]; then
        echo "error: GPUS must be a number of processes, got '$gpus'" >&2
        exit 2
    fi
    local nodes=${NNODES:-1} port=${PORT:-${MASTER_PORT:-}} rendezvous
    if [ "$nodes" -gt 1 ]; then
        if [ -z "${NODE_RANK:-}" ] || [ -z "${MASTER_ADDR:-}" ] || [ -z "$port" ]; then
            echo "error: NNODES=$nodes needs NODE_RANK (0 on the first machine), MASTER_ADDR (the first" \
                "machine's address) and PORT (a free port there)" >&2
            exit 2
        fi
        rendezvous=(--node-rank "$NODE_RANK" --master-addr "$MASTER_ADDR" --master-port "$port")
    else
        rendezvous=(--rdzv-backend c10d --rdzv-endpoint "localhost:${port:-0}" --local-addr localhost)
    fi
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
    exec "$PYTHON" -m torch.distributed.run --nnodes "$nodes" --nproc-per-node "$gpus" "${rendezvous[@]}" \
        "$TOOLS/$tool" "$@"
}

# run_under_slurm PARTITION JOB_NAME TOOL ARGUMENTS...
# GPUS (8), GPUS_PER_NODE (8, at most GPUS), CPUS_PER_TASK (5) and SRUN_ARGS come from the environment.
run_under_slurm() {
    local partition=$1 job=$2 tool=$3 gpus=${GPUS:-8}
    local gpus_per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
    shift 3
    # SRUN_ARGS may contain several words, so it is not quoted.
    # shellcheck disable=SC2086
    exec srun --partition="$partition" --job-name="$job" --gres="gpu:$gpus_per_node" --ntasks="$gpus" \
        --ntasks-per-node="$gpus_per_node" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
        ${SRUN_ARGS:-} \
        "$PYTHON" "$TOOLS/$tool" "$@"
}
