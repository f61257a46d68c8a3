"""MAE's partial fine-tuning of ViT-L/16 on ImageNet-1K: half a block, 50 epochs.

Only the MLP of the last block is trained, with its norm (the paper is silent on norms), and the
norm and linear layer after the blocks.

Source: He et al. 2021 (arXiv 2111.06377), sec. 4.3, fig. 9, Table 9, App. A.1; no code is released.
The paper takes the best of 50, 100 and 200 epochs; longer:
--epochs 100 --cfg-options param_scheduler.0.end=5
Expected: 79.1 % top-1 from 800 epochs of MAE on un-normalized pixels (sec. 4.3, fig. 9).
Cost: not published.

    bash tools/dist_train.sh \
        configs/classification/vit-large-p16_mae-pre_8xb128-amp-partial-mlp-coslr-50e_in1k.py 8 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './vit-large-p16_mae-pre_8xb128-amp-coslr-50e_in1k.py'

model = dict(backbone=dict(trainable_blocks=0.5, drop_path_rate=0.1))
