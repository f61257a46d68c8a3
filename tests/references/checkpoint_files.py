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


# ---- names spelt out, one block after the other, as the sources' own code gives them ---------


def cae_pretraining(tensors: dict[str, Tensor]) -> dict:
    """Atten4Vis/CAE: the encoder, its copy for the alignment, regressor and decoder."""
    encoder = beit_names(tensors)
    dims = tensors['cls_token'].shape[2]
    return {
        'model': {f'encoder.{name}': t for name, t in encoder.items()}
        | {f'alignment_encoder.{name}': t + 1 for name, t in encoder.items()}
        | {
            'mask_token': torch.randn(1, 1, dims),
            'rd_pos_embed': torch.randn(1, 17, dims),
            'regresser.regressor_blocks.0.norm1_q.weight': torch.ones(dims),
            'regresser.norm.weight': torch.ones(dims),
            'decoder.decoder_blocks.0.norm1.weight': torch.ones(dims),
            'decoder.norm.weight': torch.ones(dims),
            'decoder.head.weight': torch.ones(8, dims),
        },
        'args': Namespace(model='cae_base_patch16_224_8k_vocab', decoder_num_heads=12),
    }


def cae_attentive(tensors: dict[str, Tensor], table: Tensor | None, classes: int = 5) -> dict:
    """Atten4Vis/CAE, tools/run_attentive.py, as cae_base_800e.sh calls it.

    Args:
        tensors: The frozen encoder.
        table: Relative positions of each block. The script does not disable them, so the encoder
            has new ones, of zeros; None = disabled.
        classes: Of the linear layer.
    """
    dims = tensors['cls_token'].shape[2]
    model = beit_names(tensors)
    for name in [name for name in model if name.endswith('.attn.q_bias')]:
        block = name.removesuffix('q_bias')
        if table is not None:
            model[f'{block}relative_position_bias_table'] = table
            model[f'{block}relative_position_index'] = torch.zeros(17, 17).long()
    probe = 'attentive_blocks.0.'
    model['query_token'] = torch.randn(1, 1, dims)
    for norm in ('norm1_q', 'norm1_k', 'norm1_v', 'norm2_cross'):  # the last: unused
        model[f'{probe}{norm}.weight'] = torch.randn(dims)
        model[f'{probe}{norm}.bias'] = torch.randn(dims)
    model[f'{probe}cross_attn.q_bias'] = torch.randn(dims)
    model[f'{probe}cross_attn.v_bias'] = torch.randn(dims)
    for linear in ('q', 'k', 'v', 'proj'):
        model[f'{probe}cross_attn.{linear}.weight'] = 0.3 * torch.randn(dims, dims)
    model[f'{probe}cross_attn.proj.bias'] = torch.randn(dims)
    model |= batch_norm('fc_norm.', dims)
    model |= {'head.weight': torch.randn(classes, dims), 'head.bias': torch.randn(classes)}
    args = Namespace(model='cae_base_patch16_224', linear_type='attentive')
    return {'model': model, 'optimizer': {'state': {}}, 'epoch': 89, 'scaler': {}, 'args': args}


def batch_norm(prefix: str, dims: int) -> dict[str, Tensor]:
    """Statistics of a batch norm without weights."""
    return {
        f'{prefix}running_mean': torch.randn(dims),
        f'{prefix}running_var': torch.rand(dims) + 0.5,
        f'{prefix}num_batches_tracked': torch.tensor(14040),
    }


def linear_probed(tensors: dict[str, Tensor], classes: int = 5) -> dict:
    """MAE's main_linprobe.py and CAE's run_linear.py: the head is a batch norm and a layer."""
    dims = tensors['cls_token'].shape[2]
    head = {'head.1.weight': torch.randn(classes, dims), 'head.1.bias': torch.randn(classes)}
    return {'model': beit_names(tensors) | batch_norm('head.0.', dims) | head}


def cae_fine_tuned(tensors: dict[str, Tensor], classes: int = 5) -> dict:
    """Atten4Vis/CAE, tools/run_class_finetuning.py: tables, ``fc_norm`` and a head."""
    dims = tensors['cls_token'].shape[2]
    head = {'head.weight': torch.randn(classes, dims), 'head.bias': torch.randn(classes)}
    return {'model': beit_names(tensors) | head}


def beit_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names of microsoft/unilm's BEiT and of CAE, which comes from it: gamma_1 and gamma_2."""
    return {
        name.replace('ls1.gamma', 'gamma_1').replace('ls2.gamma', 'gamma_2'): t
        for name, t in tensors.items()
    }


def beit_pretraining(tensors: dict[str, Tensor], table: Tensor, side: int) -> dict:
    """microsoft/unilm, ``*_pt22k.pth``: one table of relative position for all blocks."""
    dims = tensors['cls_token'].shape[2]
    return {
        'model': beit_names(tensors)
        | {
            'mask_token': torch.randn(1, 1, dims),
            'rel_pos_bias.relative_position_bias_table': table,
            'rel_pos_bias.relative_position_index': torch.zeros(side**2 + 1, side**2 + 1).long(),
            'lm_head.weight': torch.randn(20, dims),
            'lm_head.bias': torch.randn(20),
        }
    }


def beit_fine_tuned(tensors: dict[str, Tensor]) -> dict:
    """microsoft/unilm, ``*_ft22kto1k.pth``: tables in the blocks, ``fc_norm`` and a head."""
    dims = tensors['cls_token'].shape[2]
    model = beit_names(tensors) | {'head.weight': torch.randn(5, dims), 'head.bias': torch.ones(5)}
    for name in [name for name in model if name.endswith('relative_position_bias_table')]:
        model[name.replace('bias_table', 'index')] = torch.zeros(5, 5).long()
    return {'model': model}


def moco_v3(tensors: dict[str, Tensor]) -> dict:
    """facebookresearch/moco-v3: two encoders with projection heads, and DDP's prefix."""
    dims = tensors['cls_token'].shape[2]
    state = {'module.predictor.0.weight': torch.randn(8, 8)}
    for part, shift in (('base_encoder', 0), ('momentum_encoder', 1)):
        state |= {f'module.{part}.{name}': t + shift for name, t in tensors.items()}
        state |= {
            f'module.{part}.head.0.weight': torch.randn(8, dims),
            f'module.{part}.head.1.running_mean': torch.zeros(8),
            f'module.{part}.head.1.num_batches_tracked': torch.tensor(7),
        }
    return {'epoch': 300, 'arch': 'vit_base', 'state_dict': state, 'optimizer': {}, 'scaler': {}}


def dino_training(tensors: dict[str, Tensor]) -> dict:
    """facebookresearch/dino, ``*_full_checkpoint.pth``: student with DDP's prefix, and teacher."""
    dims = tensors['cls_token'].shape[2]
    teacher = {f'backbone.{name}': t for name, t in tensors.items()}
    teacher['head.mlp.0.weight'] = torch.randn(8, dims)
    student = {f'module.{name}': t + 1 for name, t in teacher.items()}
    return {
        'student': student,
        'teacher': teacher,
        'optimizer': {'state': {}},
        'epoch': 100,
        'args': Namespace(arch='vit_base', patch_size=16),
        'dino_loss': {'center': torch.zeros(1, 8)},
    }


def dinov2(tensors: dict[str, Tensor]) -> dict:
    """facebookresearch/dinov2, ``*_reg4_pretrain.pth``: flat, with a mask token."""
    dims = tensors['cls_token'].shape[2]
    names = {name.replace('reg_token', 'register_tokens'): t for name, t in tensors.items()}
    return names | {'mask_token': torch.zeros(1, dims)}


def dinov2_training(tensors: dict[str, Tensor]) -> dict:
    """facebookresearch/dinov2, ``teacher_checkpoint.pth``: blocks in chunks, as FSDP has them."""
    chunked = {
        name.replace('blocks.', 'blocks.0.' if 'blocks.0.' in name else 'blocks.1.'): t
        for name, t in dinov2(tensors).items()
    }
    teacher = {f'backbone.{name}': t for name, t in chunked.items()}
    return {'teacher': teacher | {'dino_head.mlp.0.weight': torch.ones(2, 2)}}


def detectron2_vitdet(tensors: dict[str, Tensor]) -> dict:
    """detectron2's ViTDet: the encoder under ``backbone.net``, pyramid and heads beside it."""
    return {
        'model': {f'backbone.net.{name}': t for name, t in tensors.items()}
        | {
            'backbone.simfp_2.0.weight': torch.randn(4, 4, 2, 2),
            'proposal_generator.rpn_head.conv.weight': torch.randn(4, 4, 3, 3),
            'roi_heads.box_predictor.cls_score.weight': torch.randn(3, 4),
        },
        '__author__': 'someone',
        'matching_heuristics': True,
    }


def mmdet_vitdet(tensors: dict[str, Tensor]) -> dict:
    """MMDetection's projects/ViTDet: the same encoder under ``backbone``."""
    state = {f'backbone.{name}': t for name, t in tensors.items()}
    state |= {'neck.lateral_convs.0.conv.weight': torch.randn(4, 4, 1, 1)}
    state |= {'roi_head.bbox_head.fc_cls.weight': torch.randn(3, 4)}
    return {'meta': {'epoch': 1}, 'state_dict': state}


def openmmlab_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names of MMSelfSup's and MMPretrain's VisionTransformer."""
    pairs = {
        'patch_embed.proj.': 'patch_embed.projection.',
        'mlp.fc1.': 'ffn.layers.0.0.',
        'mlp.fc2.': 'ffn.layers.1.',
        'norm1.': 'ln1.',
        'norm2.': 'ln2.',
        'blocks.': 'layers.',
    }
    named = {}
    for name, tensor in tensors.items():
        if name.startswith('norm.'):
            name = name.replace('norm.', 'ln1.')
        for ours, theirs in pairs.items():
            name = name.replace(ours, theirs)
        named[name] = tensor
    return named


def mmselfsup_mae(tensors: dict[str, Tensor]) -> dict:
    """MMSelfSup's MAE: encoder and decoder of one run."""
    state = {f'backbone.{name}': t for name, t in openmmlab_names(tensors).items()}
    state |= {
        'neck.mask_token': torch.zeros(1, 1, 16),
        'neck.decoder_blocks.0.ln1.weight': torch.ones(16),
        'neck.ln1.weight': torch.ones(16),
    }
    return {'meta': {'mmselfsup_version': '1.0.0'}, 'state_dict': state}


def mmselfsup_extracted(tensors: dict[str, Tensor]) -> dict:
    """MMSelfSup's tools/model_converters/extract_backbone_weights.py: no prefix."""
    return {'state_dict': openmmlab_names(tensors), 'author': 'MMSelfSup'}


def deit(tensors: dict[str, Tensor]) -> dict:
    """facebookresearch/deit: a classifier in 'model'."""
    dims = tensors['cls_token'].shape[2]
    head = {'head.weight': torch.randn(5, dims), 'head.bias': torch.randn(5)}
    return {'model': dict(tensors) | head}


def wrapped(tensors: dict[str, Tensor], *prefixes: str) -> dict:
    """Leftovers of DDP, FSDP, compile and activation checkpointing, one inside the other."""
    outer = ''.join(prefixes)
    return {
        'model': {
            outer + name.replace('blocks.1.', 'blocks.1._checkpoint_wrapped_module.'): t
            for name, t in tensors.items()
        }
    }
