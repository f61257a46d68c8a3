"""The recipe for CIFAR-10 against a slow version of the released code, on the same weights."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmpretrain.registry import MODELS
from torch.testing import assert_close

from mae_transfer.checkpoints.files.checkpoint_file import read_checkpoint
from mae_transfer.checkpoints.layouts.table import layout_named
from mae_transfer.checkpoints.layouts.translate import decoder_tensors
from mae_transfer.checkpoints.pretrained import load_pretrained
from mae_transfer.layers.patchify import patchify
from mae_transfer.masking.random_mask import random_mask
from mae_transfer.pretrain import MAEDecoder, MaskedAutoencoder
from tests.references.naive_cifar_mae import (
    NaiveDecoder,
    NaiveEncoder,
    decoder_to_mae_decoder,
    encoder_to_plain_vit,
    naive_cifar_loss,
)

CONFIGS = Path(__file__).resolve().parents[2] / 'configs/cifar'
PRETRAIN = CONFIGS / 'mae_vit-tiny-p2_1xb4096-coslr-2000e_cifar10.py'
FINETUNE = CONFIGS / 'vit-tiny-p2_mae-pre_1xb128-coslr-100e_cifar10.py'
GRID, DIMS, DEPTH, HEADS = (3, 4), 16, 2, 2  # 12 patches, 3 of them visible


def small(config: Path) -> dict:
    """The recipe's model, narrow, shallow, for pictures of 6 x 8 pixels."""
    model = Config.fromfile(config).model
    model.backbone.update(
        arch=dict(embed_dims=DIMS, num_layers=DEPTH, num_heads=HEADS), img_size=(6, 8)
    )
    model.backbone.pop('init_cfg', None)
    if 'grid' in (model.neck or {}):
        model.neck.update(
            encoder_dims=DIMS, embed_dims=DIMS, grid=GRID, num_layers=1, num_heads=HEADS
        )
    else:
        model.head.in_channels = DIMS
    return model


@pytest.fixture
def released() -> tuple[NaiveEncoder, NaiveDecoder]:
    torch.manual_seed(1)
    encoder = NaiveEncoder(GRID, 2, DIMS, DEPTH, HEADS)
    return encoder, NaiveDecoder(GRID, 2, DIMS, 1, HEADS)


def build(released: tuple[NaiveEncoder, NaiveDecoder], **kwargs) -> MaskedAutoencoder:
    """Our model with the weights of the released one."""
    model = MODELS.build({**small(PRETRAIN), **kwargs})
    encoder, decoder = released
    model.backbone.load_state_dict(encoder_to_plain_vit(encoder.state_dict()))
    model.neck.load_state_dict(decoder_to_mae_decoder(decoder.state_dict()))
    return model


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_cifar_mae__has_as_many_parameters_as_the_released_model():
    model = MODELS.build(Config.fromfile(PRETRAIN).model)
    assert count(model.backbone) == 5_383_680
    assert count(model.neck) == 1_829_004
    assert count(model) == 5_383_680 + 1_829_004
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.backbone.pos_embed.shape == (1, 256, 192)
    assert model.neck.decoder_pos_embed.shape == (1, 257, 192)
    assert model.backbone.patch_embed.proj.weight.shape == (192, 3, 2, 2)


@pytest.mark.parametrize('skip', [False, True])
def test_cifar_mae__loss_and_gradients_equal_the_released_code(released, skip):
    model = build(released, skip_first_hidden=skip)
    images = torch.randn(3, 3, 6, 8)
    torch.manual_seed(2)
    loss = model.loss(images)['loss']
    torch.manual_seed(2)
    ids_keep, ids_mask, _ = random_mask(3, 12, 0.75)  # the masks that the model drew
    orders = torch.cat([ids_keep, ids_mask], dim=1)
    expected = naive_cifar_loss(*released, images, orders, released=skip)
    assert_close(loss, expected)
    loss.backward()
    expected.backward()
    encoder, decoder = released
    theirs = encoder_to_plain_vit({k: v.grad for k, v in encoder.named_parameters()})
    for name, parameter in model.backbone.named_parameters():
        assert_close(parameter.grad, theirs[name], msg=name)
    theirs = decoder_to_mae_decoder({k: v.grad for k, v in decoder.named_parameters()})
    for name, parameter in model.neck.named_parameters():
        assert_close(parameter.grad, theirs[name], msg=name)


def test_cifar_mae__off_by_one_leaves_out_the_first_hidden_patch(released):
    """Nine patches are hidden; the errors of eight of them are summed, and divided by nine."""
    model = build(released, skip_first_hidden=True)
    images = torch.randn(2, 3, 6, 8)
    torch.manual_seed(3)
    loss = model.loss(images)['loss']
    torch.manual_seed(3)
    pred, mask = model.predict_patches(images)
    torch.manual_seed(3)
    _, ids_mask, _ = random_mask(2, 12, 0.75)
    errors = (pred - patchify(images, (2, 2), channel_first=True)).square().mean(dim=2)
    total = sum(errors[image, ids_mask[image, 1:]].sum() for image in range(2))
    assert mask.sum() == 18
    assert_close(loss, total / 18)


def test_cifar_mae__classifier_reads_the_class_token_behind_the_norm(released):
    encoder, _ = released
    model = MODELS.build(small(FINETUNE))
    model.backbone.load_state_dict(encoder_to_plain_vit(encoder.state_dict()))
    images = torch.randn(2, 3, 6, 8)
    feature = torch.stack([encoder(image, torch.arange(12))[0] for image in images])
    assert_close(model(images), model.head.fc(feature))


def test_cifar_mae__reads_the_tensors_of_the_released_model(released, tmp_path):
    """Written as IcarusWizard/MAE names them; its own file would need its code to be unpickled."""
    encoder, decoder = released
    both = torch.nn.ModuleDict(dict(encoder=encoder, decoder=decoder))
    torch.save({'model': both.state_dict()}, tmp_path / 'vit-t-mae.pt')
    vit = MODELS.build(small(PRETRAIN).backbone)
    account = load_pretrained(vit, tmp_path / 'vit-t-mae.pt', pos_grid=GRID)
    assert account.layout == 'IcarusWizard MAE'
    assert account.changes == []
    assert_close(dict(vit.state_dict()), encoder_to_plain_vit(encoder.state_dict()))
    file = read_checkpoint(tmp_path / 'vit-t-mae.pt')
    ours = decoder_tensors(file, layout_named('IcarusWizard MAE'))
    assert_close(ours, decoder_to_mae_decoder(decoder.state_dict()))


def test_cifar_mae__starts_as_pytorch_does():
    """Linear layers and the patch projection uniform within 1 / sqrt(fan in), the rest std .02."""
    model = MODELS.build(Config.fromfile(PRETRAIN).model)
    model.init_weights()
    classifier = MODELS.build(Config.fromfile(FINETUNE).model)
    modules = [*model.named_modules(), *classifier.named_modules()]
    layers = [
        (name, module)
        for name, module in modules
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d)
    ]
    assert len(layers) == (1 + 12 * 4) + (4 * 4 + 1) + (1 + 12 * 4) + 1
    for name, layer in layers:
        bound = layer.weight[0].numel() ** -0.5
        for parameter in (layer.weight, layer.bias):
            if parameter is not None:
                assert parameter.abs().max() <= bound, name
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05), name
    tables = (model.backbone.pos_embed, model.neck.decoder_pos_embed)
    for table in (*tables, model.backbone.cls_token, model.neck.mask_token):
        assert table.std().item() == pytest.approx(0.02, rel=0.2)


def test_mae__rejects_an_unknown_start():
    with pytest.raises(ValueError, match="linear_init='kaiming': must be one of"):
        MODELS.build({**small(PRETRAIN), 'linear_init': 'kaiming'})


def test_mae_decoder__without_input_layer_needs_one_width():
    with pytest.raises(ValueError, match='embed_dims=16 differs from encoder_dims=32'):
        MAEDecoder(32, GRID, 12, embed_dims=16, num_heads=2, input_layer=False)
