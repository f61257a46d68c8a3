"""Lists the libraries that an encoder can be exported to, and what their models support."""

from dataclasses import dataclass

FORMATS = ('safetensors', 'pth')


@dataclass(frozen=True)
class Target:
    """One library's model, described by what its checkpoint files contain.

    Attributes:
        name: Value of ``--to``.
        model: The model's name in messages.
        load: How to load the file, with {path}.
        layout: Row of :data:`~mae_transfer.checkpoints.layouts.table.LAYOUTS` with the names
            of its files.
        decoder_layout: The same for files with MAE's decoder; '' = unsupported.
        needs_decoder: Whether a file without a decoder cannot be loaded.
        formats: File formats that it reads, the default first. '' is a folder of Hugging Face's
            library.
        container: Entry of a ``.pth`` file that holds the tensors.
        class_token: 'needed', 'optional' or 'dropped'.
        registers: Whether it supports register tokens.
        norms: Final norms that it supports, 'norm' or 'fc_norm'; '' = none, and any is dropped.
        layer_scale: Whether it has layer scale; otherwise the scale is folded.
        bias_free: Whether the encoder's attention may lack a bias; otherwise zeros are added.
        rel_pos: Whether it supports decomposed relative positions.
        squares: Whether grids and patches must be square.
        any_encoder: Whether it supports every PlainViT, unchanged.
    """

    name: str
    model: str
    load: str
    layout: str
    decoder_layout: str = ''
    needs_decoder: bool = False
    formats: tuple[str, ...] = ('pth',)
    container: str = 'model'
    class_token: str = 'needed'
    registers: bool = False
    norms: tuple[str, ...] = ('norm',)
    layer_scale: bool = False
    bias_free: bool = False
    rel_pos: bool = False
    squares: bool = True
    any_encoder: bool = False


TARGETS = {
    target.name: target
    for target in (
        Target(
            'mae_transfer',
            'PlainViT',
            load='tools/train.py CONFIG --pretrained {path}',
            layout='mae_transfer',
            decoder_layout='mae_transfer',
            formats=FORMATS,
            container='state_dict',
            any_encoder=True,
        ),
        Target(
            'fair-mae',
            "MAE's code",
            load="model.load_state_dict(torch.load({path!r})['model'])",
            layout='FAIR MAE encoder',
            decoder_layout='FAIR MAE full',
            norms=('norm', 'fc_norm'),  # fc_norm: fine-tuned, without decoder
        ),
        Target(
            'timm',
            "timm's VisionTransformer",
            load='timm.create_model(..., checkpoint_path={path!r})',
            layout='timm ViT',
            formats=FORMATS,
            container='state_dict',
            class_token='optional',
            registers=True,
            norms=('norm', 'fc_norm'),
            layer_scale=True,
            bias_free=True,
            squares=False,
        ),
        Target(
            'hf-vit',
            "transformers' ViTModel",
            load='ViTModel.from_pretrained({path!r}, add_pooling_layer=False)',
            layout='Hugging Face ViT',
            formats=('',),
            bias_free=True,
            squares=False,
        ),
        Target(
            'hf-vitmae',
            "transformers' ViTMAEForPreTraining",
            load='ViTMAEForPreTraining.from_pretrained({path!r})',
            layout='Hugging Face ViTMAE',
            decoder_layout='Hugging Face ViTMAE',
            needs_decoder=True,
            formats=('',),
        ),
        Target(
            'mmpretrain',
            "MMPretrain's VisionTransformer",
            load='mmengine.runner.load_checkpoint(model, {path!r}, strict=True)',
            layout='MMPretrain ViT',
            decoder_layout='MMPretrain MAE',
            container='state_dict',
            class_token='optional',
            norms=('norm', 'fc_norm'),
            layer_scale=True,
            bias_free=True,
            squares=False,
        ),
        Target(
            'detectron2',
            "Detectron2's ViT",
            load='train.init_checkpoint = {path!r}',
            layout='detectron2 ViTDet',
            class_token='dropped',
            norms=(),
            rel_pos=True,
        ),
    )
}


def find_target(name: str, file_format: str | None) -> tuple[Target, str]:
    """Look up a target and choose the format of its file.

    Raises:
        ValueError: The target is unknown or does not read files of this format.
    """
    if name not in TARGETS:
        raise ValueError(f'--to {name!r}: must be one of {", ".join(TARGETS)}')
    target = TARGETS[name]
    if file_format is None:
        return target, target.formats[0]
    if target.formats == ('',):
        raise ValueError(
            f'--format {file_format}: --to {name} writes a folder with config.json and '
            'model.safetensors; leave the option out'
        )
    if file_format not in target.formats:
        raise ValueError(
            f'--format {file_format}: {target.model} reads {" or ".join(target.formats)} only'
        )
    return target, file_format
