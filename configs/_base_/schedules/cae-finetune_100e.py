"""CAE's fine-tuning on ImageNet-1K, 100 epochs with a batch of 4096.

The learning rate is given directly, not by a scaling rule; it and the layer decay are ViT-B's.
Tables of relative position are decayed. The warm-up reaches the full rate in its last step, as
NumPy's linspace does.
"""

_base_ = './mae-finetune_100e.py'

optim_wrapper = dict(
    optimizer=dict(lr=8e-3),
    paramwise_cfg=dict(layer_decay_rate=0.65, no_decay=('1d', 'bias', 'pos_embed', 'cls_token')),
)
param_scheduler = _base_.param_scheduler
param_scheduler[0].endpoint = True
param_scheduler[1].eta_min_ratio = 1e-6 / 8e-3
auto_scale_lr = dict(base_batch_size=4096)
