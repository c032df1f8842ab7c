"""What a way of reusing a pretrained encoder is: all that a run must know of it is in its object.

Heavy libraries are imported inside the functions, so that scripts answer `--help` at once.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.errors import UserError

from .arguments import StrategyArguments
from .encoders import pooler_name


@dataclass(frozen=True)
class Strategy:
    """One way of reusing an encoder; subclasses train, save or tell something in a way of their own.

    Attributes:
        name: of the option `--strategy`; `PREFIX:<…>` stands for all names that begin with `PREFIX:`.
        help: one line for people.
        learning_rate: a rate to begin with.
        prepare: takes a classifier and `StrategyArguments`; returns it, or what wraps it, frozen and injected.
        head: the head unless `--head` says another.
        train_pooler: whether a pretrained pooler is trained unless `--train_pooler` says otherwise.
        sharing: which layers have which added weights in common; empty where nothing is added.
        also_trains: what else is trained besides the head and the added weights.
        is_random: it begins from random weights.
        mixes_layers: the head reads a learned mix of all layers, which only our classifier can.
        takes_adapters: it combines the trained `--adapters`.
        reaches_encoder: gradients do, whose memory could be saved.
        why_no_first_stage: why the encoder cannot learn another task first; empty where it can.
        why_no_push: why its runs cannot be published; empty where they can.
        example: of a name that `PREFIX:<…>` stands for.
    """

    name: str
    help: str
    learning_rate: float
    prepare: Callable
    head: str = "pooler"
    train_pooler: bool = True
    sharing: str = ""
    also_trains: str = ""
    is_random: bool = False
    mixes_layers: bool = False
    takes_adapters: bool = False
    reaches_encoder: bool = True
    why_no_first_stage: str = ""
    why_no_push: str = ""
    example: str = ""

    @property
    def prefix(self) -> str:
        """`PREFIX:` of a name `PREFIX:<…>`, else empty."""
        return self.name.partition("<")[0] if self.name.endswith(">") else ""

    def named(self, name: str) -> "Strategy":
        """The one of the strategies `PREFIX:<…>` that `name` says; UserError if there is none."""
        return replace(self, name=name)

    def check(self, arguments: StrategyArguments) -> None:
        """UserError for options that this strategy has no use for, or lacks."""
        given = arguments.adapters or []
        if given and not self.takes_adapters:
            raise UserError(f"adapters: fusions combine trained adapters, '{self.name}' none")
        if self.takes_adapters and len(given) < 2:
            raise UserError(
                f"adapters: {self.name} combines two or more trained adapters, got {len(given)}: "
                "give --adapters and their folders, such as those of runs with --strategy pfeiffer"
            )
        if self.why_no_push and getattr(arguments, "push_to_hub", None):
            raise UserError(f"push_to_hub: {self.why_no_push}")

    def with_head(self, arguments: StrategyArguments) -> StrategyArguments:
        """A copy of `arguments` with the strategy's head where they name none."""
        resolved = copy.copy(arguments)
        resolved.head = arguments.head or self.head
        return resolved

    def trains_pooler(self, model, asked: bool | None) -> bool:
        """Whether `model`'s pooler is trained, which one with random weights always is.

        Raises:
            UserError: it was asked for where there is no such pooler, or where it would freeze random weights.
        """
        name = pooler_name(model)
        if asked is None:
            return self.train_pooler or name is None
        if name is None and getattr(model, "has_new_pooler", False) and asked:
            return True
        if name is None:
            raise UserError(
                "train_pooler: this classifier has no pretrained pooler (it is BERT's and ALBERT's, and the heads "
                "pooler and two_layer have it, with --pooling cls): leave the option out"
            )
        return asked

    # ---- While the Trainer trains

    def parameter_groups(self, model, learning_rate: float, weight_decay: float) -> list[dict] | None:
        """The optimiser's parameter groups; None: the Trainer's."""
        return None

    def callbacks(self, model) -> list:
        """Callbacks for the Trainer."""
        return []

    def trainer_mixins(self) -> tuple[type, ...]:
        """Classes that stand before the Trainer's."""
        return ()

    def trainer_class(self, base: type) -> type:
        """`base`, a Trainer, able to train and save what the strategy makes."""
        mixins = self.trainer_mixins()
        return type(f"{type(self).__name__}{base.__name__}", (*mixins, base), {}) if mixins else base

    # ---- Afterwards

    def save(self, model, folder: str | Path, state_dict: dict | None = None) -> None:
        """Writes weights and config into `folder`: what transformers loads, or a PEFT adapter.

        Args:
            state_dict: all weights of a model that is sharded; None: the model has them.
        """
        model.save_pretrained(folder, state_dict=state_dict)
        if hasattr(model, "get_base_model"):
            # PEFT keeps neither how many classes there are nor their names.
            model.get_base_model().config.save_pretrained(folder)

    def facts(self, model) -> dict[str, object]:
        """Facts of the trained model for `results.json`, under the names of `RunFacts`."""
        return {}

    def report(self, facts: dict, folder: Path, title: str) -> list[str]:
        """Draws `facts` into the run's folder; returns the lines to print."""
        return []
