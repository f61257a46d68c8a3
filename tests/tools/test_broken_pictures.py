"""Training on broken pictures and masks, from the command line."""

import re

import numpy as np
import pytest
from PIL import Image

from tests.support.broken_pictures import break_files, write_data

pytestmark = pytest.mark.slow


def test_train__two_broken_pictures_of_forty(run_main, tmp_path):
    pictures, _, arguments = write_data('detect', tmp_path / 'data')
    break_files(pictures[3:4], 'half')
    break_files(pictures[7:8], 'missing')
    code, out, err = run_main(
        'train', *arguments, 'train_cfg.max_iters=24', 'data.max_bad_share=0.1',
        'train_dataloader.num_workers=2', '--work-dir', 'work',
    )  # fmt: skip
    assert code == 0, err
    summary = out.splitlines()[-1]
    assert re.search(
        r'2 files of 40 samples could not be read and were replaced \d+ times', summary
    )
    assert f'{pictures[3]} (cut off' in summary and f'{pictures[7]} (missing)' in summary
    assert (tmp_path / 'work' / 'bad_files.txt').read_text().count('\n') == 2


@pytest.mark.parametrize('damage', ['small mask', 'half'])
def test_train__sixteen_broken_masks_of_forty(damage, run_main, tmp_path):
    """Masks that are cut off are met before the first step, those of another size are not."""
    _, masks, arguments = write_data('segment', tmp_path / 'data')
    break_files(masks[:16], damage)
    code, out, err = run_main(
        'train', *arguments, 'train_cfg.max_iters=24', 'data.max_bad_share=0.1',
        '--work-dir', 'work',
    )  # fmt: skip
    assert code == 2
    share = r'\d+ of \d+ .*\(\d+(\.\d+)? %\).* data.max_bad_share=0.1 allows'
    assert re.fullmatch(rf'error: {share}: .*\.png.*', err.splitlines()[-1])
    assert 'Traceback' not in out + err


def test_train__a_validation_picture_that_only_decoding_refuses(run_main, tmp_path):
    _, _, arguments = write_data('detect', tmp_path / 'data', count=4)
    picture = tmp_path / 'data' / 'val' / '02.jpg'
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    Image.fromarray(noise).save(picture, 'PNG')
    content = bytearray(picture.read_bytes())
    content[1000:3000] = bytes(2000)
    picture.write_bytes(content)
    code, out, err = run_main(
        'train', *arguments, 'train_cfg.max_iters=1', 'train_cfg.val_interval=1',
        'val_dataloader.num_workers=1', '--work-dir', 'work',
    )  # fmt: skip
    assert code == 2
    last = err.splitlines()[-1]
    assert last.startswith(f'error: {picture} cannot be read: not decoded by OpenCV; repair it')
    assert 'Traceback' not in out + err
