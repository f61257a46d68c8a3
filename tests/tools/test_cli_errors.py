"""A wrong path, key, type or option gets one sentence; a bug keeps its traceback."""

import json

import pytest
from mmengine.config import Config

from tests.support.tools import CONFIGS

DETECTION = CONFIGS / 'tiny_mask_rcnn.py'


def sentence_of(result: tuple[int, str, str]) -> str:
    code, _, stderr = result
    sentence = stderr.strip().splitlines()[-1]
    assert code == 2
    assert sentence.startswith('error: ')
    assert 'Traceback' not in stderr
    return sentence


@pytest.mark.parametrize(
    'option, words',
    [
        ('optim_wrapper.optimiser.lr=1', ['no such key', 'optim_wrapper.optimizer.lr']),
        ('optim_wraper.optimizer.lr=1', ['no such key', 'optim_wrapper.optimizer.lr']),
        ('optim_wrapper.optimizer.lr=fast', ['a number', '0.0001']),
        ('train_cfg.max_iters=True', ['a number', '2']),
        ('train_dataloader=4', ['a block of keys', 'batch_size']),
        ('model.backbone.arhc=tiny', ['no such key', 'model.backbone.arch']),
        ('train_pipeline.0.type=X', ['train_pipeline is a variable', 'no effect']),
        ('data.rot=/x', ['data.rot is not a key', 'root, train_img']),
        ('data.root=/nowhere', ["data_root='/nowhere' is not a folder", 'data.root=FOLDER']),
        ('optim_wrapper.paramwise_cfg.x=1', ['no such key']),
    ],
)
def test_cfg_options__wrong(run_main, option, words):
    sentence = sentence_of(run_main('train', DETECTION, '--cfg-options', option))
    assert all(word in sentence for word in words), sentence


def test_cfg_options__an_argument_that_the_class_takes_is_new_and_fine(run_main):
    """`clip_grad`, `with_cp` (ours), `lazy_init` (of the base class, through **kwargs)."""
    options = [
        'optim_wrapper.clip_grad.max_norm=1.0',
        'model.backbone.with_cp=True',
        'train_dataloader.dataset.lazy_init=True',
        'load_from=x.pth',
        'optim_wrapper.optimizer.lr=1',
    ]
    code, out, err = run_main('print_config', DETECTION, '--cfg-options', *options)
    assert code == 0, err
    cfg = Config.fromstring(out, '.py')
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=1.0)
    assert cfg.model.backbone.with_cp is True
    assert cfg.train_dataloader.dataset.lazy_init is True


def test_config__missing(run_main):
    assert "there is no file 'nowhere.py'" in sentence_of(run_main('train', 'nowhere.py'))


def test_config__syntax_error(run_main, tmp_path):
    (tmp_path / 'broken.py').write_text('model = dict(\n')
    assert 'broken.py' in sentence_of(run_main('train', 'broken.py'))


def test_config__found_from_another_folder(run_main):
    code, out, _ = run_main('print_config', 'tests/configs/tiny_mae.py')
    assert code == 0
    assert "type='MaskedAutoencoder'" in out


def test_train__config_without_training(run_main, tmp_path):
    (tmp_path / 'empty.py').write_text('model = dict(type="X")\n')
    assert 'no train_dataloader and no train_cfg' in sentence_of(run_main('train', 'empty.py'))


def test_train__default_data_missing_is_named_before_anything_is_built(run_main):
    sentence = sentence_of(run_main('train', DETECTION))
    assert "train_dataloader.dataset.data_root='data/coco/'" in sentence


def test_train__unknown_type_lists_the_closest(run_main, coco_options):
    sentence = sentence_of(
        run_main('train', DETECTION, '--cfg-options', *coco_options, 'model.neck.type=SimpleFPM')
    )
    assert "'SimpleFPM' is not registered as a model" in sentence
    assert 'SimpleFPN (mae_transfer.necks.simple_fpn)' in sentence


def test_train__argument_that_a_class_does_not_take(run_main, tmp_path, coco_options):
    (tmp_path / 'config.py').write_text(
        f"_base_ = '{DETECTION}'\nmodel = dict(neck=dict(chanels=3))\n"
    )
    sentence = sentence_of(run_main('train', 'config.py', '--cfg-options', *coco_options))
    assert "SimpleFPN takes no argument 'chanels'; it takes " in sentence


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['--pretrained', 'nowhere'], ["no file or folder 'nowhere'"]),
        (['--resume', 'nowhere.pth'], ["no checkpoint 'nowhere.pth'"]),
        (
            ['--cfg-options', 'auto_scale_lr=None', '--auto-scale-lr', '--print-param-groups'],
            ['base_batch_size'],
        ),
    ],
)
def test_train__wrong_argument(run_main, arguments, words):
    sentence = sentence_of(run_main('train', DETECTION, *arguments))
    assert all(word in sentence for word in words), sentence


def test_train__prints_param_groups(run_main):
    code, out, err = run_main('train', DETECTION, '--print-param-groups')
    assert code == 0, err
    assert 'backbone.' in out and '0.0001' in out


def test_test__pretraining_config_has_nothing_to_evaluate(run_main, tmp_path):
    (tmp_path / 'x.pth').touch()
    sentence = sentence_of(run_main('test', CONFIGS / 'tiny_mae.py', 'x.pth'))
    assert 'no test_dataloader and no test_evaluator' in sentence


def test_test__checkpoint_missing(run_main):
    assert "CHECKPOINT: there is no file 'x.pth'" in sentence_of(
        run_main('test', DETECTION, 'x.pth')
    )


def test_test__checkpoint_of_another_model(run_main, tmp_path, coco_options):
    import torch

    torch.save(
        dict(state_dict={'backbone.cls_token': torch.zeros(1, 1, 8), 'x': torch.zeros(1)}),
        tmp_path / 'x.pth',
    )
    sentence = sentence_of(run_main('test', DETECTION, 'x.pth', '--cfg-options', *coco_options))
    assert 'does not fit' in sentence
    assert '1 left over (x)' in sentence
    assert 'backbone.cls_token (1, 1, 8) instead of (1, 1, 32)' in sentence


def test_bug__keeps_its_traceback(run_main, monkeypatch, coco_folder):
    monkeypatch.setattr('mae_transfer.run.config.apply_data_block', lambda cfg, given: len(cfg, 1))
    with pytest.raises(TypeError):
        run_main('train', DETECTION)


def test_debug__shows_the_traceback(run_main):
    with pytest.raises(FileNotFoundError):
        run_main('train', 'nowhere.py', '--debug')


def test_data__bad_json_is_named_before_the_first_iteration(
    run_main, tmp_path, coco_folder, coco_options
):
    """The annotation file as many tools write it: corners instead of width and height."""
    coco = json.loads((coco_folder / 'train.json').read_text())
    for ann in coco['annotations']:
        x, y, w, h = ann['bbox']
        ann['bbox'] = [x, y, x + w, y + h]
    (tmp_path / 'corners.json').write_text(json.dumps(coco))
    options = [*coco_options, f'data.train_ann={tmp_path / "corners.json"}']
    sentence = sentence_of(run_main('train', DETECTION, '--cfg-options', *options))
    assert 'they look like [x1, y1, x2, y2]' in sentence


def test_print_config__moves_the_schedule_as_a_run_does(run_main):
    code, out, err = run_main('print_config', DETECTION, '--cfg-options', 'train_cfg.max_iters=40')
    assert code == 0 and 'length 2 -> 40 iterations' in err
    assert Config.fromstring(out, '.py').train_cfg.max_iters == 40


def test_old_module__in_custom_imports_is_named_with_its_new_place(run_main, tmp_path):
    (tmp_path / 'old.py').write_text(
        f"_base_ = '{DETECTION}'\n"
        "custom_imports = dict(imports=['mae_transfer.transfer.rpn_with_norm'])\n"
    )
    sentence = sentence_of(run_main('print_config', 'old.py'))
    assert 'mae_transfer.transfer was removed: its contents are in mae_transfer.necks' in sentence


def test_print_config__without_the_data_that_a_length_needs_says_what_is_shown(run_main):
    recipe = 'configs/pretrain/mae/mae_vit-base-p16_8xb512-amp-coslr-800e_in1k.py'
    code, out, err = run_main('print_config', recipe, '--cfg-options', 'train_cfg.max_epochs=10')
    assert code == 0 and 'WARNING: the schedule below is that of the length of the recipe' in err
    cfg = Config.fromstring(out, '.py')
    assert (cfg.train_cfg.max_epochs, cfg.param_scheduler[1].end) == (10, 800)
