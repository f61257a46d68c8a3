"""The demo's UperNet: 32 channels, digits against everything else."""

_base_ = ['./upernet_vit-base-p16.py', './vit_demo.py']

channels = 32
norm_cfg = dict(type='BN', requires_grad=True)

model = dict(
    data_preprocessor=dict(size=(64, 64)),  # pixels
    backbone={
        '_delete_': True,
        **_base_.encoder,
        'freeze_pos_embed': False,
        'drop_path_rate': 0.1,
        'out_indices': (1, 2, 3, 5),
        'final_norm': True,
    },
    neck=dict(_delete_=True, type='RescaledPyramid', embed_dims=128, norm_cfg=norm_cfg),
    decode_head=dict(
        in_channels=[128] * 4,
        channels=channels,
        num_classes=2,
        norm_cfg=norm_cfg,
    ),
    auxiliary_head=dict(
        in_channels=128,
        channels=channels,
        num_classes=2,
        norm_cfg=norm_cfg,
    ),
    test_cfg=dict(crop_size=(64, 64), stride=(42, 42)),  # larger pictures window by window
)
