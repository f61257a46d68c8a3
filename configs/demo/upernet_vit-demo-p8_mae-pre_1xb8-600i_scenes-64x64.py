"""Demo: the pre-trained encoder inside UperNet, on few labeled scenes.

The parts of the MAE recipe at a size for two cores: outputs of four blocks, rescaled; 32 channels
instead of 768; batch norm instead of SyncBN. Without --pretrained it trains from random weights.
The ten digits are one class here, by the label map: minutes are enough to learn where digits are,
but not to classify them pixel by pixel.

Expected: no published score. Measured here: 74.2 mIoU; 71.0 from random weights.

    python tools/train.py configs/demo/upernet_vit-demo-p8_mae-pre_1xb8-600i_scenes-64x64.py \
        --pretrained work_dirs/demo/seed-0/pretrain
"""

_base_ = [
    '../_base_/models/upernet_vit-demo-p8.py',
    '../_base_/datasets/scenes_masks.py',
    '../_base_/schedules/demo_finetune_600i.py',
    '../_base_/mmseg_runtime.py',
]

optim_wrapper = dict(optimizer=dict(weight_decay=0.05))
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=150, max_keep_ckpts=1))
