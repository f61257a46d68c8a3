"""MAE's supervised training from scratch (He et al. 2021, Table 11), 300 epochs, batch of 4096.

The table states no minimum learning rate; it is 0 here.
"""

_base_ = './mae-finetune_100e.py'

optim_wrapper = dict(
    optimizer=dict(lr=1e-4 * 4096 / 256, betas=(0.9, 0.95), weight_decay=0.3),
)
param_scheduler = _base_.param_scheduler
param_scheduler[0].end = 20
param_scheduler[1].begin = 20
param_scheduler[1].end = 300
param_scheduler[1].eta_min_ratio = 0.0
train_cfg = dict(max_epochs=300)
auto_scale_lr = dict(base_batch_size=4096)
