"""Fits a source to a target and gives its tensors the target's names."""

from dataclasses import dataclass

from mae_transfer.checkpoints.export.fit import check_finite, fit_decoder_to_target, fit_to_target
from mae_transfer.checkpoints.export.targets import Target
from mae_transfer.checkpoints.layouts.parts import find_parts
from mae_transfer.checkpoints.layouts.table import layout_named
from mae_transfer.checkpoints.layouts.translate import classifier_names, name_decoder, name_encoder
from mae_transfer.checkpoints.source import Source
from mae_transfer.checkpoints.steps import Step, Tensors


@dataclass(frozen=True)
class Named:
    """A source fitted to a target.

    Attributes:
        encoder: The encoder under PlainViT's names.
        decoder: MAE's decoder under the names of its code; {} if there is none.
        classifier: What follows the encoder of a classifier of MAE's or CAE's code: name in our
            classifiers -> name in the file.
        tensors: All of them under the target's names.
        facts: The known facts.
        steps: What was folded, added, dropped or renamed.
        left_out: Group -> names of the file's tensors that are not among ``tensors``.
    """

    encoder: Tensors
    decoder: Tensors
    classifier: dict[str, str]
    tensors: Tensors
    facts: dict
    steps: list[Step]
    left_out: dict[str, list[str]]


def fit_and_name(source: Source, target: Target, with_decoder: bool) -> Named:
    """Fit a source to a target and name its tensors.

    Args:
        source: What was read.
        target: The library and model to fit.
        with_decoder: Whether to include MAE's decoder if there is one and the target supports it.

    Raises:
        ValueError: The target has no place for a part, or needs one that is missing; or numbers are
            not finite.
    """
    check_finite(source.tensors | source.decoder)
    encoder, steps = fit_to_target(source.tensors, source.facts, target)
    decoder: Tensors = {}
    if source.decoder and with_decoder and target.decoder_layout:
        decoder, more = fit_decoder_to_target(source.decoder, encoder, target)
        steps = [*steps, *more]
    elif source.decoder:
        reason = f'{target.model} has none' if with_decoder else 'as --no-decoder says'
        steps = [*steps, Step(f'decoder: {len(source.decoder)} tensors dropped, {reason}')]
    if target.needs_decoder and not decoder:
        raise ValueError(f'it has no decoder of MAE, which {target.model} needs; use --to hf-vit')
    layout = layout_named(target.decoder_layout if decoder else target.layout)
    tensors = name_encoder(layout, encoder) | (name_decoder(layout, decoder) if decoder else {})
    classifier = classifier_names(source.found) if target.any_encoder else {}
    if classifier:
        further = {ours: source.file.tensors[theirs] for ours, theirs in classifier.items()}
        check_finite({n: t for n, t in further.items() if not n.endswith('num_batches_tracked')})
        tensors |= further
        words = f'classifier: {len(further)} tensors after the encoder, as neck and head'
        steps = [*steps, Step(words, {ours: [theirs] for ours, theirs in classifier.items()})]
    facts = dict(source.facts, layer_scale=find_parts(encoder).layer_scale)
    left_out = {
        group: rest
        for group, names in source.others.items()
        if (rest := [name for name in names if name not in classifier.values()])
    }
    return Named(encoder, decoder, classifier, tensors, facts, steps, left_out)
