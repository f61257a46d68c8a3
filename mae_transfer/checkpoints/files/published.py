"""Lists the released weights that the configs start from, and downloads them.

Addresses, licenses and hashes are those that the publishers state; publishers may print only the
beginning of a hash. ``tools/weights.py`` is the command line.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError

import timm
import torch

from mae_transfer.backbones.timm_weights import check_timm_name, find_timm_weights
from mae_transfer.closest import closest

FOLDER = 'checkpoints'  # where configs look for weights
BLOCK = 2**20  # bytes hashed at a time

MAE = 'https://github.com/facebookresearch/mae'
MAE_FILES = 'https://dl.fbaipublicfiles.com/mae'
MAE_LICENSE = 'CC-BY-NC 4.0'
VITDET = 'https://github.com/facebookresearch/detectron2/tree/main/projects/ViTDet'
CAE_DRIVE = 'https://drive.google.com/drive/folders/1wwhg7nj2GQuU9uthVuQLkEEXEjx90G7g'
BEIT = 'https://github.com/microsoft/unilm/tree/master/beit'
MOCO = 'https://github.com/facebookresearch/moco-v3/blob/main/CONFIG.md'


@dataclass(frozen=True)
class Weights:
    """Weights of another project.

    Attributes:
        name: Name in ``mae-transfer weights``.
        file: File name in ``checkpoints/``, as the configs use it.
        holds: Method, encoder, training length and parts.
        page: Where the publisher describes them; '' if no such weights have been published.
        url: Address of the file; '' if it must be downloaded manually from ``page``.
        license: License of the weights, if the publisher states one.
        hash: 'md5:' or 'sha256:' and the digits that are published; '' if none are.
    """

    name: str
    file: str
    holds: str
    page: str
    url: str = ''
    license: str = 'see its page'
    hash: str = ''


def _mae(name: str, holds: str, folder: str, digits: str = '', page: str = MAE) -> Weights:
    file = f'mae_{name}.pth'
    return Weights(
        'mae-' + name.replace('pretrain_', '').replace('_', '-'),
        file,
        holds,
        page,
        f'{MAE_FILES}/{folder}/{file}',
        MAE_LICENSE,
        f'md5:{digits}' if digits else '',
    )


def _cae(size: str, epochs: int) -> Weights:
    name = f'cae_{size}_{epochs}ep'
    holds = f'CAE, ViT-{size[0].upper()}/16, {epochs} epochs'
    return Weights(name.replace('_', '-'), f'{name}.pth', holds, CAE_DRIVE)


_FULL_PAGE, _PIXEL_PAGE = f'{MAE}/issues/8', f'{MAE}/issues/3'
_FINE_PAGE = f'{MAE}/blob/main/FINETUNE.md'
_FULL = 'MAE, {}, 1600 epochs, normalized pixels: encoder and decoder'
_PIXELS = 'MAE, {}, plain pixels, for pictures: encoder and decoder'
_FINE = "MAE's fine-tuned classifier, {}, ImageNet-1K"

PUBLISHED = (
    _mae('pretrain_vit_base', 'MAE, ViT-B/16, 1600 epochs: encoder', 'pretrain', '8cad7c'),
    _mae('pretrain_vit_large', 'MAE, ViT-L/16, 1600 epochs: encoder', 'pretrain', 'b8b06e'),
    _mae('pretrain_vit_huge', 'MAE, ViT-H/14, 1600 epochs: encoder', 'pretrain', '9bdbb0'),
    Weights(
        'mae-vit-huge-p14to16',
        'mae_pretrain_vit_huge_p14to16.pth',
        "the same with patches resampled to 16 pixels, for ViTDet's ViT-H",
        VITDET,
        'https://dl.fbaipublicfiles.com/detectron2/ImageNetPretrained/MAE/'
        'mae_pretrain_vit_huge_p14to16.pth',
    ),
    _mae('pretrain_vit_base_full', _FULL.format('ViT-B/16'), 'pretrain', page=_FULL_PAGE),
    _mae('pretrain_vit_large_full', _FULL.format('ViT-L/16'), 'pretrain', page=_FULL_PAGE),
    _mae('pretrain_vit_huge_full', _FULL.format('ViT-H/14'), 'pretrain', page=_FULL_PAGE),
    _mae('visualize_vit_base', _PIXELS.format('ViT-B/16'), 'visualize', page=_PIXEL_PAGE),
    _mae('visualize_vit_large', _PIXELS.format('ViT-L/16'), 'visualize', page=_PIXEL_PAGE),
    _mae('visualize_vit_huge', _PIXELS.format('ViT-H/14'), 'visualize', page=_PIXEL_PAGE),
    _mae('finetuned_vit_base', _FINE.format('ViT-B/16'), 'finetune', '1b25e9', _FINE_PAGE),
    _mae('finetuned_vit_large', _FINE.format('ViT-L/16'), 'finetune', '51f550', _FINE_PAGE),
    _mae('finetuned_vit_huge', _FINE.format('ViT-H/14'), 'finetune', '2541f2', _FINE_PAGE),
    Weights(
        'mae-vit-small',
        'mae_pretrain_vit_small.pth',
        'MAE, ViT-S/16: train it with configs/pretrain/mae/mae_vit-small-p16_*.py',
        '',
    ),
    _cae('base', 300),
    _cae('base', 800),
    _cae('base', 1600),
    _cae('large', 1600),
    Weights(
        'cae-small',
        'cae_small.pth',
        'CAE, ViT-S/16: train it with configs/pretrain/cae/cae_vit-small-p16_*.py',
        '',
    ),
    Weights(
        'beit-base',
        'beit_base_patch16_224.pth',
        'BEiT, ViT-B/16, no labels; released from ImageNet-22k: beit_base_patch16_224_pt22k.pth',
        BEIT,
    ),
    Weights(
        'beit-large',
        'beit_large_patch16_224.pth',
        'BEiT, ViT-L/16, no labels; released from ImageNet-22k: beit_large_patch16_224_pt22k.pth',
        BEIT,
    ),
    Weights(
        'deit-base',
        'deit_base_patch16_224-b5f2ef4d.pth',
        'DeiT, ViT-B/16, trained with labels on ImageNet-1K',
        'https://github.com/facebookresearch/deit',
        'https://dl.fbaipublicfiles.com/deit/deit_base_patch16_224-b5f2ef4d.pth',
        'Apache-2.0',
        'sha256:b5f2ef4d',
    ),
    Weights(
        'deit-large',
        'deit_large_in1k.pth',
        'ViT-L/16 trained with labels on ImageNet-1K: DeiT has none, give your own',
        '',
    ),
    Weights(
        'mocov3-vit-base',
        'mocov3_vit-base-300ep.pth',
        'MoCo v3, ViT-B/16, 300 epochs',
        MOCO,
        'https://dl.fbaipublicfiles.com/moco-v3/vit-b-300ep/vit-b-300ep.pth.tar',
        'CC-BY-NC 4.0',
    ),
    Weights(
        'mocov3-vit-large',
        'mocov3_vit-large-300ep.pth',
        "MoCo v3, ViT-L/16, 300 epochs: MMPretrain's run, its authors released none",
        'https://github.com/open-mmlab/mmpretrain/tree/main/configs/mocov3',
        'https://mmassets.onedl.ai/mmselfsup/1.x/mocov3/'
        'mocov3_vit-large-p16_64xb64-amp-coslr-300e_in1k/'
        'mocov3_vit-large-p16_64xb64-amp-coslr-300e_in1k-224_20220829-9b88a442.pth',
        'Apache-2.0',
    ),
)


def find_published(name: str) -> Weights:
    """Find weights by their name.

    Raises:
        ValueError: There are none with that name.
    """
    by_name = {weights.name: weights for weights in PUBLISHED}
    if name not in by_name:
        raise ValueError(
            f'no weights are called {name!r}; {closest(name, list(by_name))}; '
            '`mae-transfer weights` lists all'
        )
    return by_name[name]


def fetch(weights: Weights, folder: Path, progress: bool = True) -> Path:
    """Download weights, unless the file exists.

    Args:
        weights: What to download.
        folder: Destination. The file gets its name once it is complete and its hash is correct.
        progress: Whether to show a progress bar.

    Returns:
        The file.

    Raises:
        RuntimeError: The address could not be reached; the message says how to get the file.
        ValueError: The file is not available for download, or its hash is wrong.
    """
    path = folder / weights.file
    if path.is_file():
        check_hash(weights, path)
        return path
    if not weights.page:
        raise ValueError(f'{weights.name}: nobody has published these weights. {weights.holds}')
    if not weights.url:
        raise ValueError(
            f'{weights.name} cannot be downloaded automatically: get it from {weights.page} and '
            f'save it as {path}'
        )
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f'{weights.file}.partial'
    try:
        torch.hub.download_url_to_file(weights.url, str(partial), progress=progress)
    except (URLError, ConnectionError, TimeoutError) as error:
        reason = f'HTTP {error.code}' if isinstance(error, HTTPError) else error
        raise RuntimeError(
            f'{weights.name}: {weights.url} cannot be reached from here ({reason}); download it '
            f'where there is a network, and save it as {path}'
        ) from error
    try:
        check_hash(weights, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def fetch_timm(model_name: str) -> Path:
    """Let timm download the weights of one of its models into its cache.

    Args:
        model_name: Architecture and tag: 'vit_base_patch16_224.mae'.

    Returns:
        The file in the cache, where the checkpoint ``timm:MODEL`` finds it.

    Raises:
        RuntimeError: The hub could not be reached.
        ValueError: timm has no such model, or no weights for it.
    """
    check_timm_name(model_name)
    try:
        timm.create_model(model_name, pretrained=True)
    except OSError as error:
        raise RuntimeError(
            f'timm:{model_name}: its weights are not in the cache of this machine, and cannot be '
            f'downloaded from here ({type(error).__name__}); run this command where there is a '
            'network, and copy the cache of Hugging Face (HF_HOME) from there'
        ) from error
    return find_timm_weights(model_name)


def check_hash(weights: Weights, path: Path) -> None:
    """Compare a file with the published hash, where there is one.

    Raises:
        ValueError: They differ.
    """
    if not weights.hash:
        return
    algorithm, _, expected = weights.hash.partition(':')
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open('rb') as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    if not digest.hexdigest().startswith(expected):
        raise ValueError(
            f'{path} is not the published {weights.name}: its {algorithm} is {digest.hexdigest()}, '
            f'and that of {weights.page} begins with {expected}; remove the file and try again'
        )
