"""Checkpoints that do not fit stop tools/train.py before the first iteration."""

import pytest
import torch

from tests.support.tools import CONFIGS


def encoder_state(width: int) -> dict:
    """An encoder of the tiny configs, of the given width, as the MAE code saves it."""
    from mae_transfer.backbones import PlainViT

    arch = dict(embed_dims=width, num_layers=2, num_heads=2, mlp_ratio=2)
    return PlainViT(arch, img_size=64, patch_size=16).state_dict()


@pytest.mark.parametrize(
    'content, words',
    [
        ({'model': encoder_state(48)}, ['48', '32']),
        ({'model': {f'wrong.{k}': v for k, v in encoder_state(32).items()}}, ['wrong.']),
        ({}, ['spoilt.pth']),
    ],
    ids=['another width', 'corrupted prefix', 'empty dict'],
)
def test_train__spoilt_checkpoint_stops_before_the_first_iteration(
    run_main, tmp_path, coco_options, content, words
):
    torch.save(content, tmp_path / 'spoilt.pth')
    code, out, err = run_main(
        'train',
        CONFIGS / 'tiny_mask_rcnn.py',
        *('--pretrained', tmp_path / 'spoilt.pth', '--work-dir', tmp_path / 'work'),
        *('--cfg-options', *coco_options),
    )
    assert code == 2
    assert all(word in err for word in words), err
    assert 'Iter(train)' not in out + err and not list(tmp_path.glob('work/*.pth'))
