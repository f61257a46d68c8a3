import pytest
import torch
from mmengine.registry import MODELS

from mae_transfer.backbones import TimmViT
from mae_transfer.checkpoints.pretrained import load_pretrained
from mae_transfer.hooks.encoder_metadata import EncoderMetadataHook
from tests.references.checkpoint_files import make_vit
from tests.support.runners import MeanModel, short_runner


def make_runner(tmp_path, model):
    checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=2)
    return short_runner(
        tmp_path,
        model,
        torch.randn(3, 16, 64),
        max_iters=2,
        default_hooks=dict(checkpoint=checkpoint),
        custom_hooks=[dict(type='EncoderMetadataHook')],
    )


def test_encoder_metadata_hook__a_real_run_can_be_transferred(tmp_path):
    vit = make_vit(img_size=(16, 64))  # 2x8 positions: only the metadata tells them from 4x4
    make_runner(tmp_path, MeanModel(vit)).train()
    saved = torch.load(tmp_path / 'iter_2.pth', weights_only=False)
    assert saved['meta']['mae_transfer'] == vit.metadata()
    assert 'message_hub' in saved

    account = load_pretrained(make_vit(seed=1, img_size=(32, 64)), tmp_path)
    assert account.layout == 'mae_transfer'
    assert account.changes == ['pos_embed 2x8 -> 4x8 bicubic']


def test_encoder_metadata_hook__timm_encoder(tmp_path):
    small = dict(depth=1, embed_dim=32, num_heads=2, patch_size=8)
    vit = TimmViT('vit_tiny_patch16_224', img_size=(16, 64), model_args=small)
    make_runner(tmp_path, MeanModel(vit)).train()
    saved = torch.load(tmp_path / 'iter_2.pth', weights_only=False)
    facts = saved['meta']['mae_transfer']
    assert facts['timm_model'] == 'vit_tiny_patch16_224'
    assert (facts['embed_dims'], facts['num_layers'], facts['patch_size']) == (32, 1, [8, 8])
    assert (facts['num_heads'], facts['pos_grid'], facts['act']) == (2, [2, 8], 'gelu')


def test_encoder_metadata_hook__states_the_pre_training(tmp_path):
    model = MeanModel(make_vit(img_size=(16, 64)))
    model.pretraining_metadata = lambda: dict(norm_pix=False, mask_ratio=0.6)
    make_runner(tmp_path, model).train()
    facts = torch.load(tmp_path / 'iter_2.pth', weights_only=False)['meta']['mae_transfer']
    assert facts == model.backbone.metadata() | dict(norm_pix=False, mask_ratio=0.6)


def test_encoder_metadata_hook__model_without_encoder(tmp_path):
    runner = make_runner(tmp_path, MeanModel(torch.nn.Conv2d(3, 3, 1)))
    with pytest.raises(ValueError, match='the model has 0 PlainViT or TimmViT'):
        runner.train()


def test_encoder_metadata_hook__is_registered_at_the_root():
    from mmengine.registry import HOOKS

    assert HOOKS.get('EncoderMetadataHook') is EncoderMetadataHook
    assert MODELS.get('PlainViT') is not None
