"""tools/fit_patch_pca.py: from a folder of pictures to the file that the config names."""

import numpy as np
import pytest
import torch
from PIL import Image

from mae_transfer.pretrain import PCATarget
from mae_transfer.pretrain.patch_pca import PatchPCA

FOLDER = 'configs/pretrain/mae'
CONFIG = f'{FOLDER}/ablation/mae_vit-large-p16_pca_8xb512-amp-coslr-800e_in1k.py'


@pytest.fixture
def arguments(tmp_path) -> list[str]:
    """Three gray pictures, so that a patch has 256 values at the most that differ."""
    rng = np.random.default_rng(0)
    (tmp_path / 'photos').mkdir()
    for i in range(3):
        gray = rng.integers(0, 256, (60, 80, 1), np.uint8).repeat(3, 2)
        Image.fromarray(gray).save(tmp_path / 'photos' / f'{i}.png')
    options = [f'data.root={tmp_path}', 'data.train_img=photos']
    return ['--workers', '0', '--cfg-options', *options]


def test_fit__writes_what_the_target_reads(run_main, arguments, tmp_path):
    code, out, err = run_main('fit_patch_pca', CONFIG, '--num-images', '2', *arguments)
    assert code == 0, err
    assert '392 patches of 16 pixels; 96 of 768 components explain' in out  # 2 x 14 x 14
    path = tmp_path / 'work_dirs' / 'patch-pca_in1k-p16.npz'
    pca = PatchPCA.load(path)
    assert pca.num_patches == 392
    # Normalization stretches each channel of a gray picture differently: they stay proportional.
    std = torch.tensor([58.395, 57.12, 57.375])
    first = pca.components[0].reshape(256, 3) * std
    torch.testing.assert_close(first, first[:, :1].expand(-1, 3), rtol=1e-3, atol=1e-3)
    target = PCATarget(str(path))
    assert target(torch.zeros(1, 3, 32, 48)).shape == (1, 6, 96)

    code, _, err = run_main('fit_patch_pca', CONFIG, *arguments)
    assert code == 2 and 'exists, and earlier runs may need it' in err
    before = path.read_bytes()
    code, _, _ = run_main('fit_patch_pca', CONFIG, '--overwrite', '--num-images', '2', *arguments)
    assert code == 0 and path.read_bytes() == before  # seeded


def test_fit__rejects(run_main, arguments):
    other = f'{FOLDER}/mae_vit-large-p16_8xb512-amp-coslr-800e_in1k.py'
    code, _, err = run_main('fit_patch_pca', other, *arguments)
    assert code == 2 and "target_generator is 'PixelTarget'" in err
    code, _, err = run_main('fit_patch_pca', CONFIG, '--num-images', '0', *arguments)
    assert code == 2 and '--num-images 0' in err


def test_train__without_the_file_says_how_to_make_it(run_main, arguments):
    small = ['optim_wrapper.dtype=bfloat16', 'model.backbone.arch=tiny', 'model.neck.num_layers=1']
    code, _, err = run_main('train', CONFIG, *arguments[2:], *small)
    assert code == 2 and 'tools/fit_patch_pca.py' in err.splitlines()[-1]
