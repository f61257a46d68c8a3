"""Derives the arguments of a target library's model that loads an exported file strictly."""

from collections.abc import Callable

from mae_transfer.backbones.arch import ARCHS
from mae_transfer.checkpoints.export.targets import Target
from mae_transfer.checkpoints.layouts.parts import find_parts
from mae_transfer.checkpoints.steps import Tensors

NEEDED_BY_HUB = {
    'num_heads': 'num_heads=12',
    'norm_eps': 'norm_eps=1e-6',
    'decoder_num_heads': 'decoder_num_heads=16',
    'norm_pix': 'norm_pix=True',
}


def model_arguments(encoder: Tensors, decoder: Tensors, facts: dict, target: Target) -> dict:
    """Derive the arguments of the target's model for an encoder that was fitted to it.

    Args:
        encoder: Under PlainViT's names.
        decoder: Under the names of MAE's code; {} if there is none.
        facts: What is known about them.
        target: The library and model to build.

    Raises:
        ValueError: A fact that the model needs is unknown.
    """
    return BUILDERS[target.name](encoder, decoder, facts)


def arch_name(facts: dict) -> str | None:
    """The name of the published size with this width, depth and heads, such as 'base', or None."""
    for name, sizes in ARCHS.items():
        if all(facts.get(fact) == value for fact, value in sizes.items()):
            return name
    return None


def _side(pair: tuple[int, int]) -> int | list[int]:
    return pair[0] if pair[0] == pair[1] else list(pair)


def _plain_vit(encoder: Tensors, decoder: Tensors, facts: dict) -> dict:
    parts, name = find_parts(encoder), arch_name(facts) if facts['mlp_ratio'] == 4 else None
    sizes = _known(facts, embed_dims='embed_dims', num_layers='num_layers', num_heads='num_heads')
    return dict(
        arch=name or dict(sizes, mlp_ratio=facts['mlp_ratio']),
        patch_size=_side(facts['patch_size']),
        in_channels=facts['in_channels'],
        with_cls_token=parts.with_cls_token,
        num_register_tokens=parts.num_register_tokens,
        pos_embed='learned' if parts.pos_embed else None,
        qkv_bias=parts.qkv_bias,
        layer_scale_init=1.0 if parts.layer_scale else None,
        final_norm=parts.norm,
        out_type='avg' if parts.fc_norm else 'featmap',
        **_known(
            facts,
            img_size='img_size',
            pretrain_img_size='pretrain_img_size',
            norm_eps='norm_eps',
        ),
        rel_pos=parts.rel_pos,
    )


def _known(facts: dict, **names: str) -> dict:
    """Map the target's names to the values of our facts, omitting unknown ones."""
    return {theirs: facts[ours] for theirs, ours in names.items() if ours in facts}


def _mae(encoder: Tensors, decoder: Tensors, facts: dict) -> dict:
    arguments = dict(
        img_size=_side(facts['pretrain_img_size']),
        patch_size=_side(facts['patch_size']),
        in_chans=facts['in_channels'],
        embed_dim=facts['embed_dims'],
        depth=facts['num_layers'],
        mlp_ratio=facts['mlp_ratio'],
        **_known(facts, num_heads='num_heads'),
    )
    if find_parts(encoder).fc_norm:
        arguments['global_pool'] = True
    if decoder:
        arguments |= dict(
            decoder_embed_dim=decoder['mask_token'].shape[-1],
            decoder_depth=_depth(decoder, 'decoder_blocks'),
            **_known(facts, decoder_num_heads='decoder_num_heads', norm_pix_loss='norm_pix'),
        )
    return arguments


def _depth(tensors: Tensors, blocks: str) -> int:
    return sum(name.startswith(f'{blocks}.') and name.endswith('.norm1.bias') for name in tensors)


def _timm(encoder: Tensors, decoder: Tensors, facts: dict) -> dict:
    parts = find_parts(encoder)
    arguments = dict(
        model_name='vit_base_patch16_224',
        img_size=list(facts['pretrain_img_size']),
        patch_size=_side(facts['patch_size']),
        in_chans=facts['in_channels'],
        num_classes=0,
        embed_dim=facts['embed_dims'],
        depth=facts['num_layers'],
        mlp_ratio=facts['mlp_ratio'],
        qkv_bias=parts.qkv_bias,
        init_values=1.0 if parts.layer_scale else None,
        class_token=parts.with_cls_token,
        global_pool='token' if parts.with_cls_token and not parts.fc_norm else 'avg',
        fc_norm=parts.fc_norm,
        **_known(facts, num_heads='num_heads'),
    )
    if parts.num_register_tokens:
        arguments |= dict(reg_tokens=parts.num_register_tokens, no_embed_class=True)
    return arguments


def _mmpretrain(encoder: Tensors, decoder: Tensors, facts: dict) -> dict:
    parts = find_parts(encoder)
    arch = dict(
        embed_dims=facts['embed_dims'],
        num_layers=facts['num_layers'],
        feedforward_channels=len(encoder['blocks.0.mlp.fc1.weight']),
        **_known(facts, num_heads='num_heads'),
    )
    layers = dict(
        qkv_bias=parts.qkv_bias,
        layer_scale_init_value=1.0 if parts.layer_scale else 0.0,
    )
    norm = {'norm_cfg': dict(type='LN', eps=facts['norm_eps'])} if 'norm_eps' in facts else {}
    backbone = dict(
        type='MAEViT' if decoder else 'VisionTransformer',
        arch=arch,
        img_size=_side(facts['pretrain_img_size']),
        patch_size=_side(facts['patch_size']),
        patch_cfg=dict(in_channels=facts['in_channels']),
        layer_cfgs=layers,
        **norm,
    )
    if not decoder:
        with_class, pooled = parts.with_cls_token, parts.fc_norm
        backbone |= dict(
            with_cls_token=with_class,
            final_norm=not pooled,
            out_type='avg_featmap' if pooled else 'cls_token' if with_class else 'featmap',
        )
        return dict(backbone=backbone)
    neck = dict(
        type='MAEPretrainDecoder',
        num_patches=decoder['decoder_pos_embed'].shape[1] - 1,
        patch_size=facts['patch_size'][0],
        in_chans=facts['in_channels'],
        embed_dim=facts['embed_dims'],
        decoder_embed_dim=decoder['mask_token'].shape[-1],
        decoder_depth=_depth(decoder, 'decoder_blocks'),
        **_known(facts, decoder_num_heads='decoder_num_heads'),
        **norm,
    )
    head = dict(
        type='MAEPretrainHead',
        patch_size=facts['patch_size'][0],
        loss=dict(type='PixelReconstructionLoss', criterion='L2'),
        **_known(facts, norm_pix='norm_pix'),
    )
    return dict(type='MAE', backbone=backbone, neck=neck, head=head)


def _detectron2(encoder: Tensors, decoder: Tensors, facts: dict) -> dict:
    return dict(
        patch_size=_side(facts['patch_size']),
        in_chans=facts['in_channels'],
        embed_dim=facts['embed_dims'],
        depth=facts['num_layers'],
        mlp_ratio=facts['mlp_ratio'],
        qkv_bias=True,
        use_rel_pos=find_parts(encoder).rel_pos == 'decomposed',
        pretrain_img_size=facts['pretrain_img_size'][0],
        pretrain_use_cls_token=True,
        **_known(facts, num_heads='num_heads'),
    )


def _hub_vit(encoder: Tensors, decoder: Tensors, facts: dict) -> dict:
    names = ['num_heads', 'norm_eps']
    names += ['decoder_num_heads', 'norm_pix'] if decoder else []
    unknown = [NEEDED_BY_HUB[name] for name in names if facts.get(name) is None]
    if unknown:
        raise ValueError(
            'config.json needs facts that the file does not state: give them as --facts '
            f'{" ".join(unknown)}, with the values used in training'
        )
    return dict(
        hidden_size=facts['embed_dims'],
        num_hidden_layers=facts['num_layers'],
        num_attention_heads=facts['num_heads'],
        intermediate_size=len(encoder['blocks.0.mlp.fc1.weight']),
        hidden_act='gelu',
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=facts['norm_eps'],
        image_size=_side(facts['pretrain_img_size']),
        patch_size=_side(facts['patch_size']),
        num_channels=facts['in_channels'],
        qkv_bias=find_parts(encoder).qkv_bias,
    )


def _hub_vitmae(encoder: Tensors, decoder: Tensors, facts: dict) -> dict:
    arguments = _hub_vit(encoder, decoder, facts)
    width, heads = decoder['mask_token'].shape[-1], facts['decoder_num_heads']
    if heads < 1 or width % heads:
        raise ValueError(f'decoder_num_heads={heads} does not divide the width {width}')
    return arguments | dict(
        decoder_hidden_size=width,
        decoder_num_hidden_layers=_depth(decoder, 'decoder_blocks'),
        decoder_num_attention_heads=heads,
        decoder_intermediate_size=len(decoder['decoder_blocks.0.mlp.fc1.weight']),
        norm_pix_loss=facts['norm_pix'],
        **_known(facts, mask_ratio='mask_ratio'),
    )


def _hub_config(model_type: str, architecture: str) -> Callable[[dict], dict]:
    def config(arguments: dict) -> dict:
        """Content of config.json."""
        return dict(architectures=[architecture], model_type=model_type) | arguments

    return config


BUILDERS: dict[str, Callable[[Tensors, Tensors, dict], dict]] = {
    'mae_transfer': _plain_vit,
    'fair-mae': _mae,
    'timm': _timm,
    'mmpretrain': _mmpretrain,
    'detectron2': _detectron2,
    'hf-vit': _hub_vit,
    'hf-vitmae': _hub_vitmae,
}
HUB_CONFIGS = {
    'hf-vit': _hub_config('vit', 'ViTModel'),
    'hf-vitmae': _hub_config('vit_mae', 'ViTMAEForPreTraining'),
}
