"""Which fields of transformers.TrainingArguments a user may set beside our own options, in which ranges, and why not
the others. One list for both lines of transformers; a field that the installed one lacks is refused when it is made.
"""

from workbench.values import Value

YES_OR_NO = Value(bool)
EVERY = Value(float, above=0, maximum=10**9)
LEVELS = Value(choices=("debug", "info", "warning", "error", "critical", "passive"))
OPTIONAL_COUNT = Value(int, is_optional=True, minimum=1, maximum=10**9)

TAKEN = {
    # The optimiser
    "optim": Value(),
    "optim_args": Value(is_optional=True),
    "adam_beta1": Value(float, minimum=0, below=1),
    "adam_epsilon": Value(float, above=0, maximum=1),
    "lr_scheduler_kwargs": Value(dict, is_optional=True),
    "warmup_ratio": Value(float, minimum=0, maximum=1),
    "gradient_accumulation_steps": Value(int, minimum=1, maximum=10**6),
    "gradient_checkpointing_kwargs": Value(dict, is_optional=True),
    "fp16": YES_OR_NO,
    "tf32": Value(bool, is_optional=True),
    "torch_compile": YES_OR_NO,
    "torch_compile_backend": Value(choices=("inductor", "eager", "aot_eager", "cudagraphs"), is_optional=True),
    "torch_compile_mode": Value(
        choices=("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"), is_optional=True
    ),
    "torch_empty_cache_steps": OPTIONAL_COUNT,
    "full_determinism": YES_OR_NO,
    # Evaluation and checkpoints
    "eval_strategy": Value(choices=("no", "epoch", "steps")),
    "eval_steps": EVERY,
    "eval_delay": Value(float, minimum=0, maximum=10**9),
    "eval_on_start": YES_OR_NO,
    "eval_accumulation_steps": OPTIONAL_COUNT,
    "save_strategy": Value(choices=("no", "epoch", "steps")),
    "save_steps": EVERY,
    "save_total_limit": OPTIONAL_COUNT,
    "save_on_each_node": YES_OR_NO,
    "load_best_model_at_end": YES_OR_NO,
    "ignore_data_skip": YES_OR_NO,
    # What is told while it trains
    "logging_strategy": Value(choices=("no", "epoch", "steps")),
    "logging_steps": EVERY,
    "logging_first_step": YES_OR_NO,
    "logging_nan_inf_filter": YES_OR_NO,
    "logging_dir": Value(is_optional=True, output="folder"),
    "log_level": LEVELS,
    "log_level_replica": LEVELS,
    "log_on_each_node": YES_OR_NO,
    "disable_tqdm": Value(bool, is_optional=True),
    "run_name": Value(is_optional=True),
    # Processes and devices
    "use_cpu": YES_OR_NO,
    "dataloader_num_workers": Value(int, minimum=0, maximum=64),
    "dataloader_prefetch_factor": Value(int, is_optional=True, minimum=1, maximum=1_000),
    "dataloader_persistent_workers": YES_OR_NO,
    "dataloader_pin_memory": YES_OR_NO,
    "ddp_backend": Value(choices=("nccl", "gloo", "mpi"), is_optional=True),
    "ddp_bucket_cap_mb": Value(int, is_optional=True, minimum=1, maximum=10_000),
    "ddp_broadcast_buffers": Value(bool, is_optional=True),
    "ddp_find_unused_parameters": Value(bool, is_optional=True),
    "ddp_static_graph": Value(bool, is_optional=True),
    "ddp_timeout": Value(int, minimum=1, maximum=10**7),
}

# Reason -> the fields that are refused for it.
REFUSED = {
    "a run is published whole, by --push_to_hub of the scripts that have it, or by scripts/publish.py": (
        "push_to_hub push_to_hub_model_id push_to_hub_organization push_to_hub_token hub_model_id hub_strategy "
        "hub_token hub_private_repo hub_always_push hub_revision"
    ),
    "give train_batch_size and eval_batch_size, which hold for all processes together": (
        "per_device_train_batch_size per_device_eval_batch_size per_gpu_train_batch_size per_gpu_eval_batch_size "
        "auto_find_batch_size"
    ),
    "it is said to the launcher: accelerate launch --config_file accelerate_configs/fsdp.yaml, or another file there": (
        "fsdp fsdp_min_num_params fsdp_config fsdp_transformer_layer_cls_to_wrap deepspeed parallelism_config "
        "accelerator_config local_rank tpu_num_cores tpu_metrics_debug mp_parameters use_mps_device"
    ),
    "the script sets it": (
        "output_dir overwrite_output_dir resume_from_checkpoint seed report_to num_train_epochs max_steps "
        "learning_rate lr_scheduler_type warmup_steps weight_decay adam_beta2 max_grad_norm bf16 "
        "gradient_checkpointing do_train do_eval do_predict metric_for_best_model greater_is_better "
        "label_names remove_unused_columns include_for_metrics include_inputs_for_metrics "
        "average_tokens_across_devices use_cache"
    ),
    "all validation examples are scored, after every evaluation, at once": (
        "prediction_loss_only eval_do_concat_batches batch_eval_metrics eval_use_gather_object "
        "use_legacy_prediction_loop past_index jit_mode_eval bf16_full_eval fp16_full_eval dataloader_drop_last "
        "skip_memory_metrics"
    ),
    "the data's order is by --seed, in batches of like length": (
        "data_seed group_by_length length_column_name train_sampling_strategy dataloader_in_order "
        "dataloader_multiprocessing_context"
    ),
    "checkpoints are whole, safe to load, and good to go on from": (
        "save_safetensors save_only_model restore_callback_states_from_checkpoint enable_jit_checkpoint"
    ),
    "the models here have no use for it": (
        "label_smoothing_factor neftune_noise_alpha use_liger_kernel liger_kernel_config optim_target_modules "
        "include_tokens_per_second include_num_input_tokens_seen debug ray_scope project trackio_space_id "
        "trackio_bucket_id trackio_static_space_id"
    ),
    "another option says the same: use_cpu, optim, fp16, torch_compile_backend or gradient_checkpointing": (
        "no_cuda adafactor fp16_opt_level fp16_backend half_precision_backend torchdynamo activation_checkpointing "
        "activation_checkpointing_kwargs"
    ),
}

# What `parse_arguments` takes beside a script's own options.
TRAINER_OPTIONS: dict[str, Value | str] = {
    **{name: reason for reason, names in REFUSED.items() for name in names.split()},
    **TAKEN,
}
