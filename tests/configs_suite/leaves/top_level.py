"""The top-level names of configs: what a run reads, and what only helps to write the rest."""

from mmengine.config import Config

from tests.configs_suite.leaves.tree import Tree

# MMEngine's two runners, its loader of configs, and our tools read these.
READ = {
    *('model', 'model_wrapper_cfg', 'data_preprocessor', 'find_unused_parameters', 'sync_bn'),
    *('train_dataloader', 'val_dataloader', 'test_dataloader', 'val_evaluator', 'test_evaluator'),
    *('optim_wrapper', 'param_scheduler', 'auto_scale_lr', 'train_cfg', 'val_cfg', 'test_cfg'),
    *('default_hooks', 'custom_hooks', 'custom_imports', 'default_scope', 'env_cfg', 'launcher'),
    *('log_level', 'log_processor', 'visualizer', 'experiment_name', 'work_dir'),
    *('load_from', 'resume', 'randomness', 'runner_type', 'strategy'),
    *('activation_checkpointing', 'compile', 'efficient_conv_bn_eval'),
    *('tta_model', 'tta_pipeline'),
}
# Parts that a config repeats under a second name, as the frameworks' own configs do.
ECHOES = {
    'train_pipeline': ('train_dataloader', 'dataset', 'pipeline'),
    'test_pipeline': ('test_dataloader', 'dataset', 'pipeline'),
    'vis_backends': ('visualizer', 'vis_backends'),
}
# Variables of a config file: sizes, colors and parts that it, or a config above, uses by name.
HELPERS = {
    *('img_size', 'image_size', 'crop_size', 'patch_size', 'view_size', 'ratios', 'channels'),
    *('max_epochs', 'max_iters', 'warm_up_epochs', 'repeats', 'num_stages'),
    *('mean', 'std', 'bgr_mean', 'bgr_std', 'norm_cfg', 'encoder', 'tokenizer', 'cascade'),
    *('cell_size', 'num_bins', 'classes', 'palette', 'dataset', 'map_labels', 'resize'),
}


def read_by_a_run(cfg: Config) -> Tree:
    """What a run reads of a config, without the helpers.

    Raises:
        ValueError: A name is of none of the three kinds, or a pipeline has two meanings.
    """
    tree = cfg.to_dict()
    unknown = tree.keys() - READ - ECHOES.keys() - HELPERS
    if unknown:
        raise ValueError(
            f'{sorted(unknown)} is read by nothing we know: correct the spelling, or add it to '
            'READ or HELPERS in tests/configs_suite/leaves/top_level.py'
        )
    for name in ECHOES.keys() & tree.keys():
        original = tree
        for key in ECHOES[name]:
            original = original[key]
        if original != tree[name]:
            raise ValueError(f'{name} differs from {".".join(ECHOES[name])}: make them equal')
    return {name: tree[name] for name in tree if name in READ}
