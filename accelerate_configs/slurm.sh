#!/bin/bash
# Train on several machines under Slurm:  sbatch accelerate_configs/slurm.sh scripts/train_translator.py --output_dir runs/big
# The first argument is the script, the others are its own. A preempted job resumes from its last whole checkpoint.
#SBATCH --job-name=igpay
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gres=gpu:4
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail

refuse() {
  echo "error: $1" >&2
  exit 2
}

SCRIPT=${1-}
[[ -n $SCRIPT ]] || refuse "name a training script, such as scripts/train_translator.py, then its options"
[[ -f $SCRIPT ]] || refuse "there is no script $SCRIPT here; the first argument is a script, such as scripts/train_translator.py"
shift
OPTIONS=$(.venv/bin/python "$SCRIPT" --help)
[[ $OPTIONS != *--shard* ]] || refuse "$SCRIPT starts its runs itself: run it with python, --shard i/n and --launcher"
[[ $OPTIONS == *--resume_from_checkpoint* ]] || refuse "$SCRIPT cannot be resumed, so that a preempted job would be lost; run it with python"

GPUS_PER_NODE=4
# All of the list is read: whoever stops at its first line may end scontrol, and with pipefail this script, early.
MAIN_PROCESS_IP=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)
export MAIN_PROCESS_IP GPUS_PER_NODE SCRIPT

# SLURM_NODEID differs from machine to machine, so the inner shell, on each of them, expands it.
srun bash -c '
  exec .venv/bin/accelerate launch \
    --config_file accelerate_configs/multi_node.yaml \
    --num_machines "$SLURM_NNODES" \
    --num_processes "$((SLURM_NNODES * GPUS_PER_NODE))" \
    --machine_rank "$SLURM_NODEID" \
    --main_process_ip "$MAIN_PROCESS_IP" \
    "$SCRIPT" --resume_from_checkpoint "$@"
' bash "$@"
