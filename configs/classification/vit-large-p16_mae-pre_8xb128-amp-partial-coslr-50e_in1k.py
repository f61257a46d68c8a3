"""MAE's partial fine-tuning of ViT-L/16 on ImageNet-1K: the last four blocks, 50 epochs.

Other numbers of blocks: --cfg-options model.backbone.trainable_blocks=K for K = 0, .5, 1, 2, 4, 6,
12, ... K = .5 trains only the MLP of the last block (`partial-mlp` in the name). For K = 0 the
paper uses its linear probe (`linear` in the name). The norm and the linear layer after the blocks
are always trained; a block has the learning rate of full fine-tuning.

Source: He et al. 2021 (arXiv 2111.06377), sec. 4.3, fig. 9, Table 9, App. A.1; no code is released.
The paper takes the best of 50, 100 and 200 epochs for each K; longer:
--epochs 100 --cfg-options param_scheduler.0.end=5
Expected: near full fine-tuning's 84.9 % top-1 with 4 to 6 blocks, 81.0 with one, from 800 epochs of
MAE on un-normalized pixels (sec. 4.3, fig. 9).
Cost: not published.

    bash tools/dist_train.sh \
        configs/classification/vit-large-p16_mae-pre_8xb128-amp-partial-coslr-50e_in1k.py 8 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './vit-large-p16_mae-pre_8xb128-amp-coslr-50e_in1k.py'

model = dict(backbone=dict(trainable_blocks=4, drop_path_rate=0.1))
