"""IcarusWizard/MAE's classifier: class token of its ViT-T/2 after the final norm, linear layer."""

model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        type='ClsDataPreprocessor',
        num_classes=10,
        mean=[127.5, 127.5, 127.5],
        std=[127.5, 127.5, 127.5],
        to_rgb=False,  # SmallImages gives RGB
    ),
    backbone=dict(
        type='PlainViT',
        arch='tiny',
        img_size=32,
        patch_size=2,
        pos_embed='learned',
        cls_pos_embed=False,
        qkv_bias=False,
        norm_eps=1e-5,
        linear_init='torch',
        out_type='cls',
    ),
    neck=None,
    head=dict(
        type='LinearClsHead',
        in_channels=192,
        num_classes=10,
        loss=dict(type='CrossEntropyLoss'),
        init_cfg=None,  # PyTorch's initialization
    ),
)
