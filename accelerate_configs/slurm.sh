#!/bin/bash
# Train on several machines under Slurm:  sbatch accelerate_configs/slurm.sh --output_dir runs/big
# Arguments go to scripts/train_translator.py. A preempted job resumes from its last whole checkpoint.
#SBATCH --job-name=igpay
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gres=gpu:4
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail

GPUS_PER_NODE=4
MAIN_PROCESS_IP=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MAIN_PROCESS_IP GPUS_PER_NODE

# SLURM_NODEID differs from machine to machine, so the inner shell, on each of them, expands it.
srun bash -c '
  exec .venv/bin/accelerate launch \
    --config_file accelerate_configs/multi_node.yaml \
    --num_machines "$SLURM_NNODES" \
    --num_processes "$((SLURM_NNODES * GPUS_PER_NODE))" \
    --machine_rank "$SLURM_NODEID" \
    --main_process_ip "$MAIN_PROCESS_IP" \
    scripts/train_translator.py --resume_from_checkpoint "$@"
' bash "$@"
