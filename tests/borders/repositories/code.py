"""Repositories that bring code, or name some, and would have it run."""

from pathlib import Path

from .case import code, each, edit, hostile

MODELS = ("translator", "classifier", "encoder")


@each({"alone": "", "with requirements": "nothing-of-this-name"}, "translator", "decoder", may_load=True)
def custom_generate_folder(folder: Path, requirements: str) -> None:
    code(folder / "custom_generate" / "generate.py", "\n\ndef generate(model, **inputs):\n    return None\n")
    (folder / "custom_generate" / "requirements.txt").write_text(requirements)


@each({"here": ".", "there": "owner/generates"}, "translator", may_load=True)
def custom_generate_in_generation_config(folder: Path, place: str) -> None:
    code(folder / "custom_generate" / "generate.py", "\n\ndef generate(model, **inputs):\n    return None\n")
    edit(folder / "generation_config.json", custom_generate=place)


@hostile("classifier", "encoder")
def auto_map(folder: Path) -> None:
    code(folder / "evil.py")
    edit(folder / "config.json", auto_map={"AutoConfig": "evil.C", "AutoModelForSequenceClassification": "evil.M"})


@hostile("classifier", "encoder")
def auto_map_of_an_unknown_model_type(folder: Path) -> None:
    code(folder / "evil.py")
    edit(folder / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.C", "AutoModel": "evil.M"})


@hostile("classifier", "encoder")
def auto_map_of_another_repository(folder: Path) -> None:
    edit(folder / "config.json", auto_map={"AutoConfig": "owner/evil--evil.C"})


@hostile("translator", may_load=True, targets=["translate"])
def our_architecture_with_other_code(folder: Path) -> None:
    """igpay's own architecture is registered: the copy in the folder is not run."""
    for path in folder.glob("*.py"):
        code(path)


@hostile("ours", may_load=True, targets=["classify"])
def our_classifier_with_other_code(folder: Path) -> None:
    for path in folder.glob("*.py"):
        code(path)


@hostile("ours")
def auto_map_inside_the_encoders_config(folder: Path) -> None:
    code(folder / "evil.py")
    edit(folder / "config.json", inside="encoder_config", auto_map={"AutoConfig": "evil.C", "AutoModel": "evil.M"})


@hostile("translator", targets=["translate"])
def auto_map_deep_inside_a_translators_config(folder: Path) -> None:
    code(folder / "evil.py")
    edit(folder / "config.json", text_config={"model_type": "evil", "auto_map": {"AutoConfig": "evil.C"}})


@each({"list": ["evil.T", None], "names": "evil.T"}, *MODELS, may_load=True)
def auto_map_in_the_tokenizers_config(folder: Path, entry) -> None:
    code(folder / "evil.py")
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": entry})


@hostile("classifier", may_load=True)
def auto_map_of_the_tokenizer_in_the_models_config(folder: Path) -> None:
    code(folder / "evil.py")
    edit(folder / "tokenizer_config.json", tokenizer_class="EvilTokenizer")
    edit(folder / "config.json", auto_map={"AutoTokenizer": ["evil.T", None]})


@each({"processor": "processor_config.json", "preprocessor": "preprocessor_config.json"}, "classifier", may_load=True)
def auto_map_in_the_processors_config(folder: Path, name: str) -> None:
    code(folder / "evil.py")
    edit(folder / name, auto_map={"AutoProcessor": "evil.P", "AutoFeatureExtractor": "evil.F"})


@hostile("translator", may_load=True)
def auto_map_in_the_generation_config(folder: Path) -> None:
    code(folder / "evil.py")
    edit(folder / "generation_config.json", auto_map={"AutoModelForSeq2SeqLM": "evil.M"}, trust_remote_code=True)


KERNELS = {
    "underscore": {"_attn_implementation": "owner/kernel"},
    "plain": {"attn_implementation": "owner/kernel"},
    "internal": {"_attn_implementation_internal": "owner/kernel"},
    "with a function": {"_attn_implementation": "owner/kernel@main:attend"},
    "behind a bar": {"_attn_implementation": "paged|owner/kernel"},
    "table": {"_attn_implementation": {"": "owner/kernel"}},
    "experts": {"_experts_implementation": "owner/kernel", "experts_implementation": "owner/kernel"},
}


@each(KERNELS, *MODELS, may_load={"experts"})
def kernel(folder: Path, fields: dict) -> None:
    edit(folder / "config.json", **fields)


@each({name: KERNELS[name] for name in ("underscore", "internal", "plain")}, "ours")
def kernel_inside_the_encoders_config(folder: Path, fields: dict) -> None:
    edit(folder / "config.json", inside="encoder_config", **fields)


@each({name: KERNELS[name] for name in ("underscore", "internal", "plain")}, "lora")
def kernel_beside_an_adapter(folder: Path, fields: dict) -> None:
    edit(folder / "config.json", **fields)


@each({name: KERNELS[name] for name in ("underscore", "internal")}, "lora", "bottleneck")
def kernel_of_the_adapters_base(folder: Path, fields: dict) -> None:
    base = base_of_its_own(folder)
    edit(base / "config.json", **fields)


@hostile("classifier", may_load=True)
def kernels_asked_for(folder: Path) -> None:
    edit(folder / "config.json", use_kernels=True, kernel_config={"RMSNorm": "owner/kernel:Norm"})


@each({"top": "", "inside": "text_config"}, *MODELS)
def trust_of_its_own(folder: Path, place: str) -> None:
    code(folder / "evil.py")
    edit(folder / "config.json", inside=place, trust_remote_code=True)


@hostile("bottleneck", targets=["ablate_adapters"])
def trust_in_a_runs_config(folder: Path) -> None:
    """The run says that its base may run code, which is no one's to say but the user's."""
    base = base_of_its_own(folder)
    code(base / "evil.py")
    edit(base / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.C", "AutoModel": "evil.M"})
    with (folder / "config.yaml").open("a") as file:
        file.write("trust_remote_code: true\n")


QUANTIZERS = (
    "bitsandbytes gptq awq aqlm quanto eetq higgs hqq compressed-tensors fbgemm_fp8 torchao bitnet vptq spqr fp8 "
    "auto-round mxfp4 evil"
).split()


@each({name: {"quant_method": name, "bits": 4, "load_in_4bit": True} for name in QUANTIZERS}, "classifier")
def quantization(folder: Path, fields: dict) -> None:
    edit(folder / "config.json", quantization_config=fields)


@each({"list": [1], "text": "bitsandbytes", "nameless": {"bits": 4}, "evil": {"quant_method": "evil"}}, "encoder")
def quantization_of_an_encoder(folder: Path, value) -> None:
    edit(folder / "config.json", quantization_config=value)


@hostile("translator")
def quantization_of_a_translator(folder: Path) -> None:
    edit(folder / "config.json", quantization_config={"quant_method": "torchao", "quant_type": "int8"})


@hostile("classifier", may_load=True)
def custom_pipeline(folder: Path) -> None:
    code(folder / "evil.py")
    edit(folder / "config.json", custom_pipelines={"text-classification": {"impl": "evil.P", "pt": ["M"]}})


@hostile("translator", "classifier", "encoder", "lora", may_load=True)
def modules_named_like_libraries(folder: Path) -> None:
    for name in ("torch", "transformers", "sitecustomize", "conftest", "modeling_bert", "setup"):
        code(folder / f"{name}.py")


def base_of_its_own(folder: Path) -> Path:
    """A base model inside the adapter's repository, which the adapter names."""
    import shutil

    base = folder.parent / "base"
    shutil.copytree(folder.parents[1] / "encoder", base)
    edit(folder / "adapter_config.json", base_model_name_or_path=str(base))
    return base
