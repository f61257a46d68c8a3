"""CAE's attentive probe (Chen et al. 2022, sec. 5.2), 90 epochs with a batch of 8192.

The paper says SGD with momentum .9, the released code adds Nesterov's; without it:
--cfg-options optim_wrapper.optimizer.nesterov=False

The warm-up reaches the full rate in its last step, as NumPy's linspace does; that of the linear
probe, from MAE's code, reaches it one step later.
"""

_base_ = './linear_90e.py'

optim_wrapper = dict(
    optimizer=dict(
        _delete_=True, type='SGD', lr=0.4, momentum=0.9, nesterov=True, weight_decay=0.0
    ),
)
param_scheduler = _base_.param_scheduler
param_scheduler[0].endpoint = True
param_scheduler[1].eta_min_ratio = 1e-6 / 0.4
auto_scale_lr = dict(base_batch_size=8192)
