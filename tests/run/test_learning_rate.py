"""The learning rate for another batch than the recipe's."""

import pytest
from mmengine.config import Config

from mae_transfer.run.learning_rate import say_other_batch, scale_lr


def lr_config(**rule) -> Config:
    return Config(
        dict(
            auto_scale_lr=rule,
            train_dataloader=dict(batch_size=2, dataset=dict(type='ImageNet', pipeline=[])),
            optim_wrapper=dict(accumulative_counts=4, optimizer=dict(type='AdamW', lr=1e-4)),
        )
    )


def test_scale_lr__counts_processes_images_and_accumulation(capsys):
    """1e-4 x (2 processes x 2 images x 4 accumulated) / 64 = 2.5e-5."""
    cfg = lr_config(base_batch_size=64, enable=True)
    scale_lr(cfg, world_size=2)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(2.5e-5)
    assert 'lr 0.0001 (recipe, batch 64) x 16/64 = 2.5e-05' in capsys.readouterr().out
    assert cfg.auto_scale_lr.enable is False  # mmengine would scale once more


def test_scale_lr__counts_crops_of_one_picture(capsys):
    """Repeated sampling: 1e-4 x (1 process x 2 images x 4 accumulated x 8 crops) / 64."""
    cfg = lr_config(base_batch_size=64)
    cfg.train_dataloader.dataset.pipeline = [dict(type='MultiView', num_views=8, transforms=[[]])]
    scale_lr(cfg, world_size=1)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(1e-4)
    assert '4 accumulated x 8 crops of each' in capsys.readouterr().out


def test_scale_lr__needs_the_batch_size_of_the_recipe():
    with pytest.raises(ValueError, match='base_batch_size'):
        scale_lr(lr_config(), world_size=1)


def test_say_other_batch__gives_the_arithmetic_and_changes_nothing(capsys):
    cfg = lr_config(base_batch_size=64)
    before = cfg.to_dict()
    say_other_batch(cfg, world_size=2)
    assert capsys.readouterr().out == (
        "batch 16 = 2 processes x 2 images x 4 accumulated, the recipe's is 64; lr 0.0001 stays as "
        'it is, --auto-scale-lr would make it 0.0001 x 16/64 = 2.5e-05\n'
    )
    assert cfg.to_dict() == before


def test_say_other_batch__is_silent_about_the_recipes_and_about_none(capsys):
    say_other_batch(lr_config(base_batch_size=16), world_size=2)
    say_other_batch(lr_config(), world_size=2)
    assert capsys.readouterr().out == ''
