"""Checkpoint files as their sources write them, with small random encoders in them."""

from argparse import Namespace

import torch
from torch import Tensor

from mae_transfer.backbones.plain_vit import PlainViT

ARCH = dict(embed_dims=32, num_layers=2, num_heads=4)


def make_vit(seed: int = 0, **kwargs) -> PlainViT:
    """A PlainViT of 2 blocks and 4x4 patches of 8 pixels; no tensor keeps a regular start."""
    torch.manual_seed(seed)
    vit = PlainViT(**(dict(arch=ARCH, img_size=32, patch_size=8) | kwargs))
    for name, parameter in vit.named_parameters():
        if not name.endswith(('gamma', 'rel_pos_h', 'rel_pos_w')):
            torch.nn.init.normal_(parameter, std=0.3)
    return vit.eval()


def fair_encoder(tensors: dict[str, Tensor]) -> dict:
    """``mae_pretrain_vit_*.pth``: the encoder only."""
    return {'model': dict(tensors)}


def fair_full(tensors: dict[str, Tensor], decoder_dims: int = 16, depth: int = 1) -> dict:
    """A checkpoint of MAE's pre-training script: with decoder, optimizer and arguments."""
    dims, length = tensors['pos_embed'].shape[2], tensors['pos_embed'].shape[1]
    shapes = {
        'mask_token': (1, 1, decoder_dims),
        'decoder_embed.weight': (decoder_dims, dims),
        'decoder_embed.bias': (decoder_dims,),
        'decoder_pos_embed': (1, length, decoder_dims),
        'decoder_norm.weight': (decoder_dims,),
        'decoder_norm.bias': (decoder_dims,),
        'decoder_pred.weight': (192, decoder_dims),
        'decoder_pred.bias': (192,),
    }
    for i in range(depth):
        for part, (rows, columns) in {
            'attn.qkv': (3 * decoder_dims, decoder_dims),
            'attn.proj': (decoder_dims, decoder_dims),
            'mlp.fc1': (4 * decoder_dims, decoder_dims),
            'mlp.fc2': (decoder_dims, 4 * decoder_dims),
        }.items():
            shapes[f'decoder_blocks.{i}.{part}.weight'] = (rows, columns)
            shapes[f'decoder_blocks.{i}.{part}.bias'] = (rows,)
        for norm in ('norm1', 'norm2'):
            shapes[f'decoder_blocks.{i}.{norm}.weight'] = (decoder_dims,)
            shapes[f'decoder_blocks.{i}.{norm}.bias'] = (decoder_dims,)
    decoder = {name: torch.randn(shape) for name, shape in shapes.items()}
    return {
        'model': dict(tensors) | decoder,
        'optimizer': {'state': {0: {'step': 3, 'exp_avg': torch.zeros(2)}}, 'param_groups': []},
        'epoch': 399,
        'scaler': {'scale': 65536.0},
        'args': Namespace(model='mae_vit_base_patch16', mask_ratio=0.75, norm_pix_loss=True),
    }


def fair_fine_tuned(tensors: dict[str, Tensor], classes: int = 10) -> dict:
    """A checkpoint of MAE's fine-tuning script: ``fc_norm`` and ``head`` instead of ``norm``."""
    tensors = {name: t for name, t in tensors.items() if not name.startswith('norm.')}
    dims = tensors['cls_token'].shape[2]
    tensors |= {'fc_norm.weight': torch.randn(dims), 'fc_norm.bias': torch.randn(dims)}
    tensors |= {'head.weight': torch.randn(classes, dims), 'head.bias': torch.randn(classes)}
    return {'model': tensors, 'args': Namespace(global_pool=True)}


def own_checkpoint(tensors: dict[str, Tensor], metadata: dict | None = None) -> dict:
    """A checkpoint of MMEngine's runner, with the encoder as ``backbone`` and two other parts."""
    named = {f'backbone.{name}': tensor for name, tensor in tensors.items()}
    named |= {'neck.mask_token': torch.randn(1, 1, 16), 'head.fc.weight': torch.randn(3, 32)}
    meta = {'epoch': 1, 'iter': 2} | ({} if metadata is None else {'mae_transfer': metadata})
    return {'meta': meta, 'state_dict': named, 'optimizer': {'state': {}}}
